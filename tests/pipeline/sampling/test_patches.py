import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.loading import load_settings

SHAPES = st.tuples(*[st.integers(1, 20)] * 3)


def test_crop_is_filled_outside():
    array = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    block = patches.crop(array, (-1, 0, 1), (4, 2, 2), fill=-1)
    assert block.shape == (4, 2, 2)
    assert (block[0] == -1).all()
    assert (block[3] == -1).all()
    assert (block[:, :, 1] == -1).all()
    np.testing.assert_array_equal(block[1:3, :, 0], array[:, :, 1])


def test_crop_beside_the_array_is_empty():
    assert (patches.crop(np.ones((2, 2, 2)), (5, 0, 0), (2, 2, 2)) == 0).all()


@given(SHAPES, SHAPES, st.integers(0, 2**31))
def test_random_corners_stay_inside_or_centre(volume, shape, seed):
    corner = patches.random_corner(np.random.default_rng(seed), volume, shape)
    for start, size, patch in zip(corner, volume, shape, strict=True):
        if size > patch:
            assert 0 <= start <= size - patch
        else:
            assert start <= 0
            assert start + patch >= size


@given(SHAPES, SHAPES, st.integers(0, 2**31))
def test_a_patch_around_a_voxel_holds_it(volume, shape, seed):
    voxel = [np.random.default_rng(seed).integers(0, size) for size in volume]
    corner = patches.corner_around(voxel, volume, shape)
    assert all(start <= place < start + patch for start, place, patch in zip(corner, voxel, shape, strict=True))


@given(SHAPES, SHAPES, st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_tiles_cover_every_voxel_and_overlap_enough(volume, shape, overlap):
    seen = np.zeros(volume, int)
    corners = patches.grid_corners(volume, shape, overlap)
    assert len(set(corners)) == len(corners)
    for corner in corners:
        seen[tuple(slice(max(start, 0), start + patch) for start, patch in zip(corner, shape, strict=True))] += 1
    assert seen.min() >= 1
    for axis, patch in enumerate(shape):
        starts = sorted({corner[axis] for corner in corners})
        for one, other in itertools.pairwise(starts):
            assert other - one <= max(1, int(patch * (1 - overlap)))


def test_gaussian_weights_fall_off_and_never_vanish():
    weights = patches.tile_weights((8, 8, 1), "gaussian")
    assert weights.max() == pytest.approx(1.0)
    assert 0 < weights.min() < 0.01
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-6)


def test_slices_across_each_axis():
    for axis, shape in ((0, (1, 4, 6)), (1, (4, 1, 6)), (2, (4, 6, 1))):
        settings = load_settings("demo", ["patches.shape=[8, 16]", f"patches.axis={axis}"])
        whole = patches.patch_shape(settings, (100, 100, 100))
        assert whole[axis] == 1 and patches.network_shape(settings, (100, 100, 100)) == (8, 16)
        tiles = np.zeros((2, *shape, 3))
        assert patches.as_network_sees(tiles, settings).shape == (2, 4, 6, 3)
        assert patches.in_three_axes((8, 16), settings) == whole


def test_neighbouring_slices_follow_one_another_as_channels():
    """Voxels are 10 z + channel; outside the volume lies air, 7 in the first channel and 8 in the second."""
    image = 10 * np.arange(5)[None, None, :, None] + np.arange(2) * np.ones((3, 3, 1, 1))
    settings = load_settings("demo", ["patches.shape=[8, 8]", "patches.neighbours=2"])
    found = patches.crop_slices(image, (0, 0, 1), (2, 2, 1), fill=(7, 8), settings=settings)
    assert found.shape == (2, 2, 1, 10)
    assert found[0, 0, 0].tolist() == [7, 8, 0, 1, 10, 11, 20, 21, 30, 31]


def test_patch_shape_of_slices_and_full_images():
    slices = load_settings("demo", ["patches.shape=[32, 32]"])
    assert patches.patch_shape(slices, (100, 100, 50)) == (32, 32, 1)
    full = load_settings("demo", ["patches.shape=null", "patches.batch=1"])
    assert patches.patch_shape(full, (33, 40, 1)) == (40, 40, 8)


@pytest.mark.parametrize(
    ("shape", "largest", "expected"),
    [
        ("[16, 16, 8]", 2048, (16, 16, 8)),
        ("[16, 16, 8]", 2047, (8, 16, 8)),
        ("[16, 16, 8]", 512, (8, 8, 8)),
        ("[16, 16, 8]", 1, (4, 4, 4)),  # the divisor of three levels
        ("[12, 16, 8]", 1, (12, 4, 4)),  # half of 12 is not divisible by 4
        ("[64, 32]", 1024, (32, 32)),
        ("null", 2**20, (32, 32, 32)),
        ("null", 2**12, (16, 16, 16)),
    ],
)
def test_a_capped_patch_halves_its_longest_axis_and_keeps_the_divisor(shape, largest, expected):
    changes = ["network.filters=[2, 2, 4]", f"patches.shape={shape}", "patches.batch=1"]
    assert patches.capped_shape(load_settings("demo", changes), largest) == expected
