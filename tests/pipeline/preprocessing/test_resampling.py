import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pneumoseg.data_io.volumes.volume import Grid
from pneumoseg.pipeline.preprocessing import resampling

SIZES = st.tuples(*[st.integers(1, 9)] * 3)


def corners_mm(grid: Grid) -> np.ndarray:
    """The outer faces' corners of a grid in millimetres."""
    low, high = np.full(3, -0.5), np.array(grid.shape) - 0.5
    return np.array([grid.affine @ [*low, 1.0], grid.affine @ [*high, 1.0]])


def test_a_resampled_grid_covers_the_same_field_of_view():
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 0.7, 5.0])
    affine[:3, 3] = [-100.0, 40.0, 7.0]
    grid = Grid((100, 90, 21), affine)
    new = resampling.resampled_grid(grid, (1.58, 1.58, 2.7))
    assert new.shape == (44, 40, 39)
    np.testing.assert_allclose(corners_mm(new), corners_mm(grid), atol=1e-9)
    np.testing.assert_allclose(new.spacing_mm, (1.58, 1.58, 2.7), rtol=0.02)


def test_a_thin_volume_keeps_a_voxel():
    assert resampling.resampled_grid(Grid((4, 4, 1), np.eye(4)), (1.0, 1.0, 10.0)).shape == (4, 4, 1)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_equals_scipy(order):
    array = np.random.default_rng(0).normal(size=(7, 9, 5)).astype(np.float32)
    factors = (11 / 7, 6 / 9, 5 / 5)
    expected = ndimage.zoom(array, factors, order=order, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resampling.resample(array, (11, 6, 5), order), expected, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.sampled_from([0, 1, 3]))
def test_a_constant_stays_constant(old, new, order):
    array = np.full(old, 0.25, np.float32)
    np.testing.assert_allclose(resampling.resample(array, new, order), np.full(new, 0.25), atol=1e-5)


def test_labels_on_their_own_grid_are_untouched():
    labels = np.random.default_rng(1).integers(0, 4, (4, 4, 4)).astype(np.uint8)
    assert resampling.resample_labels(labels, (4, 4, 4)) is labels


def test_where_three_labels_meet_no_background_appears():
    labels = np.zeros((4, 4, 1), np.uint8)
    labels[:2] = 1
    labels[2:, :2] = 2
    labels[2:, 2:] = 3
    result = resampling.resample_labels(labels, (7, 7, 3))
    assert set(np.unique(result)) == {1, 2, 3}
    assert result[0, 0, 0] == 1
    assert result[6, 0, 0] == 2
    assert result[6, 6, 0] == 3


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(1, 3))
def test_doubling_and_halving_gives_labels_back(shape, factor):
    labels = np.random.default_rng(sum(shape)).integers(0, 4, shape).astype(np.uint8)
    large = np.repeat(np.repeat(np.repeat(labels, 3, 0), 3, 1), 3, 2)
    np.testing.assert_array_equal(resampling.resample_labels(large, shape), labels)


@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, st.integers(1, 20), st.integers(1, 7))
def test_labels_from_probabilities_do_not_depend_on_slabs(old, new, slab, thickness):
    rng = np.random.default_rng(sum(old))
    probabilities = rng.random((4, *old[::-1])).astype(np.float32)
    probabilities[0] += rng.integers(0, 2) * 2 * (rng.random(old[::-1]) < 0.7)  # much certain background, or none
    probabilities /= probabilities.sum(axis=0)
    whole = np.stack([resampling.resample(part.T, new, 1) for part in probabilities])
    planes = [probabilities[:, start : start + thickness] for start in range(0, old[2], thickness)]
    maps = list(resampling.interpolated_planes(planes, old, new, slab=slab))
    joined = np.concatenate([part for _, part in maps], axis=1)
    np.testing.assert_allclose(joined.transpose(0, 3, 2, 1), whole, atol=1e-6)
    assert [start for start, _ in maps] == list(range(0, new[2], slab))
    labels = np.concatenate([part for _, part in resampling.most_probable_planes([(planes, old)], new, slab=slab)])
    ordered = np.sort(whole, axis=0)
    clear = ordered[-1] - ordered[-2] > 1e-5
    np.testing.assert_array_equal(labels.transpose(2, 1, 0)[clear], whole.argmax(axis=0)[clear])


def test_the_lowest_class_wins_a_tie():
    maps = np.array([[0.4, 0.2, 0.3], [0.4, 0.5, 0.3], [0.2, 0.3, 0.4]])
    np.testing.assert_array_equal(resampling.most_probable(maps), [0, 1, 2])


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.sampled_from([0, 1, 3]), st.integers(0, 2), st.integers(1, 5))
def test_resampling_does_not_depend_on_slabs(old, new, order, axis, thickness):
    array = np.random.default_rng(0).random(old).astype(np.float32)
    slabs = [
        (place, array[place])
        for start in range(0, old[axis], thickness)
        for place in [(slice(None),) * axis + (slice(start, start + thickness),)]
    ]
    result = resampling.resample_slabs(reversed(slabs), old, new, axis=axis, order=order)
    np.testing.assert_allclose(result, resampling.resample(array, new, order), atol=1e-5)


def test_a_slab_adds_to_the_planes_that_it_reaches():
    planes, part = resampling.slab_share(
        np.full((2, 2, 1), 3.0), slice(1, 2), size=(2, 2, 3), shape=(2, 2, 6), axis=2, order=0
    )
    assert planes == slice(2, 4)
    np.testing.assert_array_equal(part, np.full((2, 2, 2), 3.0))


def test_a_slab_between_the_planes_of_a_coarser_grid_adds_nothing():
    planes, part = resampling.slab_share(
        np.ones((2, 2, 1)), slice(0, 1), size=(2, 2, 5), shape=(2, 2, 1), axis=2, order=0
    )
    assert planes == slice(0, 0)
    assert part.shape == (2, 2, 0)
