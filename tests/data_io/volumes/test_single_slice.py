"""A slice of a volume keeps its place."""

import numpy as np
import pytest

from pneumoseg.data_io.volumes.single_slice import facing, single_slice
from pneumoseg.data_io.volumes.volume import Volume

STORED = np.arange(2 * 3 * 4).reshape(2, 3, 4)
AFFINES = {
    "RAS": np.diag([1.0, 2.0, 3.0, 1.0]),
    "LPS": np.diag([-1.0, -2.0, 3.0, 1.0]),
    "SRA, flipped": np.array([[0, -1.0, 0, 5], [0, 0, 2.0, 6], [-3.0, 0, 0, 7], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_lies_where_it_lay_in_the_volume(name, axis):
    volume = Volume.from_source(STORED, AFFINES[name])
    size = volume.grid.shape[axis]
    for index in range(size):
        part = single_slice(volume, axis, index)
        assert part.array.shape[axis] == 1
        np.testing.assert_array_equal(part.array, np.take(volume.array, [index], axis))
        corner = np.eye(4)[3] + index * np.eye(4)[axis]
        np.testing.assert_allclose(part.grid.affine[:, 3], volume.grid.affine @ corner)
        again = Volume.from_source(part.restore(), part.stored_grid.affine)
        np.testing.assert_array_equal(again.array, part.array)
        assert again.grid.matches(part.grid)


def test_channels_stay():
    volume = Volume.from_source(STORED, np.eye(4))
    colours = volume.with_array(np.stack([volume.array] * 3, axis=-1))
    assert single_slice(colours, 2, 1).array.shape == (2, 3, 1, 3)


def test_a_slice_does_not_keep_its_volume_in_memory():
    volume = Volume.from_source(STORED, np.eye(4))
    assert not np.shares_memory(single_slice(volume, 2, 1).array, volume.array)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_slice_that_there_is_not(index):
    with pytest.raises(IndexError, match=f"slice {index} of 4"):
        single_slice(Volume.from_source(STORED, np.eye(4)), 2, index)


def test_a_slice_across_x_or_y_is_turned_to_face_the_reader():
    volume = Volume.from_source(STORED, AFFINES["RAS"])
    for axis, shape, codes in ((0, (3, 4, 1), "ASR"), (1, (2, 4, 1), "RSA")):
        part = single_slice(volume, axis, 1)
        turned = facing(part)
        assert turned.array.shape == shape and turned.grid.axis_codes == codes
        np.testing.assert_array_equal(turned.array[:, :, 0], np.take(volume.array, 1, axis))
    for same in (volume, single_slice(volume, 2, 0)):
        assert facing(same) is same
