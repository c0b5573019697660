"""Cases that are single slices of volumes and of stacks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.dataset import Case, Dataset, SliceOf, named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Grid

DIGITS = 3
"""Of a slice's number in its name, at least."""


def slice_cases(dataset: Dataset, axis: int, *, foreground: Sequence[int] | None, labels: int | LabelTable) -> Dataset:
    """The dataset whose cases are the slices of its volumes across `axis` (0..2 of RAS+), patients kept.

    A slice is called VOLUME_000, VOLUME_001 and so on, from left, back or below. Cases that are slices or pictures
    already, with one voxel along the axis, stay as they are. With `foreground`, only slices with a voxel of these
    classes of `labels` are kept; that reads each mask once. Slices in which no voxel counts are left out.

    Raises InputError where image and mask of a volume differ in slices, where no slice is kept, where two cases would
    have one name, as `Case.read_valid`, and, with `foreground`, as `Case.read_mask`.
    """
    slices, left_out = [], []
    for case in dataset:
        across = case.slice.axis if case.slice else axis
        count = 1 if case.slice else _count(case, across)
        kept: Sequence[int] = range(count)
        if foreground is not None:
            kept = _with_classes(case, across, count, foreground=foreground, labels=labels)
            left_out += [] if kept else [case.name]
        valid = case.read_valid()
        if valid is not None:
            counting = set(np.flatnonzero(valid.array.any(axis=_others(across))).tolist())
            kept = [index for index in kept if (0 if case.slice else index) in counting]
        slices += [_slice(case, across, index, number=index, count=count) if count > 1 else case for index in kept]
    if not slices:
        raise InputError(
            f"{dataset.root}: no slice with a voxel of the classes {listed([str(one) for one in foreground or ()])}; "
            "correct patches.foreground_labels, or keep empty slices"
        )
    if left_out:
        log.warning("%s: no slice of %s has a voxel of the foreground; left out", dataset.root, listed(left_out))
    check_names(dataset.root, slices)
    return Dataset(dataset.root, tuple(slices), dataset.layout)


def slices_of_stack(case: Case) -> list[Case]:
    """The cases of a stack: its slices along the last axis of the file, in the file's order.

    Raises InputError where image and mask differ in the number of slices.
    """
    with named(case.name):
        grids = [_stored_grid(case, path) for path in (case.image, case.mask) if path is not None]
    count = grids[0].shape[2]
    if grids[-1].shape[2] != count:
        raise InputError(_different(case, count, grids[-1].shape[2]))
    axis, direction = nib.io_orientation(grids[0].affine)[2]
    return [
        _slice(case, int(axis), index if direction > 0 else count - 1 - index, number=index, count=count)
        for index in range(count)
    ]


def check_names(root: Path, cases: Iterable[Case]) -> None:
    """Raises InputError where two cases have one name: slice 0 of a volume A is A_000, as another volume may be."""
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise InputError(f"{root}: slices and other cases have one name: {listed(twice)}; rename the volumes")


def _with_classes(
    case: Case, axis: int, count: int, *, foreground: Sequence[int], labels: int | LabelTable
) -> Sequence[int]:
    """The slices that have a voxel of the classes."""
    mask = case.read_mask(labels).array
    if mask.shape[axis] != count:
        raise InputError(_different(case, count, mask.shape[axis]))
    return [int(index) for index in np.flatnonzero(np.isin(mask, foreground).any(axis=_others(axis)))]


def _others(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def _slice(case: Case, axis: int, index: int, *, number: int, count: int) -> Case:
    digits = max(DIGITS, len(str(count - 1)))
    return replace(case, name=f"{case.name}_{number:0{digits}d}", slice=SliceOf(case.name, axis, index))


def _count(case: Case, axis: int) -> int:
    with named(case.name):
        return _stored_grid(case, case.image).canonical().shape[axis]


def _stored_grid(case: Case, path: Path) -> Grid:
    """The grid of a file as it orders it, from its header where the format has one."""
    return reading.open_scan(path, grid=case.grid).stored_grid


def _different(case: Case, slices: int, of_mask: int) -> str:
    return (
        f"case {case.name}: image {case.image} has {slices} slices, mask {case.mask} has {of_mask}; give image and "
        "mask of the same slices"
    )
