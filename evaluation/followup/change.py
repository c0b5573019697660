"""Which infection is new, resolved or unchanged: two masks on one grid to a label map."""

from collections.abc import Sequence

import edt
import numpy as np

from pneumoseg.data_io.volumes.bounding_box import bounding_box

UNCHANGED, NEW, RESOLVED = 1, 2, 3
"""The classes of `CHANGE_LABELS`."""

TOLERANCE_MM = 2.0
"""Infection of one date that reaches no farther than this beyond that of the other is no change: registration and
interpolation leave such bands. Along an axis with wider voxels it is one voxel."""


def change_map(
    baseline: np.ndarray, follow_up: np.ndarray, spacing_mm: Sequence[float], *, tolerance_mm: float = TOLERANCE_MM
) -> np.ndarray:
    """The classes of `CHANGE_LABELS`, uint8 (x, y, z), of infection at two dates, both bool (x, y, z) on one grid.

    New is infection of the follow-up where the baseline has none, resolved the reverse, each only where it reaches
    farther than the tolerance from the infection of the other date: a band along unchanged infection that is nowhere
    thicker is left out, one that is thicker somewhere is changed there down to the border. All other infection of the
    follow-up is unchanged, so that new and unchanged together are just the infection of the follow-up.

    >>> before, after = np.zeros((9, 1, 1), bool), np.zeros((9, 1, 1), bool)
    >>> before[:4], after[3:5], after[7:] = True, True, True
    >>> change_map(before, after, (1.0, 1.0, 1.0))[:, 0, 0].tolist()
    [3, 3, 3, 1, 1, 0, 0, 2, 2]
    """
    change = np.zeros(follow_up.shape, np.uint8)
    reach = [int(np.ceil(tolerance_mm / step)) + 1 for step in spacing_mm]
    box = bounding_box(baseline | follow_up, reach)
    if not change[box].size:
        return change
    was, is_now = baseline[box], follow_up[box]
    units = tuple(step / max(step, tolerance_mm) for step in spacing_mm)  # distances of 1 are the tolerance
    new, resolved = _beyond(is_now, was, units), _beyond(was, is_now, units)
    change[box][is_now] = UNCHANGED
    change[box][new] = NEW
    change[box][resolved] = RESOLVED
    return change


def _beyond(one: np.ndarray, other: np.ndarray, units: tuple[float, ...]) -> np.ndarray:
    """The part of `one` without `other` that reaches farther from it than a distance of 1, down to the border."""
    only = one & ~other
    far = only & (_distance_to(other, units) > 1.0 + 1e-5)
    return only & (_distance_to(far, units) <= 1.0 + 1e-5)


def _distance_to(mask: np.ndarray, units: tuple[float, ...]) -> np.ndarray:
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return edt.edt(~mask, anisotropy=units)
