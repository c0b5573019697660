import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.preprocessing.clahe import equalise_slices
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import PreprocessingSettings


def volume(array, spacing=(1.0, 1.0, 1.0)) -> Volume:
    return Volume.from_source(np.asarray(array), np.diag([*spacing, 1.0]))


def ramp() -> np.ndarray:
    return np.linspace(-1500, 1000, 64).reshape(4, 4, 4).astype(np.int16)


OWN_GRID = PreprocessingSettings(spacing_mm=None)


def double_brightness(array, spacing_mm):
    return np.minimum(array * 2, 1)


def test_the_window_becomes_0_to_1():
    prepared = Preprocessor(OWN_GRID).apply(volume(ramp()))
    expected = (np.clip(ramp().astype(float), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(prepared.image[..., 0], expected, atol=1e-6)
    assert not prepared.windowed
    assert prepared.air == pytest.approx((250 / 1500,))
    assert prepared.mean == pytest.approx((expected.mean(),), abs=1e-5)
    assert prepared.sd == pytest.approx((expected.std(),), abs=1e-5)


def test_an_already_windowed_copy_gives_the_same_image():
    hu = np.clip(ramp(), -1250, 250)
    grey = ((hu + 1250) / 1500 * 255).round().astype(np.uint8)
    from_hu = Preprocessor(OWN_GRID).apply(volume(hu))
    from_grey = Preprocessor(OWN_GRID).apply(volume(grey))
    assert from_grey.windowed
    np.testing.assert_allclose(from_grey.image, from_hu.image, atol=1 / 255)


def read_in_slabs(*slabs) -> tuple[Scan, list[int]]:
    """A scan of these slabs (x, y, n), and a list that gets a 1 each time that reading begins."""
    begun: list[int] = []
    shape = (*slabs[0].shape[:2], sum(slab.shape[2] for slab in slabs))
    return Scan(Grid(shape, np.eye(4)), lambda: begun.append(1) or iter(slabs)), begun


@pytest.mark.parametrize("spacing", [None, (0.7, 1.3, 0.8)])
@pytest.mark.parametrize(
    ("last", "windowed", "readings"),
    [
        ([10, 255], True, 1),
        ([10, 256], False, 2),  # the first slab may be grey values, this is none
    ],
)
def test_what_later_slabs_say_about_the_scale_counts(spacing, last, windowed, readings):
    slabs = [np.int16([[[0, 255]]]), np.int16([[last]])]
    scan, begun = read_in_slabs(*slabs)
    preprocessor = Preprocessor(PreprocessingSettings(spacing_mm=spacing))
    prepared = preprocessor.apply(scan)
    assert prepared.windowed is windowed
    assert prepared.extremes == (0.0, max(255.0, last[1]))
    assert len(begun) == readings
    whole = preprocessor.apply(volume(np.concatenate(slabs, axis=2)))
    np.testing.assert_allclose(prepared.image, whole.image, atol=1e-6)


@pytest.mark.parametrize("steps", [(), (f"{__name__}:double_brightness",)])
def test_a_scan_in_hu_is_read_once(steps, monkeypatch):
    monkeypatch.setattr(plugins, "find", lambda name, known, what: double_brightness)
    scan, begun = read_in_slabs(ramp()[..., :1], ramp()[..., 1:3], ramp()[..., 3:])
    settings = PreprocessingSettings(spacing_mm=None, steps=steps)
    prepared = Preprocessor(settings).apply(scan)
    assert begun == [1]
    assert prepared.extremes == (-1500.0, 1000.0)
    np.testing.assert_array_equal(prepared.image, Preprocessor(settings).apply(volume(ramp())).image)


def test_another_window_reads_grey_values_through_hu():
    settings = PreprocessingSettings(spacing_mm=None, window_hu=(-1000, 0), windowed_source_hu=(-1000, 0))
    grey = np.arange(0, 256, 4).reshape(4, 4, 4).astype(np.uint8)
    np.testing.assert_allclose(Preprocessor(settings).apply(volume(grey)).image[..., 0], grey / 255, atol=1e-6)


def test_values_scaled_to_one_are_refused():
    with pytest.raises(
        InputError, match=r"values lie in 0..1, neither HU nor the 0..255 of a window; save the CT in HU"
    ):
        Preprocessor(OWN_GRID).apply(volume((ramp() + 1500) / np.float32(2500)))


def test_resampling_takes_image_and_mask_to_one_grid():
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:2] = 3
    prepared = Preprocessor(PreprocessingSettings(spacing_mm=(0.5, 1.0, 2.0))).apply(volume(ramp()), volume(mask))
    assert prepared.image.shape == (8, 4, 2, 1)
    assert prepared.shape == prepared.labels.shape == (8, 4, 2)
    assert prepared.grid.spacing_mm == (0.5, 1.0, 2.0)
    assert (prepared.labels[:4] == 3).all()
    assert (prepared.labels[4:] == 0).all()


def test_overshoot_of_the_spline_stays_in_the_window():
    step = np.full((8, 8, 8), -2000, np.int16)
    step[4:] = 1000
    prepared = Preprocessor(PreprocessingSettings(spacing_mm=(0.3, 0.3, 0.3))).apply(volume(step))
    assert prepared.image.min() >= 0
    assert prepared.image.max() <= 1


def test_a_constant_volume_is_not_divided_by_zero():
    prepared = Preprocessor(OWN_GRID).apply(volume(np.full((4, 4, 4), -1000, np.int16)))
    assert prepared.sd == (1.0,)


def test_a_step_of_ones_own():
    settings = PreprocessingSettings(spacing_mm=None, steps=(f"{__name__}:double_brightness",))
    plain = Preprocessor(OWN_GRID).apply(volume(ramp())).image
    import sys

    sys.modules.setdefault(__name__, sys.modules[double_brightness.__module__])
    np.testing.assert_allclose(Preprocessor(settings).apply(volume(ramp())).image, np.minimum(plain * 2, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("equalise", "windowed", "expected"),
    [("never", False, False), ("hu", False, True), ("hu", True, False), ("always", True, True)],
)
def test_slices_are_equalised_where_the_settings_ask_for_it(equalise, windowed, expected):
    across = np.linspace(0, 1, 32)[:, None, None] ** 3 * np.ones((1, 16, 2))
    values = np.round(255 * across) if windowed else np.round(1000 * across - 1000)
    plain = Preprocessor(OWN_GRID).apply(volume(values.astype(np.int16))).image
    settings = OWN_GRID.model_copy(update={"equalise": equalise})
    changed = Preprocessor(settings).apply(volume(values.astype(np.int16))).image
    assert np.allclose(changed, plain) is not expected
    if expected:
        np.testing.assert_array_equal(changed[..., 0], equalise_slices(plain[..., 0]))


def test_each_window_is_a_channel():
    settings = PreprocessingSettings(spacing_mm=None, window_hu=(-1000, 0), further_windows_hu=((0, 500), (-200, 200)))
    prepared = Preprocessor(settings).apply(volume(ramp()))
    assert prepared.image.shape == (4, 4, 4, 3) and len(prepared.mean) == len(prepared.sd) == 3
    for channel, (low, high) in enumerate(((-1000, 0), (0, 500), (-200, 200))):
        expected = (np.clip(ramp().astype(float), low, high) - low) / (high - low)
        np.testing.assert_allclose(prepared.image[..., channel], expected, atol=1e-6)
    assert prepared.air == (0.0, 0.0, 0.0)


def colours() -> Volume:
    return volume(np.random.default_rng(0).integers(0, 256, (6, 4, 1, 3), np.uint8))


def test_a_picture_is_0_to_1_whatever_it_holds():
    settings = PreprocessingSettings(values="picture", channels=3, spacing_mm=None, normalisation="none")
    prepared = Preprocessor(settings).apply(colours())
    np.testing.assert_allclose(prepared.image, colours().array / 255, atol=1e-6)
    assert (prepared.air, prepared.mean, prepared.sd) == ((0.0,) * 3, (0.0,) * 3, (1.0,) * 3)
    assert not prepared.windowed and not prepared.in_hu
    black = Preprocessor(settings).apply(volume(np.zeros((4, 4, 1), np.uint8)))  # as HU that would be refused
    assert black.image.shape == (4, 4, 1, 3) and not black.image.any()


@pytest.mark.parametrize("size", [(8, 2, None), (3, 3, None), (6, None, None)])
def test_a_size_takes_the_place_of_the_spacing_and_null_keeps_an_axis(size):
    mask = np.zeros((6, 4, 5), np.uint8)
    mask[:3] = 1
    image = np.full((6, 4, 5), -1000, np.int16)
    prepared = Preprocessor(PreprocessingSettings(size=size)).apply(volume(image), volume(mask))
    expected = tuple(new or old for new, old in zip(size, image.shape, strict=True))
    assert prepared.shape == prepared.labels.shape == expected
    assert prepared.grid.spacing_mm[2] == 1.0


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRA", "PSL"])
@pytest.mark.parametrize("thickness", [1, 3, 20])
def test_every_second_voxel_is_read_along_the_axes_of_a_size(codes, thickness, monkeypatch):
    array = np.random.default_rng(0).integers(-1000, 200, (7, 10, 5)).astype(np.int16)
    orientation = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    stored = nib.orientations.apply_orientation(array, orientation)
    affine = nib.orientations.inv_ornt_aff(orientation, array.shape)
    grid = Grid(stored.shape, affine)
    slabs = [stored[:, :, start : start + thickness] for start in range(0, stored.shape[2], thickness)]
    settings = PreprocessingSettings(size=(4, 5, None), every=2, normalisation="none", window_hu=(-1000, 200))
    mask = Volume.from_source((stored > 0).astype(np.uint8), affine)
    prepared = Preprocessor(settings).apply(Scan(grid, lambda: iter(slabs)), mask)
    np.testing.assert_allclose(prepared.image[..., 0], (array[::2, ::2] + 1000) / 1200, atol=1e-6)
    np.testing.assert_array_equal(prepared.labels, array[::2, ::2] > 0)


def test_statistics_of_a_data_set_take_the_place_of_the_images_own():
    settings = PreprocessingSettings(spacing_mm=None, normalisation="dataset", statistics=((0.25, 2.0),))
    prepared = Preprocessor(settings).apply(volume(ramp()))
    assert (prepared.mean, prepared.sd) == ((0.25,), (2.0,))
    with pytest.raises(InputError, match="one pair for each of 2 channels, found 1"):
        Preprocessor(settings.model_copy(update={"further_windows_hu": ((-160, 240),)})).apply(volume(ramp()))
    unknown = settings.model_copy(update={"statistics": None})  # before the training
    assert Preprocessor(unknown).apply(volume(ramp())).mean == pytest.approx((prepared.image.mean(),))


def one_slice_less(array, spacing_mm):
    return array[:, :, 1:]


def nothing(array, spacing_mm):
    return None


def logarithm(array, spacing_mm):
    with np.errstate(divide="ignore"):
        return np.log(array)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (one_slice_less, r"keeps the shape \(4, 4, 4\), found \(4, 4, 3\)"),
        (nothing, r"keeps the shape \(4, 4, 4\), found \(\)"),
        (logarithm, r"gives finite values, found \d+ NaN or infinite"),
    ],
)
def test_a_step_that_spoils_the_image_is_named(monkeypatch, step, message):
    monkeypatch.setattr(plugins, "find", lambda name, known, what: step)
    settings = PreprocessingSettings(spacing_mm=None, steps=("mine:step",))
    with pytest.raises(InputError, match=f"preprocessing step mine:step: {message}"):
        Preprocessor(settings).apply(volume(ramp()))


@pytest.mark.parametrize(
    ("spacing", "network_spacing", "message"),
    [
        (100.0, (1.58, 1.58, 2.7), "found a spacing of 100 x 100 x 100 mm"),
        (50.0, (0.05, 0.05, 0.05), "at most 4096 voxels along an axis"),
    ],
)
def test_grids_that_no_ct_has_are_refused_before_a_voxel_is_read(spacing, network_spacing, message):
    def never():
        raise AssertionError("voxels were read")

    scan = Scan(Grid((8, 8, 8), np.diag([spacing] * 3 + [1.0])), never)
    with pytest.raises(InputError, match=message):
        Preprocessor(PreprocessingSettings(spacing_mm=network_spacing)).apply(scan)


def test_a_volume_larger_than_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(hardware, "memory_gb", lambda: 1.0)
    preprocessor = Preprocessor(PreprocessingSettings(spacing_mm=(1.0, 1.0, 1.0)))
    grid = Grid((400, 400, 400), np.diag([2.0, 2.0, 2.0, 1.0]))  # 0.064 G voxels, at 1 mm eight times as many
    with pytest.raises(
        InputError, match=r"mm, would take about 4\.35 GB of memory, this process may use 1\.0; correct"
    ):
        preprocessor.grid(grid)


def test_a_slice_is_read_as_the_whole_that_it_is_of():
    """Values of 0..200 are HU where the volume reaches down to air, grey values where it does not."""
    part = np.full((4, 4, 1), 100, np.int16)
    part[0] = 200
    own = volume(part)
    assert Preprocessor(OWN_GRID).apply(own).windowed
    in_hu = Preprocessor(OWN_GRID).apply(Volume(own.array, own.grid, own.stored_grid, (-1000.0, 400.0)))
    assert not in_hu.windowed and in_hu.extremes == (-1000.0, 400.0)
    np.testing.assert_allclose(in_hu.image[..., 0], (part + 1250) / 1500, atol=1e-6)
    dark = Volume(
        own.array * 0, own.grid, own.stored_grid, (0.0, 255.0)
    )  # black in 8 bit, which alone would be refused
    assert Preprocessor(OWN_GRID).apply(dark).windowed
