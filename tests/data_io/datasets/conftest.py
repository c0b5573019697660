"""Pictures and stacks of slices for the tests of datasets."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.volumes.volume import Volume


@pytest.fixture
def write_picture(monkeypatch):
    """A function that writes an array (height, width) or (height, width, 3) as a picture."""
    if not reading.is_readable("a.png"):
        monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
        reading.register_reader("picture", lambda path: path.suffix in (".png", ".jpg", ".bmp"), _read)

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


def _read(path):
    array = np.asarray(Image.open(path)).swapaxes(0, 1)[:, :, None]
    grey = Volume.from_source(array.reshape(*array.shape[:3], -1)[..., 0], np.diag([-1.0, -1.0, 1.0, 1.0]))
    return grey.with_array(array[::-1, ::-1])
