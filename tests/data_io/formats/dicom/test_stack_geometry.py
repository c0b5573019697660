"""Plane, spacing, tilt and gaps of stacks of slices by their headers."""

import numpy as np
import pytest

from pneumoseg.data_io.formats.dicom.series import find_series
from pneumoseg.data_io.formats.dicom.stack_geometry import StackGeometry, stack_geometry
from tests.data_io.formats.dicom.dicom_files import AXIAL, CORONAL, OBLIQUE, SAGITTAL, write_series


def geometry(tmp_path, **values):
    return stack_geometry(find_series(write_series(tmp_path / "ct", **values))[0])


@pytest.mark.parametrize(
    ("orientation", "plane"), [(AXIAL, "axial"), (CORONAL, "coronal"), (SAGITTAL, "sagittal"), (OBLIQUE, "oblique")]
)
def test_planes(tmp_path, orientation, plane):
    found = geometry(tmp_path, orientation=orientation)
    assert found.plane == plane
    assert found.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert (found.missing, found.doubled, found.uneven) == (0, 0, 0)
    assert found.tilt_degrees == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("heights", "counts"),
    [
        ((0, 2.5, 5, 12.5, 15), (2, 0, 0)),
        ((0, 2.5, 2.5, 5, 7.5), (0, 1, 0)),
        ((0, 2.5, 5, 7.5, 10.4), (0, 0, 1)),
        ((3, 3, 3, 3, 3), (0, 4, 0)),
        ((3,), (0, 0, 0)),
    ],
)
def test_gaps(tmp_path, heights, counts):
    found = geometry(tmp_path, heights=heights)
    assert (found.missing, found.doubled, found.uneven) == counts
    assert found.spacing_mm == pytest.approx((0.8, 0.7, 2.5))


@pytest.mark.parametrize(
    "how",
    [
        {"ImagePositionPatient": tuple([10.0 * number, 0, 0] for number in range(5))},
        {"heights": (0, 0.005, 0.01, 0.015, 0.02)},
    ],
)
def test_slices_at_one_height_lie_where_another_does(tmp_path, how):
    assert geometry(tmp_path, **how) == StackGeometry("axial", (0.8, 0.7, 2.5), doubled=4)


def test_a_tilted_gantry_is_axial(tmp_path):
    lean = np.radians(25)
    tilted = (1, 0, 0, 0, np.cos(lean), np.sin(lean))
    along_table = np.array([0, 0, 1]) / np.cos(lean) - np.cross(tilted[:3], tilted[3:])
    found = geometry(tmp_path, orientation=tilted, shear=tuple(along_table))
    assert found.plane == "axial"
    assert found.tilt_degrees == pytest.approx(25, abs=0.01)


@pytest.mark.parametrize("values", [{"ImagePositionPatient": None}, {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}])
def test_slices_that_do_not_say_where_they_lie(tmp_path, values):
    assert geometry(tmp_path, **values) == StackGeometry()
