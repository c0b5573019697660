import numpy as np
import pytest

from pneumoseg.pipeline.preprocessing.body_mask import body_mask


@pytest.fixture
def chest() -> np.ndarray:
    """One slice in HU: a body with a lung in it, a table below, noise in the air."""
    image = np.random.default_rng(0).normal(-1000, 20, (32, 32, 1)).astype(np.float32)
    image[6:26, 8:26] = 40
    image[10:20, 12:20] = -850
    image[4:28, 3:5] = 0  # the table
    return image


def test_the_body_holds_the_lung_but_neither_table_nor_air(chest):
    expected = np.zeros(chest.shape, bool)
    expected[6:26, 8:26] = True
    np.testing.assert_array_equal(body_mask(chest), expected)


def test_unit_and_brightness_do_not_matter(chest):
    np.testing.assert_array_equal(body_mask((chest + 1250) / 1500), body_mask(chest))


def test_each_slice_has_its_own_body(chest):
    moved = np.roll(chest, 2, axis=1)
    both = body_mask(np.concatenate([chest, moved], axis=2))
    np.testing.assert_array_equal(both[:, :, :1], body_mask(chest))
    np.testing.assert_array_equal(both[:, :, 1:], body_mask(moved))


def test_a_body_cut_by_the_border_still_holds_its_lung(chest):
    cut = body_mask(chest[8:])
    assert cut[2:12, 12:20].all()


@pytest.mark.parametrize("first", [6, 9, 12, 19, 20])
@pytest.mark.parametrize("turns", range(4))
def test_a_lung_that_the_border_cuts_open_stays_in_the_body(chest, first, turns):
    expected = np.zeros(chest.shape, bool)
    expected[6:26, 8:26] = True
    np.testing.assert_array_equal(body_mask(np.rot90(chest[first:], turns)), np.rot90(expected[first:], turns))


def test_the_border_closes_no_air_between_body_and_table(chest):
    chest[4:28, 3:5] = -1000
    chest[4:28, :2] = 0
    both = np.concatenate([chest, chest], axis=2)
    both[22:26, 2:8, 0] = 0  # the table touches the body, in one slice of the two
    cut = body_mask(both[14:])
    assert cut[:12, 8:26].all()
    assert not cut[:, 2:8, 1].any()


def test_a_flat_slice_has_no_body():
    assert not body_mask(np.zeros((4, 4, 2), np.float32)).any()
