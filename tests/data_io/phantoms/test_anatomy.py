"""Shapes of the drawn anatomy: values of level functions, meshes and smooth fields."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms.anatomy import (
    Patient,
    SmoothField,
    airway_lines,
    bone_lines,
    cage_level,
    curve,
    ellipsoid,
    mesh_box,
    mesh_part,
    superellipse,
)


@pytest.fixture
def patient() -> Patient:
    return Patient.random(np.random.default_rng(0))


def open_mesh(count: int, spacing_mm: float = 1.0):
    axis = ((np.arange(count) - (count - 1) / 2) * spacing_mm).astype(np.float32)
    return axis[:, None, None], axis[None, :, None], axis[None, None, :]


def test_smooth_field_is_one_function_on_every_grid():
    field = SmoothField.random(np.random.default_rng(0), 12.0)
    whole, every_other = open_mesh(41, 2.0), open_mesh(21, 4.0)
    assert np.allclose(field(whole)[::2, ::2, ::2], field(every_other), atol=1e-4)
    assert abs(float(field(open_mesh(40, 11.0)).std()) - 1) < 0.1


def test_constant_coefficients_make_a_constant_field():
    field = SmoothField(np.full((43, 43, 43), 2.5, dtype=np.float32), 12.0)
    assert np.allclose(field(open_mesh(9, 70.0)), 2.5, atol=1e-4)


def test_level_of_a_ball_is_the_distance_to_its_surface():
    level = ellipsoid(open_mesh(21), (0.0, 0.0, 0.0), (5.0, 5.0, 5.0))
    assert level[10, 10, 10] == -5
    assert level[15, 10, 10] == pytest.approx(0, abs=1e-5)
    assert level[10, 10, 20] == pytest.approx(5, abs=1e-5)


def test_turned_axes_exchange_the_radii_of_an_ellipsoid():
    axes = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    turned = ellipsoid(open_mesh(9), (0.0, 0.0, 0.0), (3.0, 2.0, 1.0), axes=axes)
    assert np.allclose(turned, ellipsoid(open_mesh(9), (0.0, 0.0, 0.0), (2.0, 3.0, 1.0)), atol=1e-5)


def test_superellipse_of_power_two_is_an_ellipse():
    width, depth, centre = (np.full((1, 1, 9), value) for value in (4.0, 2.0, 0.0))
    level = superellipse(open_mesh(9), width, depth, centre, 2.0)
    assert level[8, 4, 0] == pytest.approx(0, abs=1e-5)  # x = 4 mm
    assert level[4, 6, 0] == pytest.approx(0, abs=1e-5)  # y = 2 mm
    assert level[4, 4, 0] == -2


def test_a_box_of_a_mesh_holds_the_voxels_between_its_corners():
    mesh = open_mesh(11)  # -5 .. 5 mm
    box = mesh_box(mesh, (-2.0, 0.5, 4.0), (2.0, 2.5, 99.0))
    assert [axis.ravel().tolist() for axis in mesh_part(mesh, box)] == [[-2, -1, 0, 1, 2], [1, 2], [4, 5]]


def test_a_curve_passes_through_its_points():
    line = curve([[0, 0, 0], [3, 4, 0], [3, 4, 5]], count=3)
    assert np.allclose(line, [[0, 0, 0], [3, 4, 0], [3, 4, 5]])


def test_the_rib_cage_is_as_wide_as_the_patient_at_its_base(patient):
    width, depth, centre = patient.cage(np.array([patient.base_mm]))
    assert (width[0], depth[0], centre[0]) == pytest.approx((patient.cage_width_mm, patient.cage_depth_mm, 0))
    assert cage_level(patient, open_mesh(3))[1, 1, 1] < -50


def test_the_right_dome_of_the_diaphragm_is_higher(patient):
    right, left = (patient.dome(np.array(x), np.array(0.0)) for x in (60.0, -60.0))
    assert right > left + 5


def test_twelve_ribs_and_a_collar_bone_per_side(patient):
    bones, cartilages = bone_lines(patient)
    assert (len(bones), len(cartilages)) == (26, 14)
    sides = [float(np.sign(line[:, 0].mean())) for line in bones]
    assert sides.count(1.0) == sides.count(-1.0) == 13


def test_the_trachea_divides_into_a_right_and_a_left_bronchus(patient):
    (_, trachea), (right, wide), (left, narrow) = airway_lines(patient)
    assert right[-1, 0] > 30 and left[-1, 0] < -30
    assert trachea > wide > narrow
