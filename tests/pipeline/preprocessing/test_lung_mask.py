"""The classical lung mask, against the labels of phantoms and against drawn shapes."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.pipeline.preprocessing.lung_mask import lung_mask

SPACING_MM = (3.0, 3.0, 3.0)


def chest(radius=12):
    """A body of 40 HU in air with two lungs of -800 HU, balls of that radius in voxels."""
    x, y, z = np.meshgrid(*[np.arange(size) - size / 2 for size in (80, 56, 40)], indexing="ij")
    hu = np.full(x.shape, -1000.0, np.float32)
    hu[(x / 36) ** 2 + (y / 24) ** 2 < 1] = 40
    grain = np.random.default_rng(0).normal(0, 20, x.shape)
    lungs = ((np.abs(x) - 16) ** 2 + y**2 + z**2) < radius**2
    hu[lungs] = -800
    return hu + grain, lungs, (x, y, z)


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


@pytest.mark.parametrize("index", [0, 1])
def test_lungs_of_phantoms_are_found(index):
    ct, labels = make_phantom(0, index, (96, 96, 64))
    assert dice(lung_mask(ct.array, ct.spacing_mm), labels.array > 0) > 0.93


def test_a_consolidation_within_the_lung_is_lung():
    hu, lungs, (x, y, z) = chest()
    dense = ((x - 16) ** 2 + y**2 + z**2) < 5**2
    hu[dense] = 30
    found = lung_mask(hu, SPACING_MM)
    assert found[dense].all()
    assert dice(found, lungs) > 0.95


def test_gas_in_the_bowel_is_no_lung():
    hu, lungs, (x, _y, _z) = chest(radius=9)
    hu[lungs & (x > 0)] = -985  # one of the two filled with air alone
    found = lung_mask(hu, SPACING_MM)
    assert found[lungs & (x < 0)].mean() > 0.95
    assert not found[x > 0].any()


def test_lungs_that_the_scan_cuts_reach_its_end():
    hu, lungs, _ = chest()
    cut = slice(20, None)
    found = lung_mask(hu[:, :, cut], SPACING_MM)
    assert dice(found[:, :, 0], lungs[:, :, 20]) > 0.95


def test_a_body_without_lungs_and_air_alone_have_none():
    hu, lungs, _ = chest()
    hu[lungs] = 40
    assert not lung_mask(hu, SPACING_MM).any()
    assert not lung_mask(np.full((20, 20, 20), -1000, np.int16), SPACING_MM).any()
