"""Which lung infection belongs to."""

import numpy as np
import pytest
from scipy import ndimage

from pneumoseg.evaluation.measures.lung_sides import infection_sides, lung_slices, percent_of, split_lungs


def test_sides_of_voxels_in_the_order_of_nonzero():
    labels = np.zeros((9, 2, 2), np.uint8)
    labels[1, 0, 0], labels[7, 0, 0] = 1, 2
    labels[[2, 4, 6], 0, 0] = 3
    sides = infection_sides(labels, (1.0, 1.0, 1.0), (1, 2), infection=3)
    assert sides.of_right.tolist() == [0.0, 0.5, 1.0]
    assert np.nonzero(sides.infected)[0].tolist() == [1, 3, 5]  # within the box, which begins at the left lung
    left, right = lung_slices(labels, sides, (1, 2))
    assert (left.whole.tolist(), right.infected.tolist()) == ([2.5], [1.5])


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 2.5), (1.0, 2.0, 3.0), (2.8, 2.8, 3.0)])
def test_sides_as_by_another_distance_transform(spacing_mm):
    """Equal distances along different axes too, which differ by rounding."""
    rng = np.random.default_rng(1)
    labels = np.where(rng.random((40, 30, 20)) < 0.02, rng.integers(1, 3, (40, 30, 20)), 3)
    sides = infection_sides(labels, spacing_mm, (1, 2), infection=3)
    to_left, to_right = (
        ndimage.distance_transform_edt(labels != lung, sampling=spacing_mm)[labels == 3] for lung in (1, 2)
    )
    equal = np.abs(to_left - to_right) <= 1e-9
    assert 100 < equal.sum() < len(equal) / 2
    assert (sides.of_right == np.where(equal, 0.5, to_right < to_left)).all()


def test_lungs_are_split_as_by_their_sides():
    labels = np.random.default_rng(0).integers(0, 4, (6, 5, 4))
    sides = infection_sides(labels, (1.0, 2.0, 3.0), (1, 2), infection=3)
    for one, other in zip(
        lung_slices(labels, sides, (1, 2)), split_lungs(labels, (1.0, 2.0, 3.0), (1, 2), infection=3), strict=True
    ):
        assert (one.whole == other.whole).all()
        assert (one.infected == other.infected).all()


def test_without_lungs_there_are_no_sides():
    with pytest.raises(ValueError, match="found none"):
        infection_sides(np.full((2, 2, 2), 3), (1.0, 1.0, 1.0), (1, 2), infection=3)


def test_percent_of_nothing_is_none():
    assert (percent_of(0, 0), percent_of(3, 12)) == (None, 25.0)
