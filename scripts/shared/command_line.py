"""What all commands share: their flags, and how they end.

This file imports no heavy package, so that `--help` answers at once.
"""

import contextlib
import functools
import json as json_format
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.console import terminal
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.public_text import visible
from pneumoseg.data_io.storage.cache import give_home
from pneumoseg.scripts.shared.streams import BROKEN_PIPE, discard_output, nobody_reads, run_with_streams

DataFolder = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the dataset.", show_default=False)]
Output = Annotated[Path, typer.Option("-o", "--output", help="Where the results go.", show_default=False)]
Classes = Annotated[int, typer.Option("--classes", min=2, max=255, help="Number of classes, background included.")]
Preset = Annotated[str, typer.Option("--preset", help="Named preset or a settings YAML file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
Splits = Annotated[
    str | None,
    typer.Option("--splits", help="kfold, published, hold-out:SHARE, leave-one-out or a JSON file of splits."),
]
Folds = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; may be repeated.")]
Tolerances = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="CLASS=MM",
        help="Tolerance of a class's surface Dice; may be repeated. By default lungs 1 mm, infection 3 mm.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of splits, patches and initial weights.")]
Grid = Annotated[
    str | None,
    typer.Option(
        "--grid", help="Which form of a NIfTI header counts where both are set: sform or qform.", show_default="sform"
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show settings and an estimate of the cost; do nothing.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads; by default all cores.")]
TrustPlugins = Annotated[bool, typer.Option("--trust-plugins", help="Run functions that a model file names.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an error.")]

INTERRUPTED = 130
"""The exit code of a program that a person interrupts: 128 + SIGINT."""


def command(function: Callable) -> Callable:
    """Makes `function` end as every command does.

    An InputError, a failing file system or a lack of memory becomes one line on standard error and exit code 2; with
    `--verbose` the traceback is shown. An interruption ends with code 130; standard output that nobody reads any more
    ends the command with code 141 and no words. `--quiet` (implied by `--json`) silences all but warnings.
    """

    @functools.wraps(function)
    def ended(**arguments):
        quiet = arguments.get("quiet", False) or arguments.get("json", False)
        terminal.setLevel(logging.WARNING if quiet else logging.INFO)
        try:
            give_home()
            try:
                return function(**arguments)
            finally:
                sys.stdout.flush()
        except KeyboardInterrupt as interruption:
            _print_error("interrupted")
            for worker in multiprocessing.active_children():
                worker.terminate()  # one that was interrupted as well may never end, and would be waited for
            raise typer.Exit(INTERRUPTED) from interruption
        except (InputError, OSError, MemoryError, RecursionError) as error:
            if isinstance(error, BrokenPipeError) and nobody_reads():
                discard_output()
                raise typer.Exit(BROKEN_PIPE) from error
            if arguments.get("verbose", False):
                raise
            _print_error(_in_words(error))
            raise typer.Exit(2) from error

    return ended


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        found = str(error) or "the system gave none"
        return f"there is not enough memory ({found}); close other programs, or use a machine with more"
    if isinstance(error, RecursionError):
        return f"something is nested too deeply ({error}); is a JSON or YAML file damaged?"
    return str(error)


def _print_error(words: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens
        print(f"error: {visible(' '.join(words.split()))}", file=sys.stderr)


def print_json(content: object) -> None:
    """Prints `content` on standard output, for other programs; undefined numbers (NaN) are refused."""
    print(json_format.dumps(content, indent=2, allow_nan=False))


def use_device(device: str, threads: int | None) -> None:
    """Chooses processor or GPU and the number of threads; to be called before TensorFlow is imported.

    The choice goes through the environment, which every library and worker process reads. Raises InputError for an
    unknown device.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise InputError(f"--device is auto, cpu or gpu, found {device}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    if threads is not None:
        os.environ.update(
            OMP_NUM_THREADS=str(threads),
            OPENBLAS_NUM_THREADS=str(threads),
            TF_NUM_INTRAOP_THREADS=str(threads),
            TF_NUM_INTEROP_THREADS="1",
        )
    if device == "gpu":
        from pneumoseg.pipeline.runtime.hardware import gpu_available

        if not gpu_available():
            raise InputError("--device gpu: the backend sees no GPU; use --device cpu or pip install 'pneumoseg[gpu]'")


def settings_of(
    preset: str, changes: list[str] | None, seed: int | None, *, splits: str | None = None, grid: str | None = None
):
    """The settings that the flags `--preset`, `--set`, `--seed`, `--splits` and `--grid` describe."""
    from pneumoseg.pipeline.settings.loading import load_settings

    flags = {"evaluation.splits": splits, "seed": seed, "data.grid": grid}
    given = [f"{key}={value}" for key, value in flags.items() if value is not None]
    return load_settings(preset, [*(changes or []), *given])


def splits_of(settings, dataset):
    """The splits of the dataset that the settings describe."""
    from pneumoseg.evaluation.runs.splits import make_splits

    wanted = settings.evaluation
    return make_splits(
        wanted.splits, dataset, folds=wanted.folds, seed=settings.seed, stratify_by_source=wanted.stratify_by_source
    )


def tolerances_of(texts: list[str] | None) -> dict[str, float]:
    """The tolerances in mm by class that the flag `--tolerance` gives. Raises InputError for other texts."""
    tolerances_mm = {}
    for text in texts or []:
        name, equals, number = text.partition("=")
        try:
            tolerances_mm[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not 0 <= tolerances_mm[name.strip()] < float("inf"):
            raise InputError(f"--tolerance takes CLASS=MM, such as infection=3, found {text}")
    return tolerances_mm


def run(function: Callable) -> None:
    """Runs one command as a program of its own: the last line of every file of this folder."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(function)
    run_with_streams(app)
