"""Seconds and memory of `pneumoseg deidentify`, against dicognito 0.19.0 on the same files.

    python scripts/benchmark/deidentify.py SOURCE WORK --json deidentify.json

SOURCE: a folder of DICOM slices; files are taken from it, again from the first where it has fewer, up to --files. WORK:
where dicognito's environment and the results go. Each program runs as a process of its own, in turns; medians.
"""

import itertools
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from pneumoseg.data_io.formats.dicom.recognition import starts_like_dicom
from pneumoseg.data_io.formats.dicom.series import visible_files
from pneumoseg.scripts.benchmark.machine import measured, report

DICOGNITO = "dicognito==0.19.0"


def deidentify(
    source: Annotated[Path, typer.Argument(help="Folder of DICOM slices.")],
    work: Annotated[Path, typer.Argument(help="Folder for environment and results.")],
    json: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    files: Annotated[int, typer.Option("--files", help="How many files.")] = 300,
    rounds: Annotated[int, typer.Option("--rounds", help="How often each program runs.")] = 3,
    processes: Annotated[int, typer.Option("--processes", help="Processes of `pneumoseg deidentify`.")] = 1,
) -> None:
    """Prints the figures."""
    work.mkdir(parents=True, exist_ok=True)
    data, results = work / "data", work / "results"
    copied(source, data, files)
    python = environment(work / "dicognito")
    commands = {
        "pneumoseg": [
            *(sys.executable, "-m", "pneumoseg.scripts.cli", "deidentify", data, "-o", results),
            *("--quiet", "--processes", processes),
        ],
        "dicognito": [python, "-m", "dicognito", data, "--output-directory", results, "--quiet"],
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            shutil.rmtree(results, ignore_errors=True)
            runs[name].append(measured(command, work))
    figures = {
        name: {what: round(median(one[what] for one in done), 3) for what in ("seconds", "peak_gb")}
        for name, done in runs.items()
    }
    report({"files": files, "rounds": rounds, "processes": processes, **figures}, json)


def copied(source: Path, target: Path, count: int) -> None:
    """Copies `count` DICOM files of a folder, by numbers; the first ones again where it has fewer."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    files = [file for file in sorted(visible_files(source)[0]) if starts_like_dicom(file)]
    for number, file in enumerate(itertools.islice(itertools.cycle(files), count)):
        shutil.copy(file, target / f"{number:05d}.dcm")


def environment(folder: Path) -> Path:
    """The Python of dicognito's own environment, which is made where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", DICOGNITO], check=True)
    return python


if __name__ == "__main__":
    typer.run(deidentify)
