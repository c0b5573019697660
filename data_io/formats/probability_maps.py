"""Probabilities of classes as files, written plane by plane: one NIfTI per class, a byte a voxel."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from pneumoseg.data_io.formats.nifti import write_scaled_nifti
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.data_io.volumes.lazy_volume import Scan

STEPS = 255


@contextmanager
def probability_maps(paths: Sequence[Path], scan: Scan) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Yields a function that takes probabilities on the scan's RAS+ grid, (first plane, float (classes, n, y, x)), the
    planes in order.

    Once all planes were given, the maps appear at `paths`, one per class, on the grid of the scan's file: uint8 with a
    scaling of 1/255. Until then they lie in a hidden folder on disk, not in memory.
    """
    with folder_aside(paths[0]) as place:
        raw = [place / f"{number}.raw" for number in range(len(paths))]
        with ExitStack() as stack:
            files = [stack.enter_context(open(one, "wb")) for one in raw]

            def sink(start: int, planes: np.ndarray) -> None:
                for file, part in zip(files, planes, strict=True):
                    file.write(np.rint(part * STEPS).astype(np.uint8).tobytes())

            yield sink
        for path, one in zip(paths, raw, strict=True):
            voxels = np.memmap(one, np.uint8, "r", shape=scan.grid.shape, order="F")
            write_scaled_nifti(path, voxels, scan, slope=1.0 / STEPS)
            del voxels
