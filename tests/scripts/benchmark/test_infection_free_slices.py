from types import SimpleNamespace

import numpy as np

from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.scripts.benchmark.infection_free_slices import false_infection, false_infection_of


def test_infection_in_slices_without_any_is_false():
    reference, predicted = np.zeros((2, 4, 4, 3), bool)
    reference[1, 1, 0] = True
    predicted[1, :, 0] = True
    predicted[2, 2:, 2] = True
    assert false_infection(reference, predicted, 0.5) == {
        "free_slices": 2,
        "false_ml": 1.0,
        "reference_ml": 0.5,
        "prediction_ml": 3.0,
    }


def test_voxels_that_do_not_count_are_not_false():
    """Of three slices without infection in the reference, one counts, and half of it."""
    reference, predicted, valid = np.zeros((3, 4, 4, 3), np.uint8)
    predicted[...] = 3
    valid[:2, :, 1] = 1
    volume = Volume.from_source(reference, np.eye(4))
    case = SimpleNamespace(reference=volume, valid=volume.with_array(valid), labelled=())
    found = false_infection_of(case, volume.with_array(predicted))
    assert found == {"free_slices": 1, "false_ml": 0.01, "reference_ml": 0.0, "prediction_ml": 0.01}
