"""A small DICOM series with valid UIDs and a mask of it, as the tests of results write them."""

import numpy as np

from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.results.origin import Origin
from tests.data_io.formats.dicom.dicom_files import write_series

ORIGIN = Origin("covid-lungs", "0123456789abcdef" * 4, "fedcba9876543210" * 4)
STUDY = {"StudyInstanceUID": "1.2.4", "FrameOfReferenceUID": "1.2.5", "PatientID": "p", "PatientName": "Doe^Jane"}
INSTANCES = tuple(f"1.2.3.{number}" for number in range(1, 6))


def series(folder, **values):
    """The stored grid of a series of five slices of 8 x 6 pixels, its folder made."""
    how = {"SOPInstanceUID": INSTANCES, **STUDY, **values}
    return open_dicom(write_series(folder, **how)).read()


def mask_of(ct, seed=0):
    """Class numbers 0..3 on the grid of a CT, every voxel drawn, so that no flip or shift leaves it as it is."""
    return ct.with_array(np.random.default_rng(seed).integers(0, 4, ct.array.shape).astype(np.uint8))
