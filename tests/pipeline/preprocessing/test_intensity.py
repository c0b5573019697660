import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.preprocessing import intensity
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.schema import PreprocessingSettings

PICTURE = PreprocessingSettings(values="picture")


def test_windows_make_the_channels_of_each_channel_of_the_image():
    settings = PreprocessingSettings(channels=2, further_windows_hu=((-160, 240), (0, 1)))
    assert intensity.windows(settings) == ((-1250.0, 250.0), (-160.0, 240.0), (0.0, 1.0))
    assert intensity.air_values(settings) == pytest.approx((250 / 1500, 0, 0) * 2)
    assert intensity.windows(PICTURE) == ((0.0, 255.0),)
    assert intensity.air_values(PICTURE) == (0.0,)


def test_values_outside_a_window_are_clipped():
    found = intensity.to_unit_range(np.array([-2000, -1250, -500, 250, 900]), (-1250.0, 250.0))
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1])
    assert found.dtype == np.float32
    grey = intensity.to_unit_range(np.array([0, 255], np.uint8), (-1000.0, 0.0), source=(-1000.0, 1000.0))
    np.testing.assert_allclose(grey, [0, 1])
    assert intensity.to_unit(-500, (-1000.0, 0.0)) == 0.5


def test_colours_become_grey_and_grey_becomes_colours():
    colours = np.array([[[[255, 0, 0]]], [[[0, 255, 0]]], [[[0, 0, 255]]], [[[9, 9, 9]]]], np.uint8)
    (grey,) = intensity.image_channels(colours, 1, colours=True)
    np.testing.assert_allclose(grey.ravel(), [76.245, 149.685, 29.07, 9], atol=1e-4)
    red, green, _ = intensity.image_channels(grey, 3, colours=True)
    np.testing.assert_array_equal(red, green)
    assert len(intensity.image_channels(colours, 3, colours=True)) == 3


@pytest.mark.parametrize(
    ("channels", "count", "colours"), [(2, 1, True), (2, 3, True), (4, 3, True), (1, 2, False), (3, 1, False)]
)
def test_other_numbers_of_channels_are_refused(channels, count, colours):
    message = f"the image has {channels} channels, preprocessing.channels says {count}"
    with pytest.raises(InputError, match=message):
        intensity.image_channels(np.zeros((4, 4, 1, channels)), count, colours=colours)


def test_each_channel_is_normalised_and_neighbouring_slices_alike():
    image = np.array([[0.5, 1.0, 1.5, 3.0]], np.float16)  # two channels of two slices
    np.testing.assert_allclose(intensity.normalised(image, [0.5, 1.0], [1.0, 2.0]), [[0, 0, 1, 1]])
    assert intensity.normalised(image, [0.5], [1.0]).dtype == np.float32


def test_mean_and_standard_deviation():
    array = np.random.default_rng(0).normal(2, 3, (5, 4, 3)).astype(np.float32)
    assert intensity.mean_and_sd(array) == pytest.approx((array.mean(), array.std()), rel=1e-5)
    assert intensity.mean_and_sd(np.full((2, 2, 2), 7.0)) == (7.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "windowed", "extremes", "slices", "warnings"),
    [
        ([], False, (-1000, 400), 3, ["few slices (3)"]),
        ([], False, (-1000, 400), 40, []),
        ([], True, (0, 255), 40, ["values lie in 0..255, not HU; read as the window -1250..250 HU"]),
        ([], False, (0, 900), 40, ["values lie in 0..900, without air as HU have it; read as HU all the same"]),
        (["patches.shape=[32, 32]"], False, (-1000, 400), 1, []),
        (["patches.shape=[32, 32]", "preprocessing.values=picture"], False, (0, 255), 1, []),
    ],
)
def test_what_is_unusual_of_a_ct_gets_a_warning_and_pictures_get_none(changes, windowed, extremes, slices, warnings):
    settings = load_settings("demo", changes)
    assert intensity.warnings_of_unusual_ct(windowed, extremes, slices=slices, settings=settings) == warnings
