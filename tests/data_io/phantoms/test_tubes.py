"""Tubes: volumes, partial volumes, and how values are blended."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms.tubes import Tubes, draw_tubes, fractions


def open_mesh(count: int, spacing_mm: float = 1.0):
    axis = ((np.arange(count) - (count - 1) / 2) * spacing_mm).astype(np.float32)
    return axis[:, None, None], axis[None, :, None], axis[None, None, :]


def upright(length_mm: float, count: int = 5) -> np.ndarray:
    """A line along z through the origin."""
    return np.stack([np.zeros(count), np.zeros(count), np.linspace(-length_mm / 2, length_mm / 2, count)], axis=1)


@pytest.mark.parametrize("radius", [0.4, 1.5, 4.0])
def test_the_fractions_sum_to_the_volume_of_the_tube(radius):
    _, share = fractions(Tubes.along(upright(12), radius), open_mesh(21))
    assert float(share.sum()) == pytest.approx(np.pi * radius**2 * 12, rel=0.15)
    assert 0 < share.min() <= share.max() <= 1


def test_a_tube_beyond_the_grid_touches_no_voxel():
    line = np.array([[100.0, 0, 0], [120.0, 0, 0]])
    assert fractions(Tubes.along(line, 2.0), open_mesh(9))[0].size == 0


def test_a_tapered_line_becomes_segments_whose_radii_meet():
    tube = Tubes.along(upright(4, 3), 3.0, 1.0)
    assert tube.start.tolist() == [[0, 0, -2], [0, 0, 0]]
    assert tube.end.tolist() == [[0, 0, 0], [0, 0, 2]]
    assert (tube.start_radius.tolist(), tube.end_radius.tolist()) == ([3, 2], [2, 1])


def test_joined_and_widened_tubes():
    both = Tubes.joined([Tubes.along(upright(4, 3), 3.0), Tubes.along(upright(6, 2), 1.0)])
    assert both.start_radius.tolist() == [3, 3, 1]
    assert both.widened(0.5).end_radius.tolist() == [3.5, 3.5, 1.5]


def test_values_are_blended_within_the_region_only():
    hu = np.zeros((21, 21, 21), np.float32)
    region = np.zeros(hu.shape, bool)
    region[:, :, 10:] = True
    draw_tubes(hu, region, Tubes.along(upright(12), 3.0), mesh=open_mesh(21), value_hu=100.0)
    assert hu[10, 10, 12] == pytest.approx(100, abs=10)
    assert not hu[:, :, :10].any()
    assert not hu[0].any()
