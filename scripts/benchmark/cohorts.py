"""Cohorts of studies: seconds and memory of preparing a long CT, memory of training on many, scores of shuffled labels.

    python scripts/benchmark/cohorts.py preparation WORK --json preparation.json   (a study of 600 slices)
    python scripts/benchmark/cohorts.py training COHORT.h5 WORK --json training.json   (60 and 1,000 studies)
    python scripts/benchmark/cohorts.py shuffled COHORT.h5 WORK --json shuffled.json   (kfold; AUC near 0.5)

Each process is measured by itself: wall-clock seconds, and the largest resident size in GB. Labels are shuffled
together with scores, so that a cross-validation that lets no test case into a training finds nothing.
"""

import hashlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from pneumoseg.data_io.datasets.cohort_file import CohortEntry, read_header, read_study, write_cohort
from pneumoseg.scripts.benchmark.machine import measured, report

PROGRAM = (sys.executable, "-m", "pneumoseg.scripts.cli")
PRESET = "hrct-joint-cpu"

Cohort = Annotated[Path, typer.Argument(help="A cohort file.", exists=True, resolve_path=True)]
Work = Annotated[Path, typer.Argument(help="A folder for what is made.", resolve_path=True)]
Output = Annotated[Path | None, typer.Option("--json", help="Where the figures go.")]

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def preparation(
    work: Work,
    output: Output = None,
    slices: Annotated[int, typer.Option("--slices", min=32)] = 600,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 3,
) -> None:
    """Prepares one DICOM study of 512 x 512 voxels a slice, with either mask."""
    work.mkdir(parents=True, exist_ok=True)
    study = work / f"study_{slices}"
    if not study.is_dir():
        shape = ("--shape", 512, 512, slices)
        measured(
            [*PROGRAM, "phantom", "-o", study, "--kind", "cohort", "--format", "dicom", "--cases", 1, *shape], work
        )
    figures: dict[str, object] = {"slices": slices}
    for mask in ("classical", "model"):
        command = [*PROGRAM, "prepare", study / "cohort.csv", "-o", work / "one.h5", "--mask", mask, "--overwrite"]
        done = [measured([*command, "--quiet"], work) for _ in range(repeats)]
        figures[mask] = {key: statistics.median(one[key] for one in done) for key in done[0]}
    report(figures, output)


@app.command()
def training(
    cohort: Cohort,
    work: Work,
    output: Output = None,
    counts: Annotated[list[int] | None, typer.Option("--studies", help="How many; may be repeated.")] = None,
) -> None:
    """Trains for one epoch on as many studies, those of the cohort again and again."""
    work.mkdir(parents=True, exist_ok=True)
    figures = {}
    for count in counts or (60, 1000):
        entries = read_header(cohort).entries
        indices = [number % len(entries) for number in range(count)]
        repeated = [_renamed(entries[index], f"study_{number:05d}") for number, index in enumerate(indices)]
        file = work / f"studies_{count}.h5"
        _write(file, cohort, repeated, indices)
        once = ("--set", "training.epochs=1")
        command = [*PROGRAM, "train", file, "-o", work / f"trained_{count}", "--preset", PRESET, *once, "--overwrite"]
        figures[count] = measured([*command, "--quiet"], work)
    report(figures, output)


@app.command()
def shuffled(
    cohort: Cohort, work: Work, output: Output = None, seed: Annotated[int, typer.Option("--seed")] = 0
) -> None:
    """Cross-validates with the labels and scores of other studies."""
    work.mkdir(parents=True, exist_ok=True)
    entries = read_header(cohort).entries
    order = np.random.default_rng(seed).permutation(len(entries))
    given = [
        replace(entry, diseased=entries[other].diseased, score=entries[other].score)
        for entry, other in zip(entries, order, strict=True)
    ]
    file, run = work / "shuffled.h5", work / "shuffled"
    _write(file, cohort, given, range(len(entries)))
    seconds = measured([*PROGRAM, "kfold", file, "-o", run, "--preset", PRESET, "--quiet", "--resume"], work)
    report({"seed": seed, **seconds, **_scores(run)}, output)


def _renamed(entry: CohortEntry, name: str) -> CohortEntry:
    return replace(entry, name=name, patient=name, content=hashlib.sha256(name.encode()).hexdigest())


def _write(path: Path, cohort: Path, entries: Sequence[CohortEntry], indices: Sequence[int]) -> None:
    header = read_header(cohort)
    arrays = (read_study(cohort, index) for index in indices)
    write_cohort(path, entries, arrays, shape=header.shape, preparation=header.preparation)


def _scores(run: Path) -> dict[str, float]:
    """The area under the ROC curve, and the agreement of the scores, over all test studies."""
    found = pd.concat([pd.read_csv(run / name) for name in ("classification.csv", "agreement.csv")])
    over_all = found[found["fold"] == "all"].set_index("score")["value"]
    return {name: float(over_all[name]) for name in ("auc", "icc")}


if __name__ == "__main__":
    app()
