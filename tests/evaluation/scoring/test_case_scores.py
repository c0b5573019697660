"""One case to its rows."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import LEVELS, probability_levels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.lesions import LESION_COUNTS, LESION_SCORES
from pneumoseg.evaluation.scoring.case_scores import check_tolerances, score_case
from pneumoseg.evaluation.scoring.mask_columns import (
    COLUMNS,
    DEFINITIONS,
    LUNG_GROUPS,
    REQUIRED_COLUMNS,
    SCORES,
    SURFACE_SCORES,
    default_groups,
)

LIVER = LabelTable(("background", "liver"), ((0, 0, 0), (9, 9, 9)))
AFFINE = np.diag([2.0, 2.5, 4.0, 1.0])  # 20 mm3 a voxel


def volume(array: np.ndarray, affine: np.ndarray = AFFINE) -> Volume:
    return Volume.from_source(array.astype(np.uint8), affine)


def lungs_with_infection() -> np.ndarray:
    """x = 0: left lung, x = 1: right lung, its 4 voxels z = 0 infected."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[1] = 1, 2
    labels[1, :, 0] = 3
    return labels


def rows_by_class(reference, prediction, labels=LUNG_LABELS, **arguments) -> dict[str, dict]:
    rows = score_case("a", 2, volume(reference), prediction=volume(prediction), labels=labels, **arguments).rows
    return {row["class"]: row for row in rows}


def test_columns_are_the_interface():
    assert ",".join(COLUMNS) == (
        "fold,case,class,dice,iou,sensitivity,specificity,precision,accuracy,hd95_mm,assd_mm,nsd,"
        "volume_reference_ml,volume_prediction_ml,status,"
        "hd_mm,nsd_tolerance_mm,volume_difference_ml,volume_difference_percent,auc,"
        "lesions_reference,lesions_found,lesions_prediction,lesions_false,lesion_sensitivity,lesion_precision,lesion_f1,"
        "jaccard_distance,source"
    )
    assert set(SCORES) < set(COLUMNS)
    assert COLUMNS[: len(REQUIRED_COLUMNS)] == REQUIRED_COLUMNS
    assert REQUIRED_COLUMNS[-1] == "status"
    assert set(DEFINITIONS) == set(COLUMNS) - {"fold", "case", "class"}


def test_a_row_per_class_and_one_for_the_lungs():
    rows = score_case(
        "a", 2, volume(lungs_with_infection()), prediction=volume(lungs_with_infection()), labels=LUNG_LABELS
    ).rows
    assert [row["class"] for row in rows] == ["background", "lung_left", "lung_right", "infection", "lungs"]
    for row in rows:
        assert tuple(row) == COLUMNS
        assert (row["fold"], row["case"], row["dice"], row["status"]) == (2, "a", 1.0, "ok")
        assert row["volume_difference_ml"] == row["volume_difference_percent"] == 0
    assert all(math.isnan(rows[0][score]) for score in SURFACE_SCORES)  # the background has no surface of its own
    assert math.isnan(rows[0]["nsd_tolerance_mm"])
    for row in rows[1:]:
        assert (row["hd95_mm"], row["assd_mm"], row["hd_mm"], row["nsd"]) == (0, 0, 0, 1)
    assert [row["nsd_tolerance_mm"] for row in rows[1:]] == [1, 1, 3, 1]


def test_surface_scores_are_in_millimetres():
    """The left lung, x = 0, predicted two voxels of 2 mm to the right: no side is common to both."""
    reference, prediction = np.zeros((2, 4, 4, 4), np.uint8)
    reference[0], prediction[2] = 1, 1
    row = rows_by_class(reference, prediction)["lung_left"]
    assert (row["hd_mm"], row["hd95_mm"], row["nsd"]) == (4, 4, 0)
    assert row["assd_mm"] == pytest.approx(3)  # the far side 4 mm away, the near side 2 mm
    row = rows_by_class(reference, prediction, tolerances_mm={"lung_left": 2.0})["lung_left"]
    assert (row["nsd"], row["nsd_tolerance_mm"]) == (pytest.approx(0.5), 2)


def test_a_class_without_tolerance_has_distances_but_no_surface_dice():
    row = rows_by_class(np.ones((4, 4, 4)), np.ones((4, 4, 4)), LIVER)["liver"]
    assert row["hd95_mm"] == 0
    assert math.isnan(row["nsd"])
    assert math.isnan(row["nsd_tolerance_mm"])


def test_one_empty_mask_is_as_far_as_the_volume_allows():
    reference, prediction = lungs_with_infection(), lungs_with_infection()
    prediction[1] = 2
    diagonal = pytest.approx(math.sqrt((4 * 2.0) ** 2 + (4 * 2.5) ** 2 + (4 * 4.0) ** 2))
    for masks, status in (
        ((reference, prediction), "prediction_empty"),
        ((prediction, reference), "reference_empty"),
    ):
        row = rows_by_class(*masks)["infection"]
        assert row["status"] == status
        assert (row["hd95_mm"], row["assd_mm"], row["hd_mm"], row["nsd"]) == (diagonal, diagonal, diagonal, 0)


def test_two_empty_masks_have_no_surface_scores():
    row = rows_by_class(np.ones((4, 4, 4)), np.ones((4, 4, 4)))["infection"]
    assert row["status"] == "both_empty"
    assert all(math.isnan(row[score]) for score in SURFACE_SCORES)
    assert row["volume_difference_ml"] == 0
    assert math.isnan(row["volume_difference_percent"])


def test_infection_taken_for_lung_costs_both_classes_but_not_the_lungs():
    reference, prediction = lungs_with_infection(), lungs_with_infection()
    prediction[1] = 2
    rows = rows_by_class(reference, prediction)
    assert rows["infection"]["dice"] == 0
    assert rows["infection"]["status"] == "prediction_empty"
    assert rows["lung_right"]["dice"] == 2 * 12 / (12 + 16)
    assert rows["lungs"]["dice"] == 1


def test_volumes_are_in_millilitres():
    rows = rows_by_class(lungs_with_infection(), np.zeros((4, 4, 4)))
    assert rows["infection"]["volume_reference_ml"] == pytest.approx(4 * 0.020)
    assert rows["lungs"]["volume_reference_ml"] == pytest.approx(32 * 0.020)
    assert rows["lungs"]["volume_prediction_ml"] == 0
    assert rows["lungs"]["volume_difference_ml"] == pytest.approx(-32 * 0.020)
    assert rows["lungs"]["volume_difference_percent"] == -100


def test_files_of_another_orientation_are_compared_in_place():
    flipped = np.diag([-2.0, 2.5, 4.0, 1.0])
    flipped[0, 3] = 6.0
    prediction = volume(lungs_with_infection()[::-1], flipped)
    rows = score_case("a", 0, volume(lungs_with_infection()), prediction=prediction, labels=LUNG_LABELS).rows
    assert {row["dice"] for row in rows} == {1.0}


def test_the_lungs_are_scored_only_where_the_table_has_them():
    assert default_groups(LUNG_LABELS.names) == LUNG_GROUPS
    assert default_groups(LIVER.names) == {}
    assert list(rows_by_class(np.ones((4, 4, 4)), np.ones((4, 4, 4)), LIVER)) == ["background", "liver"]


def test_a_class_with_the_name_of_the_group_is_refused():
    labels = LabelTable((*LUNG_LABELS.names, "lungs"), (*LUNG_LABELS.colours, (9, 9, 9)))
    with pytest.raises(InputError, match="another name than the groups of classes, found lungs; rename it"):
        rows_by_class(lungs_with_infection(), lungs_with_infection(), labels)


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"case a: .*one shape.*\(4, 4, 4\) and \(4, 4, 3\)"):
        rows_by_class(lungs_with_infection(), np.zeros((4, 4, 3)))


def test_another_place_is_refused():
    moved = AFFINE.copy()
    moved[2, 3] = 1.0
    with pytest.raises(InputError, match=r"case a: .*same place"):
        score_case(
            "a", 0, volume(lungs_with_infection()), prediction=volume(lungs_with_infection(), moved), labels=LUNG_LABELS
        )


def test_a_label_outside_the_table_is_refused():
    with pytest.raises(InputError, match="case a: labels must be"):
        rows_by_class(lungs_with_infection(), np.full((4, 4, 4), 4))


def test_two_empty_masks_have_no_lesion_and_no_lesion_score():
    """0 pieces are a count, and enter sums over cases; a share of nothing is none."""
    for empty in (np.ones((4, 4, 4)), np.zeros((4, 4, 4))):
        rows = rows_by_class(empty, empty)
        assert [rows["infection"][count] for count in LESION_COUNTS] == [0, 0, 0, 0]
        assert all(math.isnan(rows["infection"][score]) for score in LESION_SCORES)
        assert all(math.isnan(rows["lung_left"][count]) for count in LESION_COUNTS)


def test_equal_masks_at_a_tie_are_equal():
    """Two affines that differ by rounding may be turned differently at 45 degrees."""
    affines = [np.eye(4), np.eye(4)]
    for affine, turn in zip(affines, (6e-6, -6e-6), strict=True):
        affine[:3, :3] = Rotation.from_euler("z", 45 + turn, degrees=True).as_matrix()
    reference, prediction = (volume(lungs_with_infection()[:3], affine) for affine in affines)
    assert not np.allclose(reference.grid.affine, prediction.grid.affine)
    maps = {"infection": prediction.with_array((prediction.array == 3).astype(np.float32))}
    rows = score_case("a", 0, reference, prediction=prediction, labels=LUNG_LABELS, probabilities=maps).rows
    assert {row["dice"] for row in rows} == {1.0}
    assert {row["class"]: row["auc"] for row in rows}["infection"] == 1.0


@pytest.mark.parametrize(("shear", "warned"), [(0.0, 0), (1e-6, 0), (0.2, 1)])
def test_axes_that_are_not_orthogonal_are_told_once(shear, warned):
    affine = AFFINE.copy()
    affine[1, 2] = shear * 4.0
    same = volume(lungs_with_infection(), affine)
    with warnings_of_this_thread() as said:
        score_case("a", 0, same, prediction=same, labels=LUNG_LABELS)
    assert len([text for text in said if "case a: " in text and "not orthogonal" in text]) == warned == len(said)


def test_a_tolerance_belongs_to_a_class_with_a_surface():
    check_tolerances({"infection": 1.0, "lungs": 2.0}, LUNG_LABELS)
    check_tolerances(None, LUNG_LABELS)
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        check_tolerances({"lungs": 2.0, "infecton": 1.0}, LUNG_LABELS)
    with pytest.raises(InputError, match="found background; valid names: lung_left, lung_right, infection, lungs"):
        check_tolerances({"background": 1.0}, LUNG_LABELS)
    with pytest.raises(InputError, match="found lungs; valid names: liver"):
        check_tolerances({"lungs": 1.0}, LIVER)


def test_levels_of_probabilities_give_the_auc_of_each_class():
    """Left lung: perfect; right lung: reversed; infection: constant; all is background: undefined."""
    reference = lungs_with_infection()
    probabilities = np.stack([reference == 0, reference == 1, reference != 2, np.full(reference.shape, 0.3)], axis=-1)
    scores = score_case(
        "a",
        0,
        volume(reference),
        prediction=volume(reference),
        labels=LUNG_LABELS,
        levels=probability_levels(probabilities.astype(np.float32)),
    )
    found = {row["class"]: row["auc"] for row in scores.rows}
    assert math.isnan(found.pop("lungs"))  # a group has no probability of its own
    assert found == {"background": 1.0, "lung_left": 1.0, "lung_right": 0.0, "infection": 0.5}
    assert scores.histograms.shape == (4, 2, LEVELS)
    assert (scores.histograms.sum(axis=(1, 2)) == reference.size).all()


def test_the_auc_of_a_class_that_a_case_lacks_is_undefined():
    labels = np.zeros((4, 4, 4))
    levels = np.random.default_rng(0).integers(0, LEVELS, (4, 4, 4, 2)).astype(np.uint16)
    rows = rows_by_class(labels, labels, LIVER, levels=levels)
    assert math.isnan(rows["liver"]["auc"])
    assert score_case("a", 0, volume(labels), prediction=volume(labels), labels=LIVER).histograms is None


def outside_valid():
    """A case whose errors all lie in voxels that do not count, and its `valid`."""
    reference, prediction = lungs_with_infection(), lungs_with_infection()
    prediction[2:], prediction[0, :, 3] = 3, 0
    valid = np.ones_like(reference)
    valid[2:], valid[0, :, 3] = 0, 0
    return reference, prediction, valid


def test_voxels_that_do_not_count_are_in_no_score():
    reference, prediction, valid = outside_valid()
    scored = score_case(
        "a", 0, volume(reference), prediction=volume(prediction), labels=LUNG_LABELS, valid=volume(valid)
    )
    assert scored.confusion.sum() == valid.sum()
    assert scored.rows[0]["status"] == "both_empty"
    for row in scored.rows[1:]:
        assert (row["dice"], row["accuracy"], row["hd_mm"], row["nsd"], row["volume_difference_ml"]) == (1, 1, 0, 1, 0)
    left, _, infection, _ = scored.rows[1:]
    assert left["volume_reference_ml"] == pytest.approx(12 * 0.02)  # one of four planes does not count
    assert (infection["lesions_prediction"], infection["lesions_false"]) == (1, 0)
    assert len(scored.lesions) == 2
    without = rows_by_class(reference, prediction)
    assert without["infection"]["lesions_prediction"] == 1
    assert without["infection"]["dice"] < 0.5
    assert without["lungs"]["hd_mm"] > 0


def test_scores_are_those_of_the_part_that_counts():
    """Of a box that counts, as if the volumes were cropped to it."""
    reference, prediction = np.random.default_rng(0).integers(0, 4, (2, 8, 9, 10)).astype(np.uint8)
    levels = np.random.default_rng(1).integers(0, LEVELS, (8, 9, 10, 4)).astype(np.uint16)
    box, valid = np.s_[1:6, 2:9, 3:8], np.zeros_like(reference)
    valid[box] = 1
    whole = rows_by_class(reference, prediction, levels=levels, valid=volume(valid))
    part = rows_by_class(reference[box], prediction[box], levels=levels[box])
    for name, row in part.items():
        assert whole[name] == pytest.approx(row, nan_ok=True)


def test_a_valid_on_another_grid_is_refused():
    reference = lungs_with_infection()
    with pytest.raises(InputError, match="case a: reference and valid must lie in the same place"):
        rows_by_class(reference, reference, valid=volume(np.ones_like(reference), np.eye(4)))


def test_classes_that_are_not_labelled_have_no_scores():
    reference = lungs_with_infection()
    reference[reference == 3] = 2
    prediction = lungs_with_infection()
    prediction[3, 0, 0] = 3  # outside the lungs: wrong whatever is labelled
    rows = rows_by_class(reference, prediction, labelled=("lung_left", "lung_right"), source="s")
    assert (rows["lung_left"]["dice"], rows["lung_right"]["dice"]) == (1, 1)
    assert rows["lungs"]["precision"] == pytest.approx(32 / 33)
    infection = rows["infection"]
    assert tuple(infection) == COLUMNS
    assert (infection["status"], infection["source"], infection["nsd_tolerance_mm"]) == ("not_labelled", "s", 3)
    assert all(math.isnan(infection[score]) for score in (*SCORES, *LESION_COUNTS, "volume_prediction_ml"))
    assert (
        score_case(
            "a",
            2,
            volume(reference),
            prediction=volume(prediction),
            labels=LUNG_LABELS,
            labelled=("lung_left", "lung_right"),
        ).lesions
        == []
    )


def test_infection_alone_may_be_labelled():
    reference = np.where(lungs_with_infection() == 3, 3, 0)
    rows = rows_by_class(reference, lungs_with_infection(), labelled=("infection",))
    assert [name for name, row in rows.items() if row["status"] == "not_labelled"] == [
        "lung_left",
        "lung_right",
        "lungs",
    ]
    assert rows["infection"]["dice"] == rows["background"]["dice"] == 1


def test_the_auc_counts_what_the_reference_tells():
    """The last class is 1 where the reference has it but for two voxels, which do not count."""
    reference = lungs_with_infection()
    chances = (reference == 3).astype(np.float32)
    chances[1, :2, 0], chances[3, 3, 3] = 0, 1
    valid = np.ones_like(reference)
    valid[1, :2, 0], valid[3, 3, 3] = 0, 0
    maps = {"infection": Volume.from_source(chances, AFFINE)}
    levels = probability_levels(np.stack([1 - chances, 0 * chances, 0 * chances, chances], axis=-1))
    for ways in ({"probabilities": maps}, {"levels": levels}):
        assert rows_by_class(reference, reference, **ways)["infection"]["auc"] < 1
        assert rows_by_class(reference, reference, valid=volume(valid), **ways)["infection"]["auc"] == 1
        lungs = np.where(reference == 3, 2, reference)
        rows = rows_by_class(lungs, lungs, labelled=("lung_left", "lung_right"), **ways)
        assert math.isnan(rows["infection"]["auc"])
