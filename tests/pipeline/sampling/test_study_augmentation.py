"""Random changes of a whole CT: each alone does what it says."""

import numpy as np
import pytest

from pneumoseg.pipeline.sampling.study_augmentation import augmented
from pneumoseg.pipeline.settings.studies import StudyAugmentationSettings

NONE = {
    "rotation_deg": 0.0,
    "scale": (1.0, 1.0),
    "shift": 0.0,
    "mirror": False,
    "brightness": (1.0, 1.0),
    "noise_sd": 0.0,
}


CUBES = (2.0, 2.0, 2.0)


def changed(image: np.ndarray, seed: int = 0, spacing_mm=CUBES, **settings) -> np.ndarray:
    how = StudyAugmentationSettings(**(NONE | settings))
    return augmented(image, np.random.default_rng(seed), how, spacing_mm=spacing_mm)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.1, 0.9, (12, 10, 8, 2)).astype(np.float32)


def test_nothing_is_changed_where_nothing_is_set(image):
    np.testing.assert_allclose(changed(image), image, atol=1e-6)
    assert (
        augmented(image, np.random.default_rng(0), StudyAugmentationSettings(enabled=False), spacing_mm=CUBES) is image
    )


def test_the_same_generator_gives_the_same_image_and_another_one_another(image):
    one, same, other = (
        augmented(image, np.random.default_rng(seed), StudyAugmentationSettings(), spacing_mm=CUBES)
        for seed in ([0, 1, 5], [0, 1, 5], 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == np.float32
    assert one.shape == image.shape


def test_a_mirror_image_exchanges_left_and_right_in_half_of_the_cases(image):
    found = [changed(image, seed, mirror=True) for seed in range(40)]
    flipped = [np.allclose(one, image[::-1], atol=1e-5) for one in found]
    assert all(flip or np.allclose(one, image, atol=1e-5) for flip, one in zip(flipped, found, strict=True))
    assert 10 < sum(flipped) < 30


def test_a_rotation_turns_about_the_long_axis_of_the_body():
    image = np.zeros((21, 21, 5, 1), np.float32)
    image[15:18, 9:12, 1:4] = 1
    found = changed(image, rotation_deg=90.0)[..., 0]
    assert found.sum() == pytest.approx(image.sum(), rel=0.15)
    np.testing.assert_array_equal(found.sum(axis=(0, 1)) > 0, [False, True, True, True, False])
    x, y = (np.average(np.arange(21), weights=found.sum(axis=axes)) - 10 for axes in ((1, 2), (0, 2)))
    assert np.hypot(x, y) == pytest.approx(6.0, abs=0.2)
    assert abs(y) > 0.5


def test_a_larger_scale_makes_things_larger():
    image = np.zeros((20, 20, 20, 1), np.float32)
    image[6:14, 6:14, 6:14] = 1
    assert changed(image, scale=(1.25, 1.25)).sum() == pytest.approx(10**3, rel=0.05)


def test_a_shift_moves_by_a_share_of_the_size_at_most_and_air_comes_in():
    image = np.ones((20, 20, 20, 1), np.float32)
    for seed in range(10):
        found = changed(image, seed, shift=0.1)[..., 0]
        assert found[3:-3, 3:-3, 3:-3].min() == pytest.approx(1)
    assert found.min() == 0


def test_intensities_of_the_first_channel_alone_change_and_air_stays_air(image):
    image[:6] = 0
    found = changed(image, brightness=(1.05, 1.05), noise_sd=0.02)
    np.testing.assert_allclose(found[..., 1], image[..., 1], atol=1e-6)
    assert (found[:6] == 0).all()
    ratio = found[6:, ..., 0] / image[6:, ..., 0]
    assert ratio.mean() == pytest.approx(1.05, abs=0.02)
    assert ratio.std() > 0
    assert found.max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_a_sphere_in_mm_stays_a_sphere(seed):
    spacing_mm, shape = (1.5, 4.0, 3.0), (64, 24, 32)
    sides_mm = [(np.arange(count) - (count - 1) / 2) * size for count, size in zip(shape, spacing_mm, strict=True)]
    places_mm = np.stack(np.meshgrid(*sides_mm, indexing="ij"), axis=-1)
    sphere = np.clip((20.0 - np.linalg.norm(places_mm, axis=-1)) / 4 + 0.5, 0, 1).astype(np.float32)
    turned = changed(sphere[..., None], seed, spacing_mm, rotation_deg=90.0)[..., 0]
    np.testing.assert_allclose(turned, sphere, atol=0.25)
    weights = turned.ravel()
    spread = np.cov(places_mm.reshape(-1, 3), rowvar=False, aweights=weights)
    np.testing.assert_allclose(spread, np.eye(3) * spread[2, 2], atol=0.04 * spread[2, 2])
