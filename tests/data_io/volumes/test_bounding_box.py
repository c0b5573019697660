import numpy as np
import pytest

from pneumoseg.data_io.volumes.bounding_box import bounding_box


def test_it_holds_every_marked_voxel_and_nothing_more():
    mask = np.zeros((4, 5, 6), bool)
    mask[1, 2, 3] = mask[2, 2, 5] = True
    assert bounding_box(mask) == (slice(1, 3), slice(2, 3), slice(3, 6))


def test_the_margin_ends_at_the_border_of_the_array():
    mask = np.zeros((4, 5, 6), bool)
    mask[0, 2, 4] = True
    assert bounding_box(mask, 1) == (slice(0, 2), slice(1, 4), slice(3, 6))
    assert bounding_box(mask, (0, 2, 9)) == (slice(0, 1), slice(0, 5), slice(0, 6))


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4), (0, 3, 4)])
def test_an_empty_mask_has_an_empty_box_whatever_the_margin(shape):
    mask = np.zeros(shape, bool)
    assert mask[bounding_box(mask, 2)].size == 0
    assert bounding_box(mask, 2) == (slice(0, 0),) * len(shape)


def test_two_axes_and_random_masks_equal_what_argwhere_says():
    rng = np.random.default_rng(4)
    for shape in ((9, 7), (5, 6, 7)):
        mask = rng.random(shape) < 0.02
        mask.ravel()[rng.integers(mask.size)] = True
        marked = np.argwhere(mask)
        lowest, highest = marked.min(axis=0), marked.max(axis=0)
        assert bounding_box(mask) == tuple(slice(low, high + 1) for low, high in zip(lowest, highest, strict=True))
