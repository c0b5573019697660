"""A mask of a CT of 512 x 512 x 301 voxels as DICOM: seconds and memory of writing and of reading back.

    python scripts/benchmark/dicom_results.py WORK --json dicom_results.json

WORK: a folder for the CT and the results. Each kind of file in a process of its own, medians over the repeats. Seconds
include the headers of the slices, writing and reading back; memory is the largest resident size of the process, and
beside it that before writing, with the mask.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pneumoseg.data_io.formats.reading import open_scan
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Grid, Volume

SHAPE, SPACING_MM = (512, 512, 301), (0.7, 0.7, 1.0)
KINDS = ("binary", "labelmap", "captures")


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for CT and results.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 3,
    kind: Annotated[str | None, typer.Option("--kind", hidden=True)] = None,
) -> None:
    """Measures how fast results are written as DICOM."""
    work = work.resolve()
    ct = work / "ct"
    if kind is not None:
        print(json.dumps(_measured(ct, work, kind)))
        return
    if not ct.is_dir():
        write_series(ct, _ct())
    figures = {}
    for name in KINDS:
        command = [sys.executable, __file__, str(work), "--kind", name]
        done = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(repeats)
        ]
        figures[name] = {key: statistics.median(one[key] for one in done) for key in done[0]}
        print(name, figures[name], flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _lungs() -> np.ndarray:
    """Two ellipsoids, truth values (x, y, z)."""
    x, y = np.ogrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    across = ((np.abs(x) - 0.4) / 0.3) ** 2 + (y / 0.5) ** 2
    return np.stack([across + (z / 0.9) ** 2 < 1 for z in np.linspace(-1, 1, SHAPE[2])], axis=-1)


def _ct() -> Volume:
    """Noise around lungs: what is in a CT decides nothing here."""
    array = np.where(_lungs(), -850, 40).astype(np.int16)
    array += np.random.default_rng(0).integers(-30, 30, SHAPE[:2]).astype(np.int16)[..., None]
    return Volume.from_source(array, np.diag([*SPACING_MM, 1.0]))


def _mask(grid: Grid) -> Volume:
    """A left and a right lung and infection at the back of both, on the grid of the series (stored from the right and
    from the front)."""
    array = _lungs().astype(np.uint8)
    array[: SHAPE[0] // 2] *= 2
    back = array[:, SHAPE[1] // 2 : SHAPE[1] // 2 + 40]
    back[back > 0] = 3
    volume = Volume.from_source(array, grid.affine)
    return Volume(volume.array, volume.grid, grid)


def _measured(ct: Path, work: Path, kind: str) -> dict[str, float]:
    from pneumoseg.data_io.formats.dicom.results.origin import Origin
    from pneumoseg.data_io.formats.dicom.results.secondary_capture import write_captures
    from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
    from pneumoseg.data_io.formats.dicom.results.source import source_of
    from pneumoseg.evaluation.figures.captures import captures

    scan = open_scan(ct)
    mask, origin = _mask(scan.stored_grid), Origin("benchmark", "0" * 64, "0" * 64)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    source = source_of(scan.stored_grid)
    read_s = time.perf_counter() - started
    if kind == "captures":
        pictures = captures(scan.read(), mask, LUNG_LABELS, lines=["lungs 5000 ml, infection 500 ml"])
        write_captures(work / "captures", pictures, source=source, origin=origin)
        size = sum(file.stat().st_size for file in (work / "captures").iterdir())
    else:
        path = work / f"{kind}.seg.dcm"
        write_segmentation(
            path, mask, LUNG_LABELS, source=source, origin=origin, encoding="binary" if kind == "binary" else "labelmap"
        )
        size = os.path.getsize(path)
    seconds = time.perf_counter() - started
    after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(seconds, 2),
        "of_headers_s": round(read_s, 2),
        "file_mb": round(size / 1e6, 1),
        "memory_mb": round(after_mb),
        "memory_before_mb": round(before_mb),
    }


if __name__ == "__main__":
    typer.run(benchmark)
