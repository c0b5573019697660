import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pneumoseg.pipeline.sampling import interpolation
from pneumoseg.pipeline.sampling.interpolation import Places, read

VOLUME = np.random.default_rng(0).random((21, 18, 15), np.float32)
TURN = np.array([[1.103, 0.207, -0.109], [-0.151, 0.911, 0.107], [0.053, -0.103, 1.193]])
ORIGIN = np.array([np.sqrt(2), np.e, np.pi / 4])  # no place half-way between two voxels
TOLERANCE = {0: 0.0, 1: 1e-5, 3: 1e-4}


def crop_at(corner, shape) -> Places:
    return Places(shape, np.asarray(corner, float), np.eye(3))


def turned(deformed: bool = False) -> Places:
    shape = (14, 13, 12)
    displacement = np.random.default_rng(1).normal(0, 1.5, (3, *shape)).astype(np.float32) if deformed else None
    return Places(shape, ORIGIN, TURN, displacement)


def coordinates(places: Places) -> np.ndarray:
    """The places as scipy.ndimage.map_coordinates takes them, float64 (3, x, y, z)."""
    straight = np.tensordot(places.matrix, np.indices(places.shape), axes=1) + places.origin.reshape(3, 1, 1, 1)
    return straight if places.displacement is None else straight + places.displacement


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("deformed", [False, True])
def test_values_are_those_of_scipy_inside_and_outside(order, deformed):
    places = turned(deformed)
    reference = ndimage.map_coordinates(VOLUME, coordinates(places), order=order, mode="grid-constant", cval=0.3)
    outside = ((coordinates(places) < 0) | (coordinates(places) > 14)).any(axis=0)
    assert 0.1 < outside.mean() < 0.9
    np.testing.assert_allclose(read(VOLUME, places, order, outside=0.3), reference, atol=TOLERANCE[order])


@pytest.mark.parametrize("order", [0, 1, 3])
def test_reading_at_the_voxels_gives_the_crop(order):
    values = read(VOLUME.astype(np.float16), crop_at((2, 1, 1), (3, 4, 5)), order)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, VOLUME[2:5, 1:5, 1:6], atol=1e-3)


@pytest.mark.parametrize("order", [0, 1])
def test_outside_is_air(order):
    array = np.ones((4, 4, 4), np.float16)
    values = read(array, crop_at((2, 0, 0), (4, 4, 4)), order, outside=0.25)
    assert (values[:2] == 1).all()
    assert (values[2:] == 0.25).all()


@pytest.mark.parametrize("order", [0, 1, 3])
def test_far_outside_all_is_air(order):
    np.testing.assert_allclose(read(VOLUME, crop_at((500, 0, -70), (4, 4, 4)), order, outside=0.25), 0.25, atol=1e-6)


def test_labels_on_disk_stay_class_numbers(tmp_path):
    np.save(tmp_path / "labels.npy", (VOLUME * 4).astype(np.uint8))
    labels = np.load(tmp_path / "labels.npy", mmap_mode="r")
    places = turned(deformed=True)
    values = read(labels, places, 0)
    assert values.dtype == np.uint8
    reference = ndimage.map_coordinates(labels, coordinates(places), order=0, mode="grid-constant")
    np.testing.assert_array_equal(values, reference)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_slice_is_interpolated_within_itself(order):
    matrix = TURN.copy()
    matrix[2, :2] = matrix[:2, 2] = 0.0
    places = Places((14, 13, 1), np.append(ORIGIN[:2], 6.0), matrix)
    within = coordinates(places)[:2, :, :, 0]
    reference = ndimage.map_coordinates(VOLUME[:, :, 6], within, order=order, mode="grid-constant", cval=0.3)
    np.testing.assert_allclose(read(VOLUME, places, order, outside=0.3)[:, :, 0], reference, atol=TOLERANCE[order])


@pytest.mark.parametrize("order", [0, 1, 3])
def test_what_lies_far_from_the_places_is_not_read(order):
    volume = np.zeros((40, 40, 40), np.float32)
    volume[:10] = volume[:, 30:] = np.nan
    assert (read(volume, crop_at((20, 10, 16), (8, 8, 8)), order) == 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_no_place_lies_beyond_the_bounds(seed, deformed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(size) for size in rng.integers(1, 6, 3))
    displacement = rng.normal(size=(3, *shape)).astype(np.float32) if deformed else None
    places = Places(shape, rng.normal(size=3) * 20, rng.normal(size=(3, 3)), displacement)
    lowest, highest = places.bounds()
    read_at = coordinates(places).reshape(3, -1)
    assert (read_at.min(axis=1) >= lowest - 1e-9).all()
    assert (read_at.max(axis=1) <= highest + 1e-9).all()


def doubled(value):
    return 2 * value


def test_machine_code_is_kept_in_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    assert interpolation._compiled(doubled)(3) == 6
    assert list((tmp_path / "numba").rglob("*.nbi"))


def test_without_any_folder_to_write_in_everything_works(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "file"))
    no_source_file = eval("lambda value: 2 * value")
    assert interpolation._compiled(no_source_file)(3) == 6
