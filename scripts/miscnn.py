"""`pneumoseg miscnn`: the cross-validation experiment with MIScnn 1.4.0 in place of this program's network."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Folds,
    Grid,
    Json,
    Output,
    Overwrite,
    Preset,
    Quiet,
    Resume,
    Seed,
    Set,
    Splits,
    Threads,
    Verbose,
    dataset_and_splits,
    settings_of,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_results


@command
def miscnn(
    data: DataFolders,
    output: Output,
    preset: Preset = "miscnn",
    changes: Set = None,
    splits: Splits = None,
    fold: Folds = None,
    grid: Grid = None,
    seed: Seed = None,
    environment: Annotated[
        Path | None,
        typer.Option(
            "--environment",
            help="Where MIScnn is installed, or is to be; a folder of the user's cache by default.",
            show_default=False,
        ),
    ] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Trains and measures MIScnn 1.4.0 by cross-validation, and writes the same run folder as `kfold`.

    Cases, folds and settings are those of `kfold`; a setting that MIScnn cannot express is refused by name. MIScnn is
    installed into an environment of its own at the first use (Python 3.11, about 2 GB) and runs on the processor. It
    cannot go on within a training: with --resume, finished folds are kept and the others begin again.

    Example: pneumoseg miscnn data/phantoms -o runs/miscnn --set training.epochs=10
    """
    use_device("auto", threads)
    from pneumoseg.evaluation.experiments.cross_validation import cross_validate
    from pneumoseg.pipeline.methods.miscnn.environment import default_folder
    from pneumoseg.pipeline.methods.miscnn.method import MiscnnReference

    settings = settings_of(preset, changes, seed=seed, splits=splits, grid=grid)
    method = MiscnnReference(settings, environment or default_folder())
    dataset, folds = dataset_and_splits(settings, data)
    results = cross_validate(
        dataset,
        folds,
        method,
        output=output,
        folds=fold,
        resume=resume,
        overwrite=overwrite,
    )
    print_results(results, quiet=quiet, json=json)


if __name__ == "__main__":
    run(miscnn)
