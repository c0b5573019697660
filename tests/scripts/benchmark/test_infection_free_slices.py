import numpy as np

from pneumoseg.scripts.benchmark.infection_free_slices import false_infection


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
