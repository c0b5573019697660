"""How far two networks, or two precisions of one, agree on the same tiles."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """`differing_voxels`: share of the voxels whose most probable class differs, 0 to 1. `foreground_dice`: of the
    voxels that are foreground for both and of the same class, 0 to 1; 1 where neither has any foreground.
    `probability_difference`: mean absolute difference of the probabilities."""

    differing_voxels: float
    foreground_dice: float
    probability_difference: float


def agreement(output: np.ndarray, reference: np.ndarray) -> Agreement:
    """Compares probabilities, both (n, x, y[, z], classes); class 0 is the background.

    >>> one, other = np.eye(3)[[[0, 1, 1, 2]]], np.eye(3)[[[0, 1, 2, 2]]]
    >>> print(agreement(one, other).differing_voxels, round(agreement(one, other).foreground_dice, 3))
    0.25 0.667
    """
    ours, theirs = output.argmax(-1), reference.argmax(-1)
    foreground = np.count_nonzero(ours) + np.count_nonzero(theirs)
    same = np.count_nonzero((ours == theirs) & (ours > 0))
    return Agreement(
        differing_voxels=float(np.mean(ours != theirs)),
        foreground_dice=2.0 * same / foreground if foreground else 1.0,
        probability_difference=float(np.mean(np.abs(output - reference))),
    )
