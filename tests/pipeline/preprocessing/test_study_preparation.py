"""Studies prepared from CTs: resized over the same field of view, with lungs, measured and checked."""

import numpy as np
import pytest
from scipy import ndimage

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.preprocessing.study_preparation import classical_lungs, prepare_study, study_problems
from pneumoseg.pipeline.settings.preparation import PreparationSettings

SETTINGS = PreparationSettings(shape=(16, 24, 32))


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(1, 1, (64, 64, 48))


@pytest.fixture(scope="module")
def study(phantom):
    return prepare_study(Scan.from_volume(phantom[0]), SETTINGS)


def test_the_image_is_resized_linearly_over_the_same_field_of_view(phantom, study):
    ct = phantom[0].array
    zoom = np.divide((32, 24, 16), ct.shape)
    expected = ndimage.zoom(ct.astype(np.float32), zoom, order=1, mode="nearest", grid_mode=True)
    assert (study.image.shape, study.image.dtype) == ((16, 24, 32), np.int16)
    assert np.abs(study.image.transpose(2, 1, 0) - expected).max() <= 1
    np.testing.assert_allclose(
        np.multiply(study.spacing_mm, (32, 24, 16)), np.multiply(phantom[0].spacing_mm, ct.shape)
    )
    assert study.slices == 48


def test_lungs_are_those_of_the_labels(phantom, study):
    labels = phantom[1]
    volume_ml = np.count_nonzero(labels.array) * labels.grid.voxel_volume_ml
    assert study.lungs.dtype == np.uint8
    assert study.has_lungs
    assert study.lung_ml == pytest.approx(volume_ml, rel=0.15)
    assert study.lung_mean_hu == pytest.approx(phantom[0].array[labels.array > 0].mean(), abs=45)
    assert study.image[study.lungs == 1].mean() < -650
    assert not study.problems


def test_slabs_in_any_order_give_the_same(phantom, study):
    ct = phantom[0]
    turned = Volume.from_source(ct.array[::-1, :, ::-1], ct.grid.affine @ np.diag([-1, 1, -1, 1]) + _shift(ct))
    other = prepare_study(Scan.from_volume(turned), SETTINGS)
    np.testing.assert_array_equal(other.image, study.image)
    assert other.content == study.content


def _shift(ct):
    """What moves the origin to the other end of the first and the third axis."""
    shift = np.zeros((4, 4))
    shift[:3, 3] = ct.grid.affine[:3, 0] * (ct.array.shape[0] - 1) + ct.grid.affine[:3, 2] * (ct.array.shape[2] - 1)
    return shift


def no_lungs(ct) -> np.ndarray:
    return np.zeros(ct.array.shape, bool)


def test_the_content_is_that_of_the_voxels(phantom, study):
    """Whichever lungs are found, which takes most of the time."""
    ct = phantom[0]
    as_float = ct.with_array(ct.array.astype(np.float32))
    assert prepare_study(Scan.from_volume(as_float), SETTINGS, no_lungs).content == study.content
    changed = ct.array.copy()
    changed[0, 0, 0] += 1
    assert prepare_study(Scan.from_volume(ct.with_array(changed)), SETTINGS, no_lungs).content != study.content


def test_another_mask_is_asked_on_the_coarse_grid(phantom):
    seen = []

    def none(ct):
        seen.append(ct.grid.spacing_mm)
        return np.zeros(ct.array.shape, bool)

    settings = SETTINGS.model_copy(update={"mask_spacing_mm": 8.0})
    study = prepare_study(Scan.from_volume(phantom[0]), settings, none)
    assert seen[0] == pytest.approx((8, 8, 8), rel=0.1)
    assert (study.has_lungs, study.lung_ml, study.problems) == (False, 0, ("no lungs found",))
    assert np.isnan(study.lung_mean_hu)


def test_a_scan_of_half_the_lungs_is_not_whole(phantom):
    ct = phantom[0]
    half = Volume.from_source(ct.array[:, :, :24], ct.grid.affine)
    (problem,) = prepare_study(Scan.from_volume(half), SETTINGS).problems
    assert problem.startswith("lungs not whole: ")
    assert problem.endswith(" cm2 of lung in the highest slice")


@pytest.mark.parametrize(
    ("size_mm", "lung_hu", "darkest_hu", "problems"),
    [
        (21.55, -650, -700, ("expiration: 2162 ml of lung, mean -658, tenth percentile -700 HU",)),
        (21.55, -650, -850, ()),
        (21.55, -800, -800, ()),
        (30, -650, -700, ()),
    ],
)
def test_expiration_needs_all_limits(size_mm, lung_hu, darkest_hu, problems):
    lungs = np.pad(np.ones((6, 6, 6), bool), 2)
    hu = np.full(lungs.shape, 40, np.float32)
    hu[lungs] = lung_hu
    hu[2, 2:8, 2:8] = darkest_hu
    ct = Volume.from_source(hu, np.diag([size_mm, size_mm, size_mm, 1.0]))
    assert study_problems(ct, lungs, PreparationSettings()) == problems


def test_what_is_no_ct_in_hu_is_refused(phantom):
    ct = phantom[0]
    with pytest.raises(InputError, match="a CT has one channel, found 2"):
        prepare_study(Scan.from_volume(ct.with_array(np.stack([ct.array] * 2, axis=3))), SETTINGS)
    with pytest.raises(InputError, match="which reaches down to air, found 0 to 255"):
        grey = np.linspace(0, 255, ct.array.size).reshape(ct.array.shape).round().astype(np.int16)
        prepare_study(Scan.from_volume(ct.with_array(grey)), SETTINGS)


def test_the_classical_mask_is_made_on_the_volume_itself(phantom):
    assert classical_lungs(phantom[0]).shape == phantom[0].array.shape


def test_the_grid_of_the_mask_is_limited_before_memory_is_taken():
    def scan(shape, *spacing_mm):
        return Scan(Grid(shape, np.diag([*spacing_mm, 1.0])), lambda: iter(()))

    with pytest.raises(InputError, match=r"found a spacing of 1 x 1 x 1e\+06 mm"):
        prepare_study(scan((64, 64, 40), 1.0, 1.0, 1e6), SETTINGS)
    with pytest.raises(InputError, match=r"voxels of 2.5 mm, found 400 x 400 x 1000: .*spacing of 1 x 1 x 5 mm"):
        prepare_study(scan((1000, 1000, 500), 1.0, 1.0, 5.0), SETTINGS)


def test_values_that_no_ct_has_are_those_of_int16(phantom):
    ct = phantom[0]
    values = ct.array.astype(np.float32)
    values[values > 100] = 1e30
    seen = []

    def none(coarse):
        seen.append(coarse.array)
        return np.zeros(coarse.array.shape, bool)

    image = prepare_study(Scan.from_volume(ct.with_array(values)), SETTINGS, none).image
    assert image.max() == seen[0].max() == 32767
