"""The smallest box around what is marked in an array."""

from collections.abc import Sequence

import numpy as np


def bounding_box(mask: np.ndarray, margin: int | Sequence[int] = 0) -> tuple[slice, ...]:
    """Slices around the True voxels of `mask`, wider by `margin` voxels (of all axes or of each) where the array
    allows.

    `mask`: bool, any number of axes; where nothing is True every slice is empty.
    """
    box: list[slice] = []
    for axis in range(mask.ndim):
        # What lies outside the slices found so far holds nothing: later axes need not look there.
        inside = mask[tuple(box)]
        indices = np.flatnonzero(inside.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(indices[0], indices[-1] + 1) if indices.size else slice(0, 0))
    return widened(box, mask.shape, margin)


def widened(box: Sequence[slice], shape: Sequence[int], margin: int | Sequence[int] = 1) -> tuple[slice, ...]:
    """The box wider by `margin` voxels (of all axes or of each) where an array of `shape` allows; empty slices stay."""
    margins = np.broadcast_to(margin, len(shape))
    return tuple(
        slice(max(side.start - wider, 0), min(side.stop + wider, size)) if side.stop else side
        for side, wider, size in zip(box, margins, shape, strict=True)
    )
