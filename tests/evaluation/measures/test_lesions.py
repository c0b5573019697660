"""Lesions by eye: which pieces are found, missed, right and false."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.lesions import COLUMNS, lesion_rows, lesion_scores, pieces, scores_of_counts


def masks():
    """Reference: pieces of 4, 2 and 1 voxels; prediction: half of the first, all of the third, and two elsewhere."""
    reference, prediction = np.zeros((2, 8, 6, 4), bool)
    reference[0:4, 0, 0] = True
    reference[0:2, 3, 0] = True
    reference[6, 5, 3] = True
    prediction[0:2, 0, 0] = True
    prediction[6, 5, 3] = True
    prediction[4, 3, 2] = prediction[7, 0, 0] = True
    return reference, prediction


def scored(reference, prediction):
    return lesion_scores(pieces(reference, prediction), pieces(prediction, reference))


def test_counts_by_eye():
    result = scored(*masks())
    assert result == {
        "lesions_reference": 3,
        "lesions_found": 2,
        "lesions_prediction": 4,
        "lesions_false": 2,
        "lesion_sensitivity": pytest.approx(2 / 3),
        "lesion_precision": 0.5,
        "lesion_f1": pytest.approx(4 / 7),
    }


def test_pieces_are_ordered_by_size_with_centres():
    found = pieces(*masks())
    assert found.voxels.tolist() == [4, 2, 1]
    assert found.overlap.tolist() == [0.5, 0.0, 1.0]
    assert found.centre.tolist() == [[1.5, 0, 0], [0.5, 3, 0], [6, 5, 3]]


def test_voxels_that_share_a_corner_are_one_piece():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert pieces(mask, mask).voxels.tolist() == [2]


def test_a_touch_finds_nothing_but_a_tenth_does():
    reference, prediction = np.zeros((2, 20, 2, 2), bool)
    reference[:, 0, 0] = True
    prediction[0, 0, 0] = True
    assert scored(reference, prediction)["lesions_found"] == 0
    prediction[1, 0, 0] = True
    assert scored(reference, prediction)["lesions_found"] == 1


def test_one_prediction_may_find_many():
    reference, prediction = np.zeros((2, 5, 1, 1), bool)
    reference[[0, 2, 4]] = True
    prediction[:] = True
    assert scored(reference, prediction)["lesion_f1"] == 1.0


def test_swapping_the_masks_swaps_sensitivity_and_precision():
    one, other = masks()
    there, back = scored(one, other), scored(other, one)
    assert there["lesion_sensitivity"] == back["lesion_precision"]
    assert there["lesion_f1"] == back["lesion_f1"]


@pytest.mark.parametrize(("first", "second", "f1"), [(0, 0, np.nan), (1, 0, 0.0), (0, 1, 0.0)])
def test_empty_masks(first, second, f1):
    result = scored(np.full((4, 4, 4), bool(first)), np.full((4, 4, 4), bool(second)))
    np.testing.assert_equal(result["lesion_f1"], f1)


@pytest.mark.parametrize(
    ("counts", "scores"),
    [
        ((4, 3, 2, 1), (0.75, 0.5, 0.6)),
        ((4, 0, 2, 2), (0, 0, 0)),
        ((4, 0, 0, 0), (0, np.nan, 0)),
        ((0, 0, 2, 2), (np.nan, 0, 0)),
        ((0, 0, 0, 0), (np.nan, np.nan, np.nan)),
    ],
)
def test_scores_follow_from_the_counts_alone(counts, scores):
    np.testing.assert_allclose(list(scores_of_counts(*counts).values()), scores)


def test_rows_have_volumes_and_places():
    reference, prediction = masks()
    affine = np.diag([2.0, 1.0, 5.0, 1.0])
    affine[:3, 3] = (-10, 0, 100)
    rows = lesion_rows(
        1,
        "a",
        "infection",
        reference=pieces(reference, prediction),
        prediction=pieces(prediction, reference),
        affine=affine,
    )
    assert [tuple(row) for row in rows] == [COLUMNS] * 7
    assert [row["verdict"] for row in rows] == ["found", "missed", "found", "right", "false", "false", "right"]
    assert rows[0]["volume_ml"] == pytest.approx(0.04)
    assert [rows[2][axis] for axis in ("x_mm", "y_mm", "z_mm")] == [2.0, 5.0, 115.0]


@pytest.mark.parametrize(
    ("mask", "other"),
    [(np.zeros((4, 4, 4), bool), np.zeros((4, 4), bool)), (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), bool))],
)
def test_wrong_masks_are_refused(mask, other):
    with pytest.raises(InputError, match="masks"):
        pieces(mask, other)
