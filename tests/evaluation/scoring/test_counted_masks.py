"""What of two masks is compared."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.partial_labels import IGNORED, hidden_classes
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.scoring.counted_masks import counted_masks, is_labelled, telling_labels

ALL = hidden_classes(LUNG_LABELS, ())
LUNGS = hidden_classes(LUNG_LABELS, ("lung_left", "lung_right"))
INFECTION = hidden_classes(LUNG_LABELS, ("infection",))
FLIPPED = np.diag([-1.0, 1, 1, 1])


def row(values, affine=None) -> Volume:
    """A volume of one row along x."""
    return Volume.from_source(np.array(values, np.uint8).reshape(-1, 1, 1), np.eye(4) if affine is None else affine)


def flipped(values) -> Volume:
    """The same row, stored from right to left."""
    affine = FLIPPED.copy()
    affine[0, 3] = len(values) - 1
    return row(values[::-1], affine)


def compared(reference, prediction, hidden=ALL, valid=None):
    masks = counted_masks(row(reference), flipped(prediction), hidden, valid=valid)
    return [one.ravel().tolist() for one in (masks.reference.array, masks.prediction.array, masks.truth)]


def test_all_is_compared_by_default():
    reference, prediction = [0, 1, 2, 3], [3, 1, 0, 3]
    assert compared(reference, prediction) == [reference, prediction, reference]
    assert counted_masks(row(reference), row(prediction), ALL).ignored == 0


def test_voxels_that_do_not_count_are_background():
    valid = flipped([0, 1, 0, 1])
    assert compared([1, 1, 2, 3], [3, 3, 2, 3], valid=valid) == [[0, 1, 0, 3], [0, 3, 0, 3], [IGNORED, 1, IGNORED, 3]]
    assert counted_masks(row([1, 1, 2, 3]), row([3, 3, 2, 3]), ALL, valid=valid).ignored == 2


def test_what_the_reference_cannot_deny_is_right():
    assert compared([0, 0, 1, 1, 2], [1, 3, 3, 2, 3], LUNGS)[1] == [1, 3, 1, 2, 2]
    assert compared([0, 0, 3, 3], [1, 3, 1, 3], INFECTION)[1] == [0, 3, 1, 3]
    assert compared([0, 1], [3, 3], LUNGS, valid=row([1, 0])) == [[0, 0], [3, 0], [0, IGNORED]]


def test_other_places_are_refused():
    for prediction, valid in ((row([1, 1, 1]), None), (row([1, 1]), row([1, 1], 2 * np.eye(4)))):
        with pytest.raises(InputError, match=r"reference and (prediction|valid) must"):
            counted_masks(row([1, 1]), prediction, ALL, valid=valid)


def test_a_class_is_labelled_where_it_cannot_hide():
    groups = {"background": [0], "left": [1], "right": [2], "infection": [3], "lungs": [1, 2, 3]}
    for hidden, expected in (
        (ALL, list(groups)),
        (LUNGS, ["background", "left", "right", "lungs"]),
        (INFECTION, ["background", "infection"]),
    ):
        assert [name for name, members in groups.items() if is_labelled(members, hidden)] == expected


def test_labels_that_tell_the_class_of_a_voxel():
    def telling(members, hidden):
        return np.flatnonzero(telling_labels(members, hidden)[:4]).tolist()

    assert telling([3], ALL) == [0, 1, 2, 3]
    assert telling([3], LUNGS) == [0, 3]  # where a lung is, an infection may be
    assert telling([1], LUNGS) == [0, 2, 3]
    assert telling([1, 2, 3], LUNGS) == [0, 1, 2, 3]
    assert telling([1], INFECTION) == [1, 2, 3]
    assert not telling_labels([3], ALL)[IGNORED]
