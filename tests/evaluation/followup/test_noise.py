import numpy as np
import pytest

from pneumoseg.evaluation.followup.noise import beyond, noise_of_change


def test_two_networks():
    assert noise_of_change([100.0, 110.0], [50.0, 52.0]) == pytest.approx(4.302653 * np.sqrt(50 + 2), rel=1e-6)


def test_five_networks_are_surer_of_the_same_spread():
    values = [10.0, 12.0, 14.0, 16.0, 18.0]
    assert noise_of_change(values, [0.0] * 5) == pytest.approx(2.306004 * np.sqrt(10), rel=1e-6)


def test_networks_that_agree_have_no_noise_and_no_change_is_not_beyond():
    noise = noise_of_change([10.0, 10.0], [10.0, 10.0])
    assert noise == 0
    assert beyond(0.0, noise) is False
    assert beyond(0.1, noise) is True


@pytest.mark.parametrize("votes", [([], []), ([1.0], [2.0]), ([1.0, None], [2.0, 3.0]), ([1.0, 2.0], [None, None])])
def test_without_two_values_noise_is_not_known(votes):
    assert noise_of_change(*votes) is None
    assert beyond(5.0, None) is None


def test_both_dates_have_the_same_networks():
    with pytest.raises(ValueError, match="found 2 and 1"):
        noise_of_change([1.0, 2.0], [1.0])


def test_the_interval_covers_what_it_says():
    """Of two dates without any change, the change that two noisy networks' mean shows stays within the noise."""
    rng = np.random.default_rng(0)
    before, after = rng.normal(100, 5, (2, 4000, 3))
    inside = [
        abs(one.mean() - other.mean()) <= noise_of_change(one.tolist(), other.tolist())
        for one, other in zip(before, after, strict=True)
    ]
    assert np.mean(inside) > 0.95
