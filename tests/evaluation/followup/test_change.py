"""The label map of change, by eye."""

import numpy as np
import pytest

from pneumoseg.evaluation.followup.change import change_map


def line(*places, size=24) -> np.ndarray:
    mask = np.zeros((size, 1, 1), bool)
    mask[list(places)] = True
    return mask


def labels(baseline, follow_up, spacing_mm=1.0) -> list[int]:
    return change_map(baseline, follow_up, (spacing_mm, 1.0, 1.0))[:, 0, 0].tolist()


def test_a_band_of_two_mm_is_no_change_and_three_are():
    before = line(*range(5, 10))
    assert labels(before, line(*range(5, 12)))[5:13] == [1] * 7 + [0]
    assert labels(before, line(*range(5, 13)))[5:14] == [1] * 5 + [2] * 3 + [0]


def test_what_is_left_out_of_the_baseline_is_background():
    assert labels(line(*range(5, 12)), line(*range(5, 10)))[5:13] == [1] * 5 + [0] * 3
    assert labels(line(*range(5, 13)), line(*range(5, 10)))[5:14] == [1] * 5 + [3] * 3 + [0]


def test_infection_apart_is_new_however_small():
    assert labels(line(2, 3), line(2, 3, 12))[:14] == [0, 0, 1, 1, *[0] * 8, 2, 0]


def test_of_wide_voxels_one_is_within_the_tolerance():
    before = line(*range(5, 10))
    assert labels(before, line(*range(5, 11)), 5.0)[5:12] == [1] * 6 + [0]
    assert labels(before, line(*range(5, 12)), 5.0)[5:13] == [1] * 5 + [2] * 2 + [0]


@pytest.mark.parametrize("swapped", [False, True])
def test_without_infection_at_one_date_all_is_changed(swapped):
    pair = [line(4, 5), line()]
    before, after = pair[::-1] if swapped else pair
    assert set(labels(before, after)) == {0, 2 if swapped else 3}
    assert not change_map(line(), line(), (1.0, 1.0, 1.0)).any()


def test_new_and_unchanged_are_the_follow_up():
    rng = np.random.default_rng(0)
    before, after = (rng.random((12, 11, 10)) > 0.7 for _ in range(2))
    change = change_map(before, after, (0.7, 0.7, 3.0))
    np.testing.assert_array_equal(np.isin(change, (1, 2)), after)
    assert not np.any((change == 2) & before)
    assert np.all(before[change == 3])
