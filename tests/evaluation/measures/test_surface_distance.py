"""The same scores as surface-distance 0.1, the reference implementation of Nikolov et al. (2021)."""

import numpy as np
import pytest
import surface_distance
from scipy import ndimage

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures import surface
from pneumoseg.evaluation.scoring.case_scores import score_case

# What surface-distance asks of SciPy under old names.
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")

SPACINGS = ((1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (3.0, 0.5, 1.25), (0.6, 1.6, 2.7))


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two blobs of about the same shape; every third pair touches the border, every fourth is far apart."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=(24, 20, 16)), 2.0)
    moved = field + 0.4 * ndimage.gaussian_filter(random.normal(size=field.shape), 1.0)
    pair = [one > np.quantile(one, 0.85) for one in (field, moved)]
    if seed % 3:
        for mask in pair:
            mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = False
    if seed % 4 == 0:
        pair[1] = np.roll(pair[1], 7, axis=seed // 4 % 3)
    return pair[0], pair[1]


def by_hand() -> list[tuple[np.ndarray, np.ndarray]]:
    """Single voxels, a corner, plates, a full volume, holes."""
    empty = np.zeros((8, 7, 6), bool)

    def marked(*places) -> np.ndarray:
        mask = empty.copy()
        for place in places:
            mask[place] = True
        return mask

    return [
        (marked((3, 3, 3)), marked((3, 3, 3))),
        (marked((0, 0, 0)), marked((7, 6, 5))),
        (marked(np.s_[2]), marked(np.s_[5])),
        (marked(np.s_[:]), marked(np.s_[1:7, 1:6, 1:5])),
        (marked(np.s_[1:7, 1:6, 1:5]), marked(np.s_[1:7, 1:6, 1:5]) & ~marked(np.s_[3:5, 3, 3])),
        (marked((1, 1, 1), (6, 5, 4)), marked((1, 1, 1))),
    ]


PAIRS = [*(random_pair(seed) for seed in range(50)), *by_hand()]


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_all_surface_scores_are_those_of_the_reference_implementation(number):
    one, other = PAIRS[number]
    spacing = SPACINGS[number % len(SPACINGS)]
    ours = surface.surface_distances(one, other, spacing)
    theirs = surface_distance.compute_surface_distances(one, other, spacing)
    areas = theirs["surfel_areas_gt"], theirs["surfel_areas_pred"]
    means = surface_distance.compute_average_surface_distance(theirs)
    assd = (means[0] * areas[0].sum() + means[1] * areas[1].sum()) / (areas[0].sum() + areas[1].sum())
    exact = {"rel": 1e-6, "abs": 1e-6}
    assert surface.hausdorff_mm(ours) == pytest.approx(surface_distance.compute_robust_hausdorff(theirs, 100), **exact)
    assert surface.hausdorff_95_mm(ours) == pytest.approx(
        surface_distance.compute_robust_hausdorff(theirs, 95), **exact
    )
    assert surface.average_distance_mm(ours) == pytest.approx(assd, **exact)
    for tolerance in (1.0001, 3.0001):
        expected = surface_distance.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert surface.surface_dice(ours, tolerance) == pytest.approx(expected, **exact)


def labels(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two label maps with all four classes."""
    one, other = random_pair(seed)
    third = np.arange(one.shape[0])[:, None, None] * 3 // one.shape[0] + 1
    return (one * third).astype(np.uint8), (other * third).astype(np.uint8)


def scored(reference, prediction, spacing=(1.0, 2.0, 3.0)) -> dict[str, dict]:
    affine = np.diag([*spacing, 1.0])
    one, other = Volume.from_source(reference, affine), Volume.from_source(prediction, affine)
    return {row["class"]: row for row in score_case("a", 0, one, prediction=other, labels=LUNG_LABELS).rows}


SAME = ("dice", "iou", "hd95_mm", "hd_mm", "assd_mm", "nsd", "lesion_f1", "accuracy")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipping_both_masks_changes_no_score(axis):
    one, other = labels(1)
    before, after = scored(one, other), scored(np.flip(one, axis), np.flip(other, axis))
    for name, row in before.items():
        for score in (*SAME, "sensitivity", "precision", "volume_difference_ml"):
            np.testing.assert_allclose(after[name][score], row[score], rtol=1e-9, err_msg=f"{name} {score}")


def test_exchanging_classes_exchanges_their_rows():
    one, other = labels(2)
    exchanged = np.array([0, 2, 1, 3], np.uint8)
    before, after = scored(one, other), scored(exchanged[one], exchanged[other])
    partner = {"lung_left": "lung_right", "lung_right": "lung_left", "infection": "infection", "lungs": "lungs"}
    for name, row in before.items():
        for score in ("dice", "hd95_mm", "hd_mm", "assd_mm", "sensitivity", "volume_reference_ml"):
            np.testing.assert_allclose(after[partner.get(name, name)][score], row[score], err_msg=f"{name} {score}")


def test_distances_grow_with_the_spacing_and_volumes_with_its_cube():
    one, other = labels(3)
    before, after = scored(one, other), scored(one, other, (2.0, 4.0, 6.0))
    for name, row in before.items():
        for score in ("dice", "sensitivity", "lesion_f1"):
            np.testing.assert_allclose(after[name][score], row[score], err_msg=f"{name} {score}")
        for score in ("hd95_mm", "hd_mm", "assd_mm"):
            np.testing.assert_allclose(after[name][score], 2 * row[score], rtol=1e-6, err_msg=f"{name} {score}")
        assert after[name]["volume_reference_ml"] == pytest.approx(8 * row["volume_reference_ml"])


def test_exchanging_reference_and_prediction():
    one, other = labels(5)
    there, back = scored(one, other), scored(other, one)
    for name, row in there.items():
        for score in SAME:
            np.testing.assert_allclose(back[name][score], row[score], rtol=1e-9, err_msg=f"{name} {score}")
        np.testing.assert_allclose(back[name]["sensitivity"], row["precision"], err_msg=name)
        np.testing.assert_allclose(back[name]["lesion_sensitivity"], row["lesion_precision"], err_msg=name)
        assert back[name]["volume_difference_ml"] == pytest.approx(-row["volume_difference_ml"])


def test_empty_corners_of_the_volume_change_no_score_but_specificity_and_diagonal():
    one, other = labels(6)
    wide = [np.pad(mask, ((3, 0), (0, 5), (4, 4))) for mask in (one, other)]
    before, after = scored(one, other), scored(*wide)
    for name in ("lung_left", "infection", "lungs"):
        for score in ("dice", "hd95_mm", "hd_mm", "assd_mm", "nsd", "lesion_f1"):
            np.testing.assert_allclose(after[name][score], before[name][score], err_msg=f"{name} {score}")
    gone = np.where(wide[1] == 3, 0, wide[1])
    diagonal = float(np.linalg.norm(np.array(wide[0].shape) * (1, 2, 3)))
    assert scored(wide[0], gone)["infection"]["hd95_mm"] == pytest.approx(diagonal)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_one_slice_is_measured_in_its_plane(axis, seed):
    random = np.random.default_rng(seed)
    reference = ndimage.gaussian_filter(random.random((30, 40)), 3 - seed / 3) > 0.5
    prediction = ndimage.gaussian_filter(random.random((30, 40)), 2) > 0.49
    spacing_mm = tuple(random.uniform(0.5, 2, 2))
    theirs = surface_distance.compute_surface_distances(reference, prediction, spacing_mm)
    in_space = (*spacing_mm[:axis], 5.0, *spacing_mm[axis:])
    ours = surface.surface_distances(np.expand_dims(reference, axis), np.expand_dims(prediction, axis), in_space)
    for percent in (95, 100):
        expected = surface_distance.compute_robust_hausdorff(theirs, percent)
        assert surface.hausdorff_mm(ours, percent) == pytest.approx(expected, abs=1e-4)
    expected = surface_distance.compute_surface_dice_at_tolerance(theirs, 1.0)
    assert surface.surface_dice(ours, 1.0) == pytest.approx(expected, abs=1e-5)
