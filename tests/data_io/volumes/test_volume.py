"""Arrays turned to RAS+ and back."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid, Volume, on_grid_of

ORIENTATIONS = [
    (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
]


def axis_aligned(order, signs, spacing_mm=(0.5, 0.75, 2.0)):
    """Voxel axis i runs along world axis order[i], forwards or backwards."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis in range(3):
        affine[order[axis], axis] = signs[axis] * spacing_mm[axis]
    affine[:3, 3] = (10, -20, 30)
    return affine


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_orientation_is_turned_to_ras_and_back(order, signs):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = axis_aligned(order, signs)
    volume = Volume.from_source(array, affine)
    assert volume.grid.axis_codes == "RAS"
    np.testing.assert_array_equal(volume.restore(), array)
    # Each voxel still lies where it lay.
    for index in np.ndindex(array.shape):
        place = affine @ (*index, 1)
        x, y, z = np.round(np.linalg.solve(volume.grid.affine, place)[:3]).astype(int)
        assert volume.array[x, y, z] == array[index]
        np.testing.assert_allclose(volume.grid.affine @ (x, y, z, 1), place, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    angles=st.tuples(*[st.one_of(st.sampled_from([0, 45, 90, 135, 225]), st.floats(0, 360))] * 3),
    mirrored=st.booleans(),
    spacing_mm=st.tuples(*[st.floats(0.1, 9)] * 3),
    shear=st.floats(-0.3, 0.3),
)
def test_oblique_and_sheared_grids_come_back_exactly(angles, mirrored, spacing_mm, shear):
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.array(
        [[1, 0, shear], [0, 1, 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = matrix * (1, 1, -1 if mirrored else 1) * spacing_mm
    array = np.arange(24).reshape(2, 3, 4)
    volume = Volume.from_source(array, affine)
    np.testing.assert_array_equal(volume.restore(), array)
    np.testing.assert_allclose(volume.grid.voxel_volume_ml, volume.stored_grid.voxel_volume_ml)
    np.testing.assert_allclose(sorted(volume.spacing_mm), sorted(volume.stored_grid.spacing_mm))


def test_a_tie_at_45_degrees_comes_back():
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (45, 45, 90), degrees=True).as_matrix()
    array = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(Volume.from_source(array, affine).restore(), array)


def test_lps_file_by_eye():
    array = np.zeros((4, 4, 4), dtype=np.uint8)
    array[0, 0, 0] = 1  # LPS: the first voxel lies rightmost, frontmost, lowest
    volume = Volume.from_source(array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert volume.stored_grid.axis_codes == "LPS"
    assert volume.array[3, 3, 0] == 1
    np.testing.assert_array_equal(volume.grid.affine[:3, 3], (-3, -3, 0))


def test_spacing_is_the_norm_of_columns_not_the_diagonal():
    grid = Grid((4, 4, 4), axis_aligned((1, 2, 0), (1, -1, 1)))
    assert grid.spacing_mm == (0.5, 0.75, 2.0)
    assert grid.voxel_volume_ml == pytest.approx(0.75e-3)
    assert grid.canonical().spacing_mm == (2.0, 0.5, 0.75)


def test_turning_copies_no_voxels():
    array = np.zeros((2, 3, 4), dtype=np.int16)
    assert np.shares_memory(Volume.from_source(array, np.diag([-1.0, 1, 1, 1])).array, array)


def test_matches_to_a_share_of_a_voxel_at_the_far_corner():
    affine = np.diag([0.7, 0.7, 5.0, 1.0])
    moved, rounded, stretched, shifted = (affine.copy() for _ in range(4))
    moved[:3, 3] = 0.003  # what a header in float32 rounds
    rounded[2, 2] = 5.0001  # 0.1 mm at the far end of 1000 slices: 0.02 of a voxel
    stretched[2, 2] = 5.001  # 1 mm there
    shifted[0, 3] = 0.05  # 0.07 of a voxel
    grid = Grid((8, 8, 1000), affine)
    assert grid.matches(Grid((8, 8, 1000), moved))
    assert grid.matches(Grid((8, 8, 1000), rounded))
    assert not grid.matches(Grid((8, 8, 1000), stretched))
    assert not grid.matches(Grid((8, 8, 1000), shifted))
    assert not grid.matches(Grid((8, 8, 999), affine))
    assert grid.distance_mm(Grid((8, 8, 1000), stretched)) == pytest.approx(0.999)


def test_a_difference_never_prints_two_equal_values():
    affine = np.diag([0.703125, 0.703125, 2.0, 1.0])
    affine[:3, 3] = (-180, -170, 1204.5)
    other = affine.copy()
    other[0, 3] += 0.04
    assert Grid((512, 512, 9), affine).difference(Grid((512, 512, 9), other)) == (
        "corners up to 0.04 mm apart; origin in mm (-180, -170, 1204.5) and (-179.96, -170, 1204.5)"
    )


def test_with_array_keeps_the_place():
    volume = Volume.from_source(np.zeros((2, 3, 4)), np.diag([-1.0, 1, 1, 1]))
    labels = volume.with_array(np.ones((2, 3, 4), dtype=np.uint8))
    assert labels.grid is volume.grid
    assert labels.stored_grid is volume.stored_grid
    with pytest.raises(InputError, match="one shape"):
        volume.with_array(np.zeros((3, 2, 4)))


PARALLEL_AXES = np.array([[1e9, 1e9, 0, 0], [0, 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # determinant 1


@pytest.mark.parametrize(
    "affine",
    [
        *(np.eye(3), np.zeros((4, 4)), np.diag([1.0, 1, 0, 1]), np.diag([1.0, np.nan, 1, 1])),
        *(PARALLEL_AXES, np.diag([1e300, 1e-300, 1, 1])),
    ],
)
def test_bad_affine_is_refused(affine):
    with pytest.raises(InputError, match="an affine must be 4x4, finite and invertible, found"):
        Grid((2, 2, 2), affine)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 2, 1), (4, 0, 4), (4, 4, 4, 0)])
def test_other_axes_are_refused(shape):
    with pytest.raises(InputError, match="three axes, or four with channels"):
        Volume.from_source(np.zeros(shape), np.eye(4))


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_channels_stay_last(order, signs):
    stored = np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    volume = Volume.from_source(stored, axis_aligned(order, signs))
    assert volume.grid.shape == volume.array.shape[:3]
    for channel in range(2):
        alone = Volume.from_source(stored[..., channel], axis_aligned(order, signs))
        np.testing.assert_array_equal(volume.array[..., channel], alone.array)
    np.testing.assert_array_equal(volume.restore(), stored)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 2, 1), (3, 3, 4, 2)])
def test_an_array_beside_its_grid_is_refused(shape):
    volume = Volume.from_source(np.zeros((2, 3, 4)), np.eye(4))
    assert volume.with_array(np.zeros((2, 3, 4, 3))).array.shape == (2, 3, 4, 3)
    with pytest.raises(InputError, match=r"array \(but for channels\) and grid must have one shape"):
        volume.with_array(np.zeros(shape))


def test_a_mask_is_turned_to_an_image_with_channels_and_the_reverse():
    image = Volume.from_source(np.zeros((2, 3, 1, 3)), np.diag([-1.0, -1, 1, 1]))
    mask = Volume.from_source(np.arange(6).reshape(2, 3, 1), np.diag([-1.0, -1, 1, 1]))
    assert on_grid_of(image, mask, "image and mask").array.shape == (2, 3, 1)
    assert on_grid_of(mask, image, "mask and image").array.shape == (2, 3, 1, 3)
    with pytest.raises(InputError, match=r"one shape, found \(3, 2, 1\) and \(2, 3, 1\)"):
        on_grid_of(Volume.from_source(np.zeros((3, 2, 1, 3)), np.eye(4)), mask, "image and mask")


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_other_orientations_are_turned_to_the_target(order, signs):
    """The same voxels stored along other axes; shapes and spacings differ by axis, so that a mix-up shows."""
    target = Volume.from_source(np.arange(24).reshape(2, 3, 4), axis_aligned((0, 1, 2), (1, 1, 1)))
    turn = np.array([[axis, sign] for axis, sign in zip(order, signs, strict=True)])
    array = nib.orientations.apply_orientation(target.array, turn)
    affine = target.grid.affine @ nib.orientations.inv_ornt_aff(turn, target.array.shape)
    turned = on_grid_of(target, Volume.from_source(array, affine), "CT and mask")
    np.testing.assert_array_equal(turned.array, target.array)
    assert turned.grid is target.grid
    assert turned.stored_grid is target.stored_grid


def test_a_tie_at_45_degrees_is_turned_to_the_target():
    affines = [np.eye(4), np.eye(4)]
    for affine, turn in zip(affines, (6e-6, -6e-6), strict=True):
        affine[:3, :3] = Rotation.from_euler("z", 45 + turn, degrees=True).as_matrix()
    target, other = (Volume.from_source(np.arange(24).reshape(2, 3, 4), affine) for affine in affines)
    assert target.array.shape != other.array.shape
    np.testing.assert_array_equal(on_grid_of(target, other, "CT and mask").array, target.array)


@pytest.mark.parametrize(
    ("shape", "affine", "message"),
    [
        ((2, 3, 5), np.eye(4), r"CT and mask must have one shape, found \(2, 3, 4\) and \(2, 3, 5\)"),
        ((2, 3, 4), np.diag([1.0, 1.0, 1.02, 1.0]), "CT and mask must lie in the same place"),
        ((2, 3, 4), np.diag([-1.0, 1.0, 1.0, 1.0]), "CT and mask must lie in the same place"),
    ],
)
def test_another_grid_is_refused(shape, affine, message):
    target = Volume.from_source(np.zeros((2, 3, 4)), np.eye(4))
    with pytest.raises(InputError, match=message):
        on_grid_of(target, Volume.from_source(np.zeros(shape), affine), "CT and mask")


def test_the_cosine_of_a_tilted_gantry():
    tilted = np.diag([1.0, 1.0, 4.0, 1.0])
    tilted[1, 2] = 3.0
    assert Grid((2, 2, 2), tilted).largest_cosine == pytest.approx(0.6)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix() * (1, 2, 3)
    assert Grid((2, 2, 2), turned).largest_cosine == pytest.approx(0, abs=1e-12)
