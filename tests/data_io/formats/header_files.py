"""Small NRRD and MetaImage files for tests, and the checks that both formats share."""

import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nrrd_metaimage import open_itk_image
from pneumoseg.data_io.formats.reading import read_volume

STORED = np.arange(60, dtype="<i2").reshape(3, 4, 5)  # (x, y, z) in the file's index order
VOXELS = STORED.tobytes(order="F")
MOST_CHARACTERS = 1000  # of a message


def write(path, content):
    path.write_bytes(content)
    return path


def check_geometry_and_voxels_are_those_of_itk(path):
    volume = open_itk_image(path).read()
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(volume.restore(), sitk.GetArrayFromImage(image).T)
    for index in ((0, 0, 0), (2, 3, 4), (1, 0, 3)):
        left, back, up = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.stored_grid.affine @ (*index, 1))[:3], (-left, -back, up), atol=1e-9)


def check_refused_in_one_sentence(path, message):
    with pytest.raises(InputError, match=message) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < MOST_CHARACTERS
