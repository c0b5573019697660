"""DICOM files as the tests of DICOM write them, and what SimpleITK reads from such."""

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)
OBLIQUE = tuple(Rotation.from_euler("xyz", (12, -20, 33), degrees=True).as_matrix()[:, :2].T.ravel().round(9))
SHUFFLED = ("c", "a", "e", "b", "d")
STORED = np.arange(5 * 6 * 8).reshape(5, 6, 8).astype(np.int16)  # (slice, row, column), each value once
NEVER = "never^shown"


def header(position, orientation=AXIAL, uid="1.2.3", **values):
    """An uncompressed CT slice of 6 rows and 8 columns without pixels; a value of None leaves the tag out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.9"
    every = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.9",
        "PatientName": NEVER,
        "PatientID": NEVER,
        "Modality": "CT",
        "SeriesInstanceUID": uid,
        "SeriesNumber": 1,
        "SeriesDescription": "Thorax",
        "ImagePositionPatient": [round(float(value), 6) for value in position],
        "ImageOrientationPatient": list(orientation),
        "PixelSpacing": [0.7, 0.8],
        "SliceThickness": 2.5,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 6,
        "Columns": 8,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
    }
    for keyword, value in {**every, **values}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset, path, stored):
    dataset.PixelData = stored.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder, heights=(0, 2.5, 5, 7.5, 10), names=SHUFFLED, orientation=AXIAL, shear=(0, 0, 0), **values):
    """`heights`: mm along the slices' normal; `shear`: mm that a slice moves further for each mm of height."""
    folder.mkdir(exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for index, (height, name) in enumerate(zip(heights, names, strict=False)):
        position = np.array([-100.0, -80, 30]) + height * (normal + np.array(shear))
        own = {keyword: value[index] if isinstance(value, tuple) else value for keyword, value in values.items()}
        save(header(position, orientation, **own), folder / f"{name}.dcm", STORED[index])
    return folder


def simpleitk_of(files):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    return reader.Execute()


def check_against_simpleitk(scan, image, atol=1e-4):
    """Corners in the same place (LPS against RAS) and the same voxels."""
    assert scan.stored_grid.shape == image.GetSize()
    for index in np.ndindex(2, 2, 2):
        corner = [int(at * (size - 1)) for at, size in zip(index, scan.stored_grid.shape, strict=True)]
        left, back, up = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose((scan.stored_grid.affine @ (*corner, 1))[:3], (-left, -back, up), atol=atol)
    np.testing.assert_array_equal(scan.read().restore(), sitk.GetArrayFromImage(image).T)
