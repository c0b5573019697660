"""Registration of lungs: known motion found again, geometry of what is moved."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.evaluation.followup import registration
from pneumoseg.evaluation.followup.registration import (
    cropped_grid,
    inside_of,
    lung_picture,
    moved,
    on_coarse_grid,
    register,
)
from tests.evaluation.followup.conftest import GRID_MM


def ellipsoid(affine: np.ndarray, shape=(40, 36, 30), turn=None) -> Volume:
    """A lung of three different half axes (mm) with its centre at the origin of the patient, maybe turned."""
    indices = np.indices(shape).reshape(3, -1)
    places = affine[:3, :3] @ indices + affine[:3, 3:]
    places = places if turn is None else turn.T @ places
    level = (places / np.array([[70.0], [50.0], [35.0]])) ** 2
    return Volume.from_source((level.sum(axis=0) < 1).reshape(shape).astype(np.uint8), affine)


def centred(spacing, shape=(40, 36, 30), at=(0.0, 0.0, 0.0)) -> np.ndarray:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = np.array(at) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


@pytest.fixture
def grid_in_use(monkeypatch):
    monkeypatch.setattr(registration, "GRID_MM", GRID_MM)


def test_a_turn_and_a_shift_are_found(monkeypatch, grid_in_use):
    monkeypatch.setattr(registration, "SAMPLES", 12_000)  # all of them
    turn = Rotation.from_euler("z", 10, degrees=True).as_matrix()
    fixed = ellipsoid(centred((4.5, 4.5, 4.0)))
    other = centred((4.0, 4.2, 3.5), (44, 40, 36))
    moving = ellipsoid(other, (44, 40, 36), turn)
    shifted = other.copy()
    shifted[:3, 3] += (30.0, -20.0, 15.0)
    moving = Volume.from_source(moving.restore(), shifted)
    found = register(fixed, moving, None)
    assert found.rotation_degrees == pytest.approx(10, abs=1.5)
    lungs = moved(moving.array, moving.grid, fixed.grid, found) > 0.5
    assert 2 * np.count_nonzero(lungs & (fixed.array > 0)) / (lungs.sum() + fixed.array.sum()) > 0.97
    assert found.bending_mm(fixed) < 3


def test_the_picture_of_lungs_with_and_without_ct(grid_in_use):
    mask = ellipsoid(centred((3.0, 3.0, 3.0)))
    mask.array[20, 18, 15] = 3
    ct = mask.with_array(np.where(mask.array == 3, 40, -700).astype(np.int16))
    plain, filled = (lung_picture(mask, image) for image in (None, ct))
    centre = plain.TransformPhysicalPointToIndex((0.0, 0.0, 0.0))
    assert plain.GetSpacing() == (3.0, 3.0, 3.0)
    assert plain[centre] == pytest.approx(-0.85)
    values = {round(filled[centre[0] + x, centre[1], centre[2]], 2) for x in range(-3, 4)}
    assert min(values) >= -0.85 and max(values) <= -0.7
    assert plain[0, 0, 0] == 0
    assert inside_of(plain)[centre] == 1


def test_a_coarse_grid_keeps_places_of_any_orientation(grid_in_use):
    affine = np.diag([-1.5, 1.5, 2.0, 1.0])
    affine[:3, 3] = (30.0, -20.0, 5.0)
    affine[:3, :3] = Rotation.from_euler("x", 15, degrees=True).as_matrix() @ affine[:3, :3]
    volume = Volume.from_source(np.zeros((20, 20, 20), np.float32), affine)
    x = (volume.grid.affine @ np.vstack([np.indices((20, 20, 20)).reshape(3, -1), np.ones(8000)]))[0]
    image = on_coarse_grid(x.reshape(20, 20, 20).astype(np.float32), volume.grid)
    middle = [size // 2 for size in image.GetSize()]
    assert image[middle] == pytest.approx(-image.TransformIndexToPhysicalPoint(middle)[0], abs=0.01)


def test_a_cropped_grid_lies_where_its_voxels_lay():
    grid = Grid((5, 6, 7), np.diag([1.0, 2.0, 3.0, 1.0]))
    part = cropped_grid(grid, (slice(1, 3), slice(2, 6), slice(0, 7)))
    assert part.shape == (2, 4, 7)
    np.testing.assert_allclose(part.affine[:3, 3], (1, 4, 0))


def test_the_same_mask_is_not_moved(patient):
    mask = patient.pair.baseline_mask
    found = register(mask, mask, None)
    assert found.bending_mm(mask) < 0.3
    again = moved(mask.array == 3, mask.grid, mask.grid, found)
    assert np.count_nonzero((again > 0.5) != (mask.array == 3)) < 0.03 * np.count_nonzero(mask.array == 3)


def test_a_failing_registration_is_a_question(monkeypatch):
    class Failing(registration.sitk.ImageRegistrationMethod):
        def Execute(self, *images):
            raise RuntimeError("All samples map outside moving image buffer")

    monkeypatch.setattr(registration.sitk, "ImageRegistrationMethod", Failing)
    mask = ellipsoid(centred((4.5, 4.5, 4.0)))
    with pytest.raises(InputError, match=r"cannot be registered .*outside.* one patient"):
        register(mask, mask, None)
