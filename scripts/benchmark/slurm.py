"""Commands as SLURM arrays and on workers, on this machine alone, against the same commands in one process.

    python scripts/benchmark/slurm.py --json slurm.json [--cases 6] [--folds 3]

Needs Debian's slurm-wlm and munge, and root. `kfold`: splits, weights and scores of the array, in deterministic mode,
against those of one process, byte for byte; and so of two workers of Dask. `evaluate`, of the masks of that run: two of
three tasks are cancelled; submitting again must run these two and the finishing job alone, and make the tables of one
call, byte for byte.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.scripts.benchmark.killed_commands import TRAINING
from pneumoseg.scripts.benchmark.machine import report
from pneumoseg.scripts.benchmark.slurm_node import called, missing, one_node, wait_until

PATIENCE_S = 1800.0
OF_RUN = ("splits.json", "cv_results.detailed.csv", "cv_results.final.csv", "lesions.csv", "confusion.csv")
OF_EVALUATION = ("metrics.csv", "final.csv", "lesions.csv", "confusion.csv", "pooled.csv", "summary.json")


def benchmark(
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    cases: Annotated[int, typer.Option("--cases", min=3)] = 6,
    folds: Annotated[int, typer.Option("--folds", min=2)] = 3,
) -> None:
    """Runs both commands in both ways, and prints what differs and what ran how often."""
    if reason := missing():
        raise typer.BadParameter(reason)
    with tempfile.TemporaryDirectory() as place, one_node() as cluster:
        folder, environment = Path(place), {**cluster, "PNEUMOSEG_CACHE": f"{place}/cache"}
        write_phantoms(folder / "data", cases, shape=(32, 32, 24), seed=1)
        figures = {"kfold": _kfold(folder, folds, environment), "evaluate": _evaluate(folder, environment)}
    report(figures, json_file)


def _kfold(folder: Path, folds: int, environment: dict[str, str]) -> dict[str, object]:
    arguments = ["kfold", "data", *TRAINING, "--set", f"evaluation.folds={folds}", "--threads", "1"]
    started = time.perf_counter()
    _pneumoseg(folder, [*arguments, "-o", "one"], environment)
    seconds = {"one process": time.perf_counter() - started}
    submitted = _submit(folder, [*arguments, "-o", "array", "--cpus", "1", "--memory-gb", "3"], environment)
    _wait_for(submitted, environment)
    seconds["array"] = time.perf_counter() - started - seconds["one process"]
    started = time.perf_counter()
    _pneumoseg(folder, [*arguments, "-o", "workers", "--workers", "2"], environment)
    seconds["two workers"] = time.perf_counter() - started
    weights = [f"fold_{fold}/predictions/{path.name}" for fold in range(folds) for path in _masks(folder / "one", fold)]
    return {
        "tasks": submitted["tasks"],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "compared": len([*OF_RUN, *weights]),
        "differing": _differing(folder / "one", folder / "array", [*OF_RUN, *weights]),
        "differing on workers": _differing(folder / "one", folder / "workers", [*OF_RUN, *weights]),
    }


def _evaluate(folder: Path, environment: dict[str, str]) -> dict[str, object]:
    (folder / "masks").mkdir()
    for fold in (folder / "one").glob("fold_*"):
        for mask in _masks(folder / "one", int(fold.name.removeprefix("fold_"))):
            shutil.copy(mask, folder / "masks")
    arguments = ["evaluate", "--reference", "data", "--prediction", "masks"]
    _pneumoseg(folder, [*arguments, "-o", "scores"], environment)
    split = [*arguments, "-o", "parts", "--tasks", "3", "--cpus", "1", "--memory-gb", "3", "--max-running", "1"]
    first = _submit(folder, split, environment)
    wait_until((folder / "parts" / "logs" / "part_1_of_3.log").exists, PATIENCE_S)
    called(["scancel", f"{first['jobs']['tasks']}_[2-3]"], environment)
    refused = _submit(folder, split, environment, code=2)
    _wait_for(first, environment)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "parts" / "parts").iterdir()}
    second = _submit(folder, split, environment)
    _wait_for(second, environment)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "parts" / "parts").iterdir()}
    return {
        "done before the second submission": sorted(before),
        "a submission meanwhile": refused["error"],
        "tasks of the second submission": second["tasks"],
        "reasons": second["failed"],
        "written again": sorted(name for name in before if before[name] != after.get(name)),
        "differing": _differing(folder / "scores", folder / "parts", OF_EVALUATION),
    }


def _masks(run: Path, fold: int) -> list[Path]:
    return sorted((run / f"fold_{fold}" / "predictions").glob("*.nii.gz"))


def _differing(one: Path, other: Path, names: Sequence[str]) -> list[str]:
    return [
        name
        for name in names
        if not (other / name).is_file() or (one / name).read_bytes() != (other / name).read_bytes()
    ]


def _submit(folder: Path, words: list[str], environment: dict[str, str], code: int = 0) -> dict:
    done = _pneumoseg(folder, ["submit", *words, "--cluster", "slurm", "--run", "--json"], environment, code)
    return {"error": done.stderr.strip()} if code else json.loads(done.stdout)


def _pneumoseg(
    folder: Path, words: list[str], environment: dict[str, str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pneumoseg.scripts.cli", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done


def _wait_for(submitted: dict, environment: dict[str, str]) -> None:
    jobs = ",".join(submitted["jobs"].values())
    wait_until(lambda: not called(["squeue", "--noheader", f"--jobs={jobs}"], environment), PATIENCE_S)


if __name__ == "__main__":
    typer.run(benchmark)
