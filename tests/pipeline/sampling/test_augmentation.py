import functools

import numpy as np
import pytest
from batchgenerators.augmentations import color_augmentations, noise_augmentations, resample_augmentations
from batchgenerators.augmentations.utils import elastic_deform_coordinates
from scipy import stats

from pneumoseg.pipeline.sampling import augmentation, interpolation
from pneumoseg.pipeline.settings.schema import AugmentationSettings

SURE = AugmentationSettings(probability=1.0, elastic_alpha=(0, 0))
PALE = {"brightness": (1, 1), "contrast": (1, 1), "gamma": (1, 1), "noise_variance": (0, 0)}
MIRRORED = (0, 2, 1, 3)


STILL = {"rotation_deg": 0.0, "scale": (1.0, 1.0), "elastic_alpha": (0.0, 0.0)}


def image(*shape: int) -> np.ndarray:
    """Not normal, not centred, float32."""
    return np.random.default_rng(0).gamma(2.0, 0.7, shape or (12, 11, 10)).astype(np.float32) - 0.5


def drawn(settings: AugmentationSettings, count: int, shape=(8, 8, 8), spacing=(1.0, 1.0, 1.0)) -> list:
    rng = np.random.default_rng(11)
    return [
        augmentation.draw_places(rng, (0, 0, 0), shape, spacing_mm=spacing, settings=settings) for _ in range(count)
    ]


def is_uniform(values, low: float, high: float) -> bool:
    assert low <= np.min(values) <= np.max(values) <= high
    return stats.kstest(values, "uniform", (low, high - low)).pvalue > 0.001


def test_a_left_right_mirror_swaps_the_lungs():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[3], labels[2, 0] = 1, 2, 3
    values = labels.astype(np.float32)
    settings = AugmentationSettings(mirror_axes=(0,), mirror_probability=1.0)
    flipped, swapped = augmentation.mirror(
        np.random.default_rng(0), values, labels, mirrored=MIRRORED, settings=settings
    )
    assert (swapped[0] == 1).all()
    assert (swapped[3] == 2).all()
    assert (swapped[1, 0] == 3).all()
    np.testing.assert_array_equal(flipped, values[::-1])


@pytest.mark.parametrize("axis", [1, 2])
def test_other_mirrors_swap_nothing(axis):
    labels = np.random.default_rng(0).integers(0, 4, (4, 4, 4)).astype(np.uint8)
    settings = AugmentationSettings(mirror_axes=(axis,), mirror_probability=1.0)
    _, flipped = augmentation.mirror(
        np.random.default_rng(0), labels.astype(np.float32), labels, mirrored=MIRRORED, settings=settings
    )
    np.testing.assert_array_equal(flipped, np.flip(labels, axis))


def test_mirroring_twice_gives_the_patch_back():
    labels = np.random.default_rng(0).integers(0, 4, (4, 4, 4)).astype(np.uint8)
    settings = AugmentationSettings(mirror_probability=1.0)
    once = augmentation.mirror(np.random.default_rng(0), image(4, 4, 4), labels, mirrored=MIRRORED, settings=settings)
    twice = augmentation.mirror(np.random.default_rng(0), *once, mirrored=MIRRORED, settings=settings)
    np.testing.assert_array_equal(twice[0], image(4, 4, 4))
    np.testing.assert_array_equal(twice[1], labels)


def test_nothing_drawn_means_a_plain_crop():
    never = AugmentationSettings(probability=0.0)
    assert (
        augmentation.draw_places(np.random.default_rng(0), (0, 0, 0), (4, 4, 4), spacing_mm=(1, 1, 1), settings=never)
        is None
    )


def test_each_change_of_place_has_its_own_probability():
    settings = AugmentationSettings(probability=0.15)
    plain = [places is None for places in drawn(settings, 2000)]
    assert np.mean(plain) == pytest.approx(0.85**3, abs=0.03)
    deformed = [places.displacement is not None for places in drawn(settings, 2000) if places is not None]
    assert np.sum(deformed) / 2000 == pytest.approx(0.15, abs=0.025)


def coordinates(places: interpolation.Places) -> np.ndarray:
    """The places as scipy.ndimage.map_coordinates takes them, float64 (3, x, y, z)."""
    straight = np.tensordot(places.matrix, np.indices(places.shape), axes=1) + places.origin.reshape(3, 1, 1, 1)
    return straight if places.displacement is None else straight + places.displacement


def test_rotation_keeps_distances_in_millimetres():
    settings = SURE.model_copy(update={"scale": (1.0, 1.0), "rotation_deg": 90.0})
    spacing = np.array([1.0, 2.0, 4.0])
    places = coordinates(drawn(settings, 1, spacing=spacing)[0])
    millimetres = places * spacing.reshape(3, 1, 1, 1)
    steps = [np.linalg.norm(np.diff(millimetres, axis=axis + 1), axis=0) for axis in range(3)]
    for step, expected in zip(steps, spacing, strict=True):
        np.testing.assert_allclose(step, expected, rtol=1e-4)
    np.testing.assert_allclose(places.mean(axis=(1, 2, 3)), 3.5, atol=1e-3)


def test_angles_are_drawn_evenly_for_each_axis():
    turns = [places.matrix for places in drawn(SURE.model_copy(update={"scale": (1.0, 1.0)}), 1500)]
    angles = np.rad2deg(
        [(np.arctan2(-m[1, 2], m[2, 2]), np.arcsin(-m[0, 2]), np.arctan2(-m[0, 1], m[0, 0])) for m in turns]
    )
    for about_one_axis in angles.T:
        assert is_uniform(about_one_axis, -15, 15)
    assert np.abs(np.corrcoef(angles.T) - np.eye(3)).max() < 0.1


def test_scales_are_below_and_above_one_with_equal_chance():
    factors = np.array([places.matrix[0, 0] for places in drawn(SURE.model_copy(update={"rotation_deg": 0.0}), 600)])
    assert np.mean(factors < 1) == pytest.approx(0.5, abs=0.06)
    assert is_uniform(factors[factors < 1], 0.85, 1)
    assert is_uniform(factors[factors > 1], 1, 1.25)


def test_scaling_stretches_about_the_centre():
    settings = SURE.model_copy(update={"scale": (1.25, 1.25), "rotation_deg": 0.0})
    places = augmentation.draw_places(
        np.random.default_rng(0), (10, 10, 10), (5, 5, 5), spacing_mm=(1, 1, 3), settings=settings
    )
    np.testing.assert_allclose(coordinates(places)[0, :, 0, 0], 12 + 1.25 * np.arange(-2, 3), rtol=1e-5)


def test_a_ball_keeps_its_volume_and_surface_when_turned_and_shrinks_when_scaled():
    middle = np.indices((40, 40, 40)) - 19.5
    ball = (np.linalg.norm(middle, axis=0) < 12).astype(np.uint8)

    def surface(labels) -> int:
        return sum(np.count_nonzero(np.diff(labels.astype(int), axis=axis)) for axis in range(3))

    turned = [
        interpolation.read(ball, places, 0)
        for places in drawn(SURE.model_copy(update={"scale": (1.0, 1.0)}), 10, shape=(40, 40, 40))
    ]
    assert np.mean([labels.sum() for labels in turned]) == pytest.approx(ball.sum(), rel=0.01)
    # A little rougher, as the nearest voxel of a staircase is.
    assert np.mean([surface(labels) for labels in turned]) == pytest.approx(surface(ball), rel=0.12)
    half = drawn(SURE.model_copy(update={"scale": (1.25, 1.25), "rotation_deg": 0.0}), 1, shape=(40, 40, 40))[0]
    assert interpolation.read(ball, half, 0).sum() == pytest.approx(ball.sum() / 1.25**3, rel=0.02)


def test_a_slice_stays_in_its_plane():
    settings = SURE.model_copy(update={"elastic_alpha": (100, 900)})
    places = augmentation.draw_places(
        np.random.default_rng(0), (0, 0, 7), (16, 16, 1), spacing_mm=(1, 1, 3), settings=settings
    )
    read_at = coordinates(places)
    assert read_at.shape == (3, 16, 16, 1)
    assert (read_at[2] == 7).all()
    assert np.ptp(read_at[0, :, 0, 0]) > 1


def of_batchgenerators(shape, alpha: float, sigma: float) -> np.ndarray:
    moving = [size for size in shape if size > 1]
    return elastic_deform_coordinates(np.zeros((len(moving), *moving)), alpha, sigma).reshape(-1, *shape)


@pytest.mark.parametrize(("shape", "sigma"), [((30, 26, 20), 3.0), ((20, 24, 16), 5.0), ((48, 40, 1), 4.0)])
def test_elastic_displacement_has_the_statistics_of_batchgenerators(shape, sigma, monkeypatch):
    rng = np.random.default_rng(0)
    # It draws from the global generator.
    monkeypatch.setattr(np.random, "random", rng.random)
    count = 250 if sigma == 3.0 else 500
    ours = np.concatenate(
        [
            augmentation.elastic_displacement(rng, shape, 100.0, sigma=sigma)[: 2 if 1 in shape else 3]
            for _ in range(count)
        ]
    )
    theirs = np.concatenate([of_batchgenerators(shape, 100.0, sigma) for _ in range(count)])
    assert ours.dtype == np.float32
    assert ours.mean() == pytest.approx(0, abs=0.05 * theirs.std())
    assert ours.std() == pytest.approx(theirs.std(), rel=0.04)
    # The noise ends at the patch's faces, where half of the smoothing sees none.
    assert ours[:, 0].std() == pytest.approx(theirs[:, 0].std(), rel=0.06)
    for lag in (round(sigma), round(2 * sigma)):
        correlations = [np.corrcoef(field[:, lag:].ravel(), field[:, :-lag].ravel())[0, 1] for field in (ours, theirs)]
        assert correlations[0] == pytest.approx(correlations[1], abs=0.04)


def test_elastic_displacement_in_numbers():
    rng = np.random.default_rng(0)
    middles = [
        augmentation.elastic_displacement(rng, (64, 64, 64), 900.0, sigma=9.0)[:, 32, 32, 32] for _ in range(500)
    ]
    expected = 900.0 * np.sqrt(1 / 3) / (2 * np.sqrt(np.pi) * 9.0) ** 1.5
    assert np.std(middles) == pytest.approx(expected, rel=0.05)
    assert stats.kstest(np.ravel(middles) / expected, "norm").pvalue > 0.01


def test_axes_of_one_voxel_are_not_displaced():
    displacement = augmentation.elastic_displacement(np.random.default_rng(0), (6, 1, 7), 900.0, sigma=3.0)
    assert displacement.shape == (3, 6, 1, 7)
    assert (displacement[1] == 0).all()
    assert (displacement[[0, 2]] != 0).any()


def parameter_is(monkeypatch, value: float) -> None:
    """Whatever batchgenerators draws evenly is `value`."""
    monkeypatch.setattr(np.random, "uniform", lambda *ends: value)


@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_brightness_is_that_of_batchgenerators(factor):
    expected = color_augmentations.augment_brightness_multiplicative(image()[None], (factor, factor))[0]
    np.testing.assert_allclose(augmentation.change_brightness(image(), factor), expected, rtol=1e-6)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_contrast_is_that_of_batchgenerators(factor):
    expected = color_augmentations.augment_contrast(image()[None], lambda: factor)[0]
    found = augmentation.change_contrast(image(), factor)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found.min() == image().min()) == (factor > 1)


@pytest.mark.parametrize("gamma", [0.7, 1.5])
def test_gamma_is_that_of_batchgenerators(gamma, monkeypatch):
    parameter_is(monkeypatch, gamma)
    expected = color_augmentations.augment_gamma(image()[None], (0.7, 1.5), retain_stats=True)[0]
    found = augmentation.change_gamma(image(), gamma)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.mean() == pytest.approx(image().mean(), abs=1e-5)
    assert found.std() == pytest.approx(image().std(), rel=1e-5)
    assert stats.skew(found.ravel()) != pytest.approx(stats.skew(image().ravel()), abs=0.1)


def test_gamma_leaves_an_even_patch_as_it_is():
    even = np.full((4, 4, 4), 0.3, np.float32)
    np.testing.assert_allclose(augmentation.change_gamma(even.copy(), 1.5), even, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 1.3])
def test_blur_is_that_of_batchgenerators(sigma):
    expected = noise_augmentations.augment_gaussian_blur(image()[None], (sigma, sigma))[0]
    np.testing.assert_allclose(augmentation.blur(image()[..., None], sigma)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("factor", [0.5, 0.77])
def test_low_resolution_is_that_of_batchgenerators(factor):
    expected = resample_augmentations.augment_linear_downsampling_scipy(
        image()[None], (factor, factor), order_downsample=0, order_upsample=3
    )[0]
    np.testing.assert_allclose(augmentation.lower_resolution(image()[..., None], factor)[..., 0], expected, atol=1e-4)


def test_noise_has_its_standard_deviation():
    added = augmentation.add_noise(np.random.default_rng(0), np.zeros((40, 40, 40), np.float32), 0.3)
    assert added.dtype == np.float32
    assert added.std() == pytest.approx(0.3, rel=0.01)
    assert stats.kstest(added.ravel()[::10] / 0.3, "norm").pvalue > 0.01


def changed(count: int, shape=(8, 8, 8), **ranges) -> list[np.ndarray]:
    settings = AugmentationSettings(probability=1.0, **(PALE | ranges))
    rng = np.random.default_rng(7)
    return [augmentation.change_intensities(rng, image(*shape)[..., None], settings)[..., 0] for _ in range(count)]


def test_brightness_is_drawn_evenly():
    factors = [values[0, 0, 0] / image(8, 8, 8)[0, 0, 0] for values in changed(300, brightness=(0.5, 2.0))]
    assert is_uniform(factors, 0.5, 2.0)


def test_noise_is_drawn_evenly():
    found = [(values - image(24, 24, 24)).std() for values in changed(150, (24, 24, 24), noise_variance=(0.01, 0.05))]
    assert np.mean(found) == pytest.approx(0.03, rel=0.05)
    assert stats.kstest(found, "uniform", (0.01, 0.04)).pvalue > 0.01


def test_contrast_changes_sd_below_and_above_with_equal_chance():
    ratios = np.array([values.std() / image(8, 8, 8).std() for values in changed(300, contrast=(0.3, 3.0))])
    assert np.mean(ratios < 1) == pytest.approx(0.5, abs=0.08)
    assert is_uniform(ratios[ratios < 1], 0.3, 1.0)


@pytest.mark.parametrize("change", [{"blur_sigma": (0.5, 1.0)}, {"low_resolution": (0.5, 0.9)}])
def test_blur_and_low_resolution_lower_the_variance(change):
    for values in changed(5, **change):
        assert values.std() < image(8, 8, 8).std()
        assert values.dtype == np.float32


def test_each_change_of_intensity_has_its_own_probability():
    settings = AugmentationSettings(probability=0.15)
    rng = np.random.default_rng(0)
    untouched = [
        np.array_equal(augmentation.change_intensities(rng, image(6, 6, 6, 1), settings), image(6, 6, 6, 1))
        for _ in range(1500)
    ]
    assert np.mean(untouched) == pytest.approx(0.85**4, abs=0.04)


def test_neutral_ranges_switch_changes_off():
    np.testing.assert_array_equal(changed(1)[0], image(8, 8, 8))


def test_changes_come_from_the_generator_alone():
    everything = functools.partial(AugmentationSettings, probability=1.0)
    settings = everything(blur_sigma=(0.5, 1.0), low_resolution=(0.5, 1.0))
    one = augmentation.change_intensities(np.random.default_rng(5), image()[..., None], settings)
    other = augmentation.change_intensities(np.random.default_rng(5), image()[..., None], settings)
    np.testing.assert_array_equal(one, other)
    another = augmentation.change_intensities(np.random.default_rng(6), image()[..., None], settings)
    assert not np.array_equal(one, another)


def test_channels_are_changed_alike():
    """Of the patch as a whole, so that two equal channels stay equal; noise is of each voxel's own."""
    settings = AugmentationSettings(
        probability=1.0, blur_sigma=(0.5, 1.0), low_resolution=(0.5, 1.0), noise_variance=(0.0, 0.0)
    )
    twice = np.repeat(image(8, 8, 1)[..., None], 2, axis=3)
    found = augmentation.change_intensities(np.random.default_rng(5), twice.copy(), settings)
    np.testing.assert_allclose(found[..., 0], found[..., 1], atol=1e-6)
    assert not np.allclose(found, twice)


def test_a_shift_is_a_share_of_the_patch_within_the_slice():
    settings = AugmentationSettings(probability=1.0, **STILL, shift=0.25)
    origins = [
        augmentation.draw_places(rng, (5, 5, 5), (8, 16, 1), spacing_mm=(1, 1, 1), settings=settings).origin - 5
        for rng in map(np.random.default_rng, range(200))
    ]
    reach = np.abs(origins).max(axis=0)
    assert reach == pytest.approx([2, 4, 0], rel=0.05) and reach[2] == 0
    assert np.mean(origins, axis=0) == pytest.approx([0, 0, 0], abs=0.4)
