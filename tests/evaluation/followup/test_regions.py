"""Volumes of lungs and thirds, counted by eye."""

import numpy as np
import pytest

from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.regions import REGIONS, RegionVolume, region_volumes

ML = np.diag([10.0, 10.0, 10.0, 1.0])  # one voxel is one ml


def mask() -> Volume:
    """A left lung of six slices, the lowest infected, and a right lung of three."""
    labels = np.zeros((8, 1, 6), np.uint8)
    labels[1], labels[6, 0, :3] = 1, 2
    labels[1, 0, 0] = 3
    return Volume.from_source(labels, ML)


def test_lungs_and_thirds():
    volumes = region_volumes(mask())
    assert tuple(volumes) == REGIONS
    assert (volumes["lungs"].lung_ml, volumes["lungs"].infection_ml) == pytest.approx((9, 1))
    assert (volumes["lung_left"].lung_ml, volumes["lung_right"].lung_ml) == pytest.approx((6, 3))
    lower, middle, upper = (volumes[f"lung_left_{third}"] for third in ("lower", "middle", "upper"))
    assert (lower.lung_ml, lower.infection_ml, lower.infected_percent) == pytest.approx((2, 1, 50))
    assert (middle.infection_ml, upper.infected_percent) == (0, 0)
    assert sum(volumes[f"lung_right_{third}"].lung_ml for third in ("lower", "middle", "upper")) == pytest.approx(3)


def test_an_absent_lung_has_no_percent():
    volume = mask()
    one = volume.with_array(np.where(volume.array == 2, 0, volume.array))
    volumes = region_volumes(one)
    assert volumes["lung_right"] == RegionVolume(0, 0)
    assert volumes["lung_right_upper"].infected_percent is None
