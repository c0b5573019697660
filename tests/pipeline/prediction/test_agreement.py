import numpy as np
import pytest

from pneumoseg.pipeline.prediction.agreement import Agreement, agreement


def certain(*classes: int) -> np.ndarray:
    """Probabilities 0 and 1 of three classes, (1, n, 3)."""
    return np.eye(3)[[classes]]


def test_a_network_agrees_with_itself():
    assert agreement(certain(0, 1, 2, 2), certain(0, 1, 2, 2)) == Agreement(0.0, 1.0, 0.0)


def test_another_class_differs_and_takes_from_the_dice():
    """Of five voxels one differs; three and three are foreground, two of them alike: 2 * 2 / 6. In that voxel two of
    three probabilities differ by 1: 2 / 15."""
    found = agreement(certain(0, 0, 1, 2, 2), certain(0, 0, 1, 2, 1))
    assert found.differing_voxels == pytest.approx(1 / 5)
    assert found.foreground_dice == pytest.approx(4 / 6)
    assert found.probability_difference == pytest.approx(2 / 15)


def test_missed_foreground_counts_once_in_the_dice():
    assert agreement(certain(0, 1), certain(1, 1)).foreground_dice == pytest.approx(2 / 3)


def test_without_foreground_the_dice_is_1():
    assert agreement(certain(0, 0), certain(0, 0)).foreground_dice == 1.0
    assert agreement(certain(0, 0), certain(0, 1)).foreground_dice == 0.0


def test_probabilities_may_differ_where_classes_do_not():
    found = agreement(np.array([[[0.75, 0.25]]]), np.array([[[1.0, 0.0]]]))
    assert found == Agreement(0.0, 1.0, 0.25)
