"""`pneumoseg kfold`: the cross-validation experiment."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Device,
    DryRun,
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
    TrustPlugins,
    Verbose,
    dataset_and_splits,
    settings_of,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_results


@command
def kfold(
    data: DataFolders,
    output: Output,
    preset: Preset = "covid-3d-unet",
    changes: Set = None,
    splits: Splits = None,
    fold: Folds = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--start-from",
            help="Begin every fold with the weights of this model file (fine-tuning); it must not have seen the cases.",
        ),
    ] = None,
    trust_plugins: TrustPlugins = False,
    grid: Grid = None,
    seed: Seed = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Trains and measures a network by cross-validation, and writes a run folder with scores, figures and a report.

    Example: pneumoseg kfold data/phantoms -o runs/first --preset demo
    """
    use_device(device, threads)
    from pneumoseg.evaluation.experiments.cross_validation import check_folds, cross_validate

    settings = settings_of(preset, changes, seed=seed, splits=splits, grid=grid)
    dataset, folds = dataset_and_splits(settings, data)
    check_folds(fold, len(folds))
    if dry_run:
        from pneumoseg.scripts.shared.dry_run import print_estimate

        print_estimate(settings, dataset, len(set(fold)) if fold else len(folds), json=json)
        return
    from pneumoseg.pipeline.methods.segmenter import Segmenter
    from pneumoseg.pipeline.models.model_file import load_model

    start = load_model(start_from, trust_plugins) if start_from else None
    method = Segmenter(settings)
    results = cross_validate(
        dataset,
        folds,
        method,
        output=output,
        folds=fold,
        resume=resume,
        overwrite=overwrite,
        start_from=start,
    )
    print_results(results, quiet=quiet, json=json)


if __name__ == "__main__":
    run(kfold)
