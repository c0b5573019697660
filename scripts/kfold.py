"""`pneumoseg kfold`: the cross-validation experiment."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.cluster_options import Insecure, Scheduler, Workers, cluster_of
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.experiments import PresetOfData, experiment_of, start_model
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Device,
    DryRun,
    Folds,
    Grid,
    Json,
    Output,
    Overwrite,
    Quiet,
    Resume,
    Seed,
    Set,
    Splits,
    Threads,
    TrustPlugins,
    Verbose,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_results


@command
def kfold(
    data: DataFolders,
    output: Output,
    preset: PresetOfData = None,
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
    scheduler: Scheduler = None,
    workers: Workers = None,
    insecure: Insecure = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Trains and measures a network by cross-validation, and writes a run folder with scores, figures and a report.

    A dataset trains a network that segments; a cohort file of `pneumoseg prepare` one that says of each study whether
    the patient has the disease, how severe it is, or both.

    Example: pneumoseg kfold data/phantoms -o runs/first --preset demo
    """
    on_workers = scheduler is not None or workers is not None  # which may have a GPU where this machine has none
    use_device("auto" if on_workers and device == "gpu" else device, threads)
    if on_workers:
        data, output = [path.absolute() for path in data], output.absolute()
    from pneumoseg.evaluation.experiments.cross_validation import check_folds, cross_validate

    experiment = experiment_of(data, preset, changes, seed=seed, splits=splits, grid=grid)
    check_folds(fold, len(experiment.splits))
    if dry_run:
        from pneumoseg.scripts.shared.dry_run import print_estimate

        trainings = len(set(fold)) if fold else len(experiment.splits)
        print_estimate(experiment.settings, experiment.dataset, trainings, json=json)
        return
    start = start_model(start_from, experiment, trust_plugins)
    with cluster_of(
        scheduler,
        workers,
        insecure,
        shared=output.parent,  # the run folder itself may be removed (--overwrite)
        inputs=[file for case in experiment.dataset for file in (case.image, case.mask) if file is not None],
        threads=threads,
        device=device,
    ) as cluster:
        results = cross_validate(
            experiment.dataset,
            experiment.splits,
            experiment.method,
            output=output,
            task=experiment.task,
            folds=fold,
            resume=resume,
            overwrite=overwrite,
            start_from=start,
            executor=cluster,
        )
    print_results(results, quiet=quiet, json=json, task=experiment.task)


if __name__ == "__main__":
    run(kfold)
