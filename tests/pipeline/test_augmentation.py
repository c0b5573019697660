import random

import numpy as np
import pytest

from pipeline import augmentation
from pipeline.settings import AugmentationSettings

SURE = AugmentationSettings(probability=1.0, elastic_alpha=(0, 0))
MIRRORED = (0, 2, 1, 3)


def identity(shape, corner=(0, 0, 0)) -> np.ndarray:
    places = np.meshgrid(*[np.arange(size) for size in shape], indexing="ij")
    return np.stack(places).astype(np.float32) + np.asarray(corner, np.float32).reshape(3, 1, 1, 1)


def test_a_left_right_mirror_swaps_the_lungs():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[3], labels[2, 0] = 1, 2, 3
    image = labels.astype(np.float32)
    settings = AugmentationSettings(mirror_axes=(0,), mirror_probability=1.0)
    flipped, swapped = augmentation.mirror(np.random.default_rng(0), image, labels, MIRRORED, settings)
    assert (swapped[0] == 1).all()
    assert (swapped[3] == 2).all()
    assert (swapped[1, 0] == 3).all()
    np.testing.assert_array_equal(flipped, image[::-1])


@pytest.mark.parametrize("axis", [1, 2])
def test_other_mirrors_swap_nothing(axis):
    labels = np.random.default_rng(0).integers(0, 4, (4, 4, 4)).astype(np.uint8)
    settings = AugmentationSettings(mirror_axes=(axis,), mirror_probability=1.0)
    _, flipped = augmentation.mirror(np.random.default_rng(0), labels.astype(np.float32), labels, MIRRORED, settings)
    np.testing.assert_array_equal(flipped, np.flip(labels, axis))


def test_mirroring_twice_gives_the_patch_back():
    labels = np.random.default_rng(0).integers(0, 4, (4, 4, 4)).astype(np.uint8)
    image = np.random.default_rng(1).random((4, 4, 4)).astype(np.float32)
    settings = AugmentationSettings(mirror_probability=1.0)
    once = augmentation.mirror(np.random.default_rng(0), image, labels, MIRRORED, settings)
    twice = augmentation.mirror(np.random.default_rng(0), *once, MIRRORED, settings)
    np.testing.assert_array_equal(twice[0], image)
    np.testing.assert_array_equal(twice[1], labels)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_reading_at_the_voxels_gives_the_crop(order):
    array = np.random.default_rng(0).random((9, 8, 7)).astype(np.float32)
    read = augmentation.read_at(array, identity((3, 4, 5), (2, 1, 1)), order)
    np.testing.assert_allclose(read, array[2:5, 1:5, 1:6], atol=1e-5)


def test_outside_is_air():
    array = np.ones((4, 4, 4), np.float16)
    read = augmentation.read_at(array, identity((4, 4, 4), (2, 0, 0)), 1, outside=0.25)
    assert (read[:2] == 1).all()
    assert (read[2:] == 0.25).all()
    assert (augmentation.read_at(array, identity((4, 4, 4), (50, 0, 0)), 1, outside=0.25) == 0.25).all()


def test_nothing_drawn_means_a_plain_crop():
    never = AugmentationSettings(probability=0.0)
    assert augmentation.spatial_coordinates(np.random.default_rng(0), (0, 0, 0), (4, 4, 4), (1, 1, 1), never) is None


def test_rotation_keeps_distances_in_millimetres():
    settings = SURE.model_copy(update={"scale": (1.0, 1.0), "rotation_deg": 90.0})
    spacing = np.array([1.0, 2.0, 4.0])
    places = augmentation.spatial_coordinates(np.random.default_rng(3), (0, 0, 0), (8, 8, 8), spacing, settings)
    millimetres = places * spacing.reshape(3, 1, 1, 1)
    steps = [np.linalg.norm(np.diff(millimetres, axis=axis + 1), axis=0) for axis in range(3)]
    for step, expected in zip(steps, spacing, strict=True):
        np.testing.assert_allclose(step, expected, rtol=1e-4)
    np.testing.assert_allclose(places.mean(axis=(1, 2, 3)), 3.5, atol=1e-3)


def test_scaling_stretches_about_the_centre():
    settings = SURE.model_copy(update={"scale": (1.25, 1.25), "rotation_deg": 0.0})
    places = augmentation.spatial_coordinates(np.random.default_rng(0), (10, 10, 10), (5, 5, 5), (1, 1, 3), settings)
    np.testing.assert_allclose(places[0, :, 0, 0], 12 + 1.25 * np.arange(-2, 3), rtol=1e-5)


def test_a_slice_stays_in_its_plane():
    settings = SURE.model_copy(update={"elastic_alpha": (100, 900)})
    places = augmentation.spatial_coordinates(np.random.default_rng(0), (0, 0, 7), (16, 16, 1), (1, 1, 3), settings)
    assert places.shape == (3, 16, 16, 1)
    np.testing.assert_allclose(places[2], 7, atol=1e-5)
    assert np.ptp(places[0, :, 0, 0]) > 1


def test_intensity_changes_come_from_the_generator_alone():
    image = np.random.default_rng(0).normal(size=(6, 6, 6)).astype(np.float32)
    np.random.seed(1)  # noqa: NPY002
    one = augmentation.change_intensities(np.random.default_rng(5), image.copy(), SURE)
    np.random.seed(2)  # noqa: NPY002
    random.seed(2)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    other = augmentation.change_intensities(np.random.default_rng(5), image.copy(), SURE)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert not np.array_equal(one, image)
    assert one.dtype == np.float32


def test_neutral_ranges_switch_changes_off():
    off = {"brightness": (1, 1), "contrast": (1, 1), "gamma": (1, 1), "noise_variance": (0, 0)}
    image = np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)
    settings = AugmentationSettings(probability=1.0, **off)
    np.testing.assert_array_equal(
        augmentation.change_intensities(np.random.default_rng(0), image.copy(), settings), image
    )
