"""Probabilities of classes as files, written plane by plane: one NIfTI per class, a byte a voxel."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data_io.atomic import PARTIAL_PREFIX
from data_io.nifti import write_scaled_nifti
from data_io.scan import Scan

STEPS = 255


@contextmanager
def probability_maps(paths: Sequence[Path], scan: Scan) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Yields a function that takes probabilities on the scan's RAS+ grid, (first plane, float (classes, n, y, x)).

    Once all planes were given, the maps appear at `paths`, one per class, on the grid of the scan's file: uint8 with a
    scaling of 1/255. Until then they lie in a hidden folder on disk, not in memory.
    """
    folder = paths[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=folder) as place:
        maps = [
            np.memmap(Path(place) / f"{number}.raw", np.uint8, "w+", shape=scan.grid.shape, order="F")
            for number in range(len(paths))
        ]

        def sink(start: int, planes: np.ndarray) -> None:
            for one, plane in zip(maps, planes, strict=True):
                one[:, :, start : start + len(plane)] = np.rint(plane * STEPS).astype(np.uint8).transpose(2, 1, 0)

        yield sink
        for path, one in zip(paths, maps, strict=True):
            write_scaled_nifti(path, one, scan, 1.0 / STEPS)
        maps.clear()
