import numpy as np
import pytest

from pneumoseg.pipeline.preprocessing.dataset_statistics import pooled, with_statistics
from pneumoseg.pipeline.preprocessing.intensity import mean_and_sd
from pneumoseg.pipeline.settings.loading import load_settings


def test_pooled_statistics_are_those_of_all_voxels_together():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(7, 5, 3, 2)) * [1.0, 4.0] + rng.normal(size=2) for _ in range(4)]
    images.append(rng.normal(size=(3, 2, 1, 2)))
    voxels = [image.reshape(-1, 2) for image in images]
    found = pooled([one.mean(0) for one in voxels], [one.std(0) for one in voxels], [len(one) for one in voxels])
    together = np.concatenate(voxels)
    np.testing.assert_allclose(found, np.transpose([together.mean(0), together.std(0)]))


def test_flat_images_have_the_standard_deviation_1():
    assert pooled([[0.5], [0.5]], [[0.0], [0.0]], [10, 20]) == ((0.5, 1.0),)


def test_only_normalisation_by_the_data_set_needs_them(blocks):
    settings = load_settings("demo", ["preprocessing.normalisation=dataset"])
    assert with_statistics(settings, blocks).preprocessing.statistics == ((pytest.approx(0.1), pytest.approx(0.2)),)
    assert with_statistics(load_settings("demo"), blocks) == load_settings("demo")


def test_a_flat_image_adds_no_variance_of_its_own(make_stored):
    """It is divided by 1 alone, but has the standard deviation 0."""
    cases = [make_stored(name, np.zeros((4, 4, 4), np.uint8)) for name in ("flat", "half")]
    halves = np.repeat([0.0, 1.0], 32).reshape(4, 4, 4)
    for case, array in zip(cases, (halves * 0, halves), strict=True):
        mean, sd = mean_and_sd(array)
        case.facts.update(mean=[mean], sd=[sd])
    settings = load_settings("demo", ["preprocessing.normalisation=dataset"])
    ((mean, sd),) = with_statistics(settings, cases).preprocessing.statistics
    assert mean == pytest.approx(0.25) and sd == pytest.approx(np.sqrt(0.25 * 0.75))
