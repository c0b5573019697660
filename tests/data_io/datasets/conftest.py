"""Pictures and stacks of slices for the tests of datasets."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_picture():
    """A function that writes an array (height, width) or (height, width, 3) as a picture."""

    def write(path, array):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(array, np.uint8)).save(path)

    return write


@pytest.fixture
def write_nifti():
    """A function that writes an array as a NIfTI file."""

    def write(path, array, affine=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return path

    return write
