"""Lung in single slices, and whether a series holds it from apex to base."""

import numpy as np
import pytest

from pneumoseg.data_io.formats.dicom.coverage import lung_area_cm2, lung_coverage
from pneumoseg.data_io.formats.dicom.series import find_series
from pneumoseg.data_io.formats.dicom.stack_geometry import stack_geometry
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.volume import Volume

PIXEL_MM = (2.0, 2.0)


def slice_with(*parts, size=200):
    """Air with an oval body; each part (column, row, radius in pixels, HU) is a disc in it."""
    columns, rows = np.ogrid[:size, :size]
    hu = np.full((size, size), -1000.0)
    hu[((columns - 100) / 90) ** 2 + ((rows - 90) / 60) ** 2 < 1] = 40
    for column, row, radius, value in parts:
        hu[(columns - column) ** 2 + (rows - row) ** 2 < radius**2] = value
    return hu


def test_lung_is_airy_within_the_body():
    lungs = slice_with((60, 90, 25, -850), (140, 90, 25, -820))
    assert lung_area_cm2(lungs, PIXEL_MM) == pytest.approx(2 * np.pi * 5**2, rel=0.02)
    noise = np.random.default_rng(0).normal(0, 60, lungs.shape)
    assert lung_area_cm2(lungs + noise, PIXEL_MM) == pytest.approx(2 * np.pi * 5**2, rel=0.1)


def test_an_emphysema_is_lung_and_gas_of_that_darkness_is_not():
    dark = slice_with((60, 90, 25, -955))
    noise = np.random.default_rng(0).normal(0, 20, dark.shape)
    assert lung_area_cm2(dark + noise, PIXEL_MM) == 0
    vessels = np.zeros(dark.shape)
    vessels[35:85:2, 65:115:4] = 200
    assert lung_area_cm2(dark + noise + vessels, PIXEL_MM) == pytest.approx(np.pi * 5**2, rel=0.05)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(100, 90, 5, -1000)],  # a trachea
        [(120, 80, 25, -1000)],  # a stomach full of air
        [(100, 185, 12, -900)],  # the foam of a table
        [(60, 90, 25, -100)],  # fat
    ],
)
def test_what_is_no_lung(parts):
    assert lung_area_cm2(slice_with(*parts), PIXEL_MM) == 0


def test_slices_of_one_value_have_no_lung():
    assert lung_area_cm2(np.full((50, 40), -1000.0), PIXEL_MM) == 0
    assert lung_area_cm2(np.full((50, 40), 40.0), PIXEL_MM) == 0
    assert lung_area_cm2(np.zeros((1, 1)), (0.5, 0.5)) == 0


def coverage_of(folder, volume, **options):
    series = find_series(write_series(folder, volume, **options))[0]
    return lung_coverage(series, stack_geometry(series))


@pytest.fixture(scope="module")
def chest():
    return make_phantom(1, 0, (64, 60, 48))[0]


def part(volume, start, stop):
    """The slices of the volume's RAS+ array from `start` to `stop`."""
    affine = volume.grid.affine.copy()
    affine[:3, 3] += start * affine[:3, 2]
    return Volume.from_source(volume.array[:, :, start:stop], affine)


@pytest.mark.parametrize("options", [{}, {"patient_position": "FFP"}, {"reversed_order": True}])
def test_a_whole_chest_and_parts_of_it(tmp_path, chest, options):
    assert coverage_of(tmp_path / "whole", chest, **options).whole_lung == "yes"
    lower = coverage_of(tmp_path / "lower", part(chest, 0, 24), **options)
    upper = coverage_of(tmp_path / "upper", part(chest, 24, 48), **options)
    assert (lower.whole_lung, upper.whole_lung) == ("no", "no")
    assert lower.reason.endswith("lung in the highest slice")
    assert upper.reason.endswith("lung in the lowest slice")
    assert lower.has_lung and upper.has_lung


def test_what_is_not_known(tmp_path, chest):
    assert coverage_of(tmp_path / "a", chest, orientation="coronal").whole_lung == "unknown"
    grey = Volume.from_source(np.clip(chest.array, 0, 255), chest.grid.affine)
    assert coverage_of(tmp_path / "b", grey).reason == "values are no HU"
    assert coverage_of(tmp_path / "c", part(chest, 0, 2)).whole_lung == "unknown"


def test_no_lung_at_all(tmp_path, chest):
    found = coverage_of(tmp_path / "a", Volume.from_source(np.where(chest.array < -950, -1000, 40), chest.grid.affine))
    assert (found.whole_lung, found.has_lung) == ("no", False)


def test_damaged_and_removed_files(tmp_path, chest):
    series = find_series(write_series(tmp_path / "ct", chest))[0]
    geometry = stack_geometry(series)
    middle = series.slices[24].file
    middle.write_bytes(middle.read_bytes()[:-100])
    assert lung_coverage(series, geometry).reason == "pixels are missing or damaged"
    middle.unlink()
    assert lung_coverage(series, geometry).reason == "files were removed"


def test_real_cts_that_are_cut(real_data, tmp_path):
    ct = read_volume(real_data / "covid_ct_hu" / "coronacases_006" / "imaging.nii.gz")
    found = coverage_of(tmp_path / "ct", ct)
    assert found.whole_lung == "no" and found.reason.count("cm2 of lung") == 2
    assert coverage_of(tmp_path / "abdomen", read_volume(real_data / "other" / "abdomen_ct.nii.gz")).whole_lung == "no"


def test_real_series(real_data):
    for name in ("cip_ct64", "covid_ct_md_P002", "lung_pet_ct_dx_A0002"):
        series = find_series(real_data / "dicom" / name)[0]
        assert lung_coverage(series, stack_geometry(series)).whole_lung == "yes"
