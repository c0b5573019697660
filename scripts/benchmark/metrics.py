"""All scores of one case against surface-distance 0.1 computing HD95, ASSD and NSD of the same classes.

    python scripts/benchmark/metrics.py CASE --json metrics.json [--repeats 3]

CASE is a folder with a mask segmentation.nii.gz. It is enlarged to 512 x 512 x 301 voxels of 0.7 x 0.7 x 1.0 mm
(nearest neighbour); the prediction is the same mask moved by a few voxels, with an eroded infection. Each program runs
in a process of its own, by turns; seconds are those of the scores alone, without start and reading, medians over the
repeats; peak memory is that of the whole process. surface-distance must be installed.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pneumoseg.scripts.benchmark.machine import measured, report

SHAPE, SPACING_MM = (512, 512, 301), (0.7, 0.7, 1.0)
MEMBERS = {"lung_left": (1,), "lung_right": (2,), "infection": (3,), "lungs": (1, 2, 3)}
PROGRAMS = ("pneumoseg", "surface_distance")


def benchmark(
    case: Annotated[Path, typer.Argument(help="Folder of a case with segmentation.nii.gz.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 3,
) -> None:
    """Measures how long the scores of one case take."""
    rounds: dict[str, list[dict[str, float]]] = {program: [] for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        _write_masks(case / "segmentation.nii.gz", work)
        for _ in range(repeats):
            for program in PROGRAMS:
                process = measured([sys.executable, __file__, program, work], work)
                seconds = json.loads((work / "seconds.json").read_text(encoding="utf-8"))
                rounds[program].append({"seconds": seconds, "peak_gb": process["peak_gb"]})
    figures: dict = {
        program: {name: statistics.median(one[name] for one in all_rounds) for name in ("seconds", "peak_gb")}
        for program, all_rounds in rounds.items()
    }
    figures["times_faster"] = figures["surface_distance"]["seconds"] / figures["pneumoseg"]["seconds"]
    report(figures, json_file)


def _write_masks(path: Path, work: Path) -> None:
    from scipy import ndimage

    from pneumoseg.data_io.formats.reading import read_labels
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS

    mask = read_labels(path, LUNG_LABELS).array
    places = [np.arange(size) * old // size for size, old in zip(SHAPE, mask.shape, strict=True)]
    reference = np.asfortranarray(mask[np.ix_(*places)])
    prediction = np.roll(reference, (3, -2, 1), axis=(0, 1, 2))
    eroded = ndimage.binary_erosion(prediction == 3, iterations=2)
    prediction[(prediction == 3) & ~eroded] = 1
    np.save(work / "reference.npy", reference)
    np.save(work / "prediction.npy", prediction)


def _pneumoseg(reference: np.ndarray, prediction: np.ndarray) -> None:
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    from pneumoseg.data_io.volumes.volume import Volume
    from pneumoseg.evaluation.scoring.case_scores import score_case

    affine = np.diag([*SPACING_MM, 1.0])
    one, other = Volume.from_source(reference, affine), Volume.from_source(prediction, affine)
    score_case("case", 0, one, prediction=other, labels=LUNG_LABELS)


def _surface_distance(reference: np.ndarray, prediction: np.ndarray) -> None:
    import surface_distance

    for members in MEMBERS.values():
        masks = [np.isin(mask, members) for mask in (reference, prediction)]
        distances_mm = surface_distance.compute_surface_distances(*masks, SPACING_MM)
        surface_distance.compute_robust_hausdorff(distances_mm, 95)
        surface_distance.compute_average_surface_distance(distances_mm)
        surface_distance.compute_surface_dice_at_tolerance(distances_mm, 3.0)


def _run(program: str, work: Path) -> None:
    masks = [np.load(work / f"{name}.npy") for name in ("reference", "prediction")]
    small = [np.ascontiguousarray(mask[::16, ::16, ::16]) for mask in masks]
    score = {"pneumoseg": _pneumoseg, "surface_distance": _surface_distance}[program]
    score(*small)  # imports, and tables that are made once
    started = time.perf_counter()
    score(*masks)
    (work / "seconds.json").write_text(json.dumps(time.perf_counter() - started), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in PROGRAMS:
        _run(sys.argv[1], Path(sys.argv[2]))
    else:
        typer.run(benchmark)
