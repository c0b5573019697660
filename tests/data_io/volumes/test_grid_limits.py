"""Spacings, extents and sizes that no CT has."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.grid_limits import check_ct_grid
from pneumoseg.data_io.volumes.volume import Grid


def grid(shape, spacing_mm):
    return Grid(shape, np.diag([*spacing_mm, 1.0]))


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((512, 512, 824), (0.8, 0.8, 1.0)),
        ((2048, 2048, 700), (0.2, 0.2, 0.5)),
        ((64, 64, 79), (4.17, 4.17, 3.99)),
        ((8, 8, 1), (0.7, 0.7, 50.0)),
        ((512, 512, 400), (0.05, 0.05, 0.05)),
        ((1, 1, 1), (1.0, 1.0, 1.0)),
        ((8192, 8192, 1), (1.0, 1.0, 1.0)),  # a picture
    ],
)
def test_grids_of_cts_pass(shape, spacing_mm):
    assert check_ct_grid(grid(shape, spacing_mm)) is None


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "message"),
    [
        ((128, 128, 64), (100.0, 100.0, 100.0), "0.05 to 50 mm apart, found a spacing of 100 x 100 x 100 mm"),
        ((128, 128, 64), (0.0007, 0.0007, 0.001), "found a spacing of 0.0007 x 0.0007 x 0.001 mm"),
        ((128, 128, 64), (0.7, 0.7, 1e30), "found a spacing of 0.7 x 0.7 x 1e[+]30 mm"),
        ((128, 128, 64), (20.0, 20.0, 20.0), "at most 1000 x 1000 x 2500 mm .*found 2560 x 2560 x 1280 mm"),
        ((32767, 1, 1), (0.05, 1.0, 1.0), "at most 4096 voxels along an axis, found 32767 x 1 x 1"),
        ((1, 1, 4000), (1.0, 1.0, 1.0), "found 1 x 1 x 4000 mm"),
        ((1001, 10, 2), (1.0, 1.0, 1.0), "found 1001 x 10 x 2 mm"),
        ((8192, 8193, 1), (1.0, 1.0, 1.0), "a picture has at most 67108864 pixels, found 8192 x 8193 x 1"),
    ],
)
def test_grids_of_no_ct_are_refused(shape, spacing_mm, message):
    with pytest.raises(InputError, match=message):
        check_ct_grid(grid(shape, spacing_mm))


def test_axes_count_as_they_lie_in_the_body():
    sagittal = np.array([[0, 0, 2.0, 0], [0.7, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    check_ct_grid(Grid((512, 2400, 100), sagittal))  # the second axis runs along the body
    with pytest.raises(InputError, match=r"found 200 x 358\.4 x 2600 mm"):
        check_ct_grid(Grid((512, 2600, 100), sagittal))
