"""The two lungs of a mask apart, each with its infection: which side infected voxels lie on, and volumes by slices."""

from collections.abc import Sequence
from dataclasses import dataclass

import edt
import numpy as np

from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.pipeline.runtime import hardware

SAME_DISTANCE = 1e-6
"""Relative difference up to which squared distances, which `edt` gives in float32, are equal."""
SIDES = ("left", "right")


@dataclass(frozen=True, eq=False)
class InfectionSides:
    """Where infection lies: `infected`, bool (x, y, z) within the `box` of all labels, and of each of its voxels, in
    the order of `numpy.nonzero`, the share of the right lung: 0, 1, or 0.5 where both are equally far."""

    box: tuple[slice, ...]
    infected: np.ndarray
    of_right: np.ndarray


@dataclass(frozen=True, eq=False)
class LungSlices:
    """One lung by slices, from the feet up: voxels `whole` (z,), infection included, and `infected` (z,).

    Counts may end in .5, see `infection_sides`.
    """

    whole: np.ndarray
    infected: np.ndarray

    @property
    def percent(self) -> float | None:
        """Infected share in percent; None where there is no lung."""
        return percent_of(self.infected.sum(), self.whole.sum())

    def parts(self) -> tuple["LungSlices", "LungSlices", "LungSlices"]:
        """The lower, middle and upper third of the height between lowest and highest slice; of nothing where there is
        no lung. A slice belongs to the third that contains its centre.
        """
        filled = np.flatnonzero(self.whole)
        if not filled.size:
            return self, self, self
        first, height = filled[0], filled[-1] + 1 - filled[0]
        third = (2 * (filled - first) + 1) * 3 // (2 * height)  # in whole numbers: floor(3 * (index + 0.5) / height)
        lower, middle, upper = (
            LungSlices(self.whole[filled[third == n]], self.infected[filled[third == n]]) for n in range(3)
        )
        return lower, middle, upper

    def thirds(self) -> tuple[float | None, ...]:
        """Infected percent of each of the `parts`; None for a third without lung.

        >>> LungSlices(whole=np.array([2, 2, 2]), infected=np.array([2, 1, 0])).thirds()
        (100.0, 50.0, 0.0)
        """
        return tuple(part.percent for part in self.parts())


def infection_sides(
    labels: np.ndarray, spacing_mm: Sequence[float], lungs: tuple[int, int], *, infection: int
) -> InfectionSides:
    """Which lung each infected voxel is nearer to.

    `labels`: class numbers (x, y, z); distances are Euclidean, in mm, to the nearest voxel of a lung's label. A voxel
    at equal distance counts half for each, so that mirrored masks give mirrored numbers. Without one of the lungs all
    infection belongs to the other. In a lung that is almost completely infected, distant infection may be nearer to the
    other lung and is counted there. Raises ValueError without lungs.

    >>> labels = np.array([[[1]], [[3]], [[3]], [[3]], [[2]]])
    >>> infection_sides(labels, (1.0, 1.0, 1.0), (1, 2), infection=3).of_right.tolist()
    [0.0, 0.5, 1.0]
    """
    box = bounding_box(labels > 0)
    inside = labels[box]
    left, right = (inside == label for label in lungs)
    infected = inside == infection
    if not left.any() and not right.any():
        raise ValueError("infection is split between lungs, found none")
    if not left.any() or not right.any():
        of_right = np.full(np.count_nonzero(infected), float(right.any()))
    else:
        to_left, to_right = (_squared_distances(lung, infected, spacing_mm) for lung in (left, right))
        equal = np.isclose(to_left, to_right, rtol=SAME_DISTANCE, atol=0.0)
        of_right = np.where(equal, 0.5, to_right < to_left)
    return InfectionSides(box, infected, of_right)


def _squared_distances(lung: np.ndarray, infected: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    outside = (~lung).view(np.uint8)  # edt is slower on bool
    anisotropy = tuple(map(float, spacing_mm))
    return edt.edtsq(outside, anisotropy=anisotropy, parallel=hardware.usable_cores())[infected]


def lung_slices(labels: np.ndarray, sides: InfectionSides, lungs: tuple[int, int]) -> tuple[LungSlices, LungSlices]:
    """The left and the right lung by slices, each with the infected voxels of its side.

    `labels`: class numbers (x, y, z), `sides`: of the same mask.

    >>> labels = np.array([[[1]], [[3]], [[0]], [[2]]])
    >>> sides = infection_sides(labels, (1.0, 1.0, 1.0), (1, 2), infection=3)
    >>> [lung.whole.tolist() for lung in lung_slices(labels, sides, (1, 2))]
    [[2.0], [1.0]]
    """
    inside = labels[sides.box]
    heights = np.nonzero(sides.infected)[2]
    slices = []
    for label, share in zip(lungs, (1.0 - sides.of_right, sides.of_right), strict=True):
        counts = np.bincount(heights, weights=share, minlength=inside.shape[2])
        slices.append(LungSlices((inside == label).sum(axis=(0, 1)) + counts, counts))
    return slices[0], slices[1]


def split_lungs(
    labels: np.ndarray, spacing_mm: Sequence[float], lungs: tuple[int, int], *, infection: int
) -> tuple[LungSlices, LungSlices]:
    """The left and the right lung, each with the infected voxels nearer to it: `infection_sides`, `lung_slices`.

    >>> left, right = split_lungs(np.array([[[1]], [[3]], [[0]], [[2]]]), (1.0, 1.0, 1.0), (1, 2), infection=3)
    >>> left.whole.tolist(), left.infected.tolist(), right.whole.tolist()
    ([2.0], [1.0], [1.0])
    """
    return lung_slices(labels, infection_sides(labels, spacing_mm, lungs, infection=infection), lungs)


def percent_of(part: float, whole: float) -> float | None:
    """`part` in percent of `whole`; None where that is 0.

    >>> percent_of(1, 4), percent_of(1, 0)
    (25.0, None)
    """
    return 100.0 * float(part) / float(whole) if whole else None
