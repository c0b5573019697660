"""`pneumoseg train`: one model from a whole dataset."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.experiments import PresetOfData, experiment_of, start_model
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Device,
    DryRun,
    Grid,
    Json,
    Output,
    Overwrite,
    Quiet,
    Resume,
    Seed,
    Set,
    Threads,
    TrustPlugins,
    Verbose,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def train(
    data: DataFolders,
    output: Output,
    preset: PresetOfData = None,
    changes: Set = None,
    start_from: Annotated[
        Path | None, typer.Option("--start-from", help="Begin with the weights of this model file (fine-tuning).")
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
    """Trains one network on all cases and writes OUTPUT/model.keras, which segments by itself with `predict`.

    With training.monitor=validation a share of the patients is not trained on: their loss chooses the epoch.

    Example: pneumoseg train data/phantoms -o runs/model --preset demo
    """
    use_device(device, threads)
    experiment = experiment_of(data, preset, changes, seed=seed, grid=grid, split=False)
    if dry_run:
        from pneumoseg.scripts.shared.dry_run import print_estimate

        print_estimate(experiment.settings, experiment.dataset, 1, json=json)
        return
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.full_training import train_final_model

    if note := experiment.settings.held_out:
        log.info("%s", note)
    start = start_model(start_from, experiment, trust_plugins)
    path = train_final_model(
        experiment.dataset, experiment.method, output, resume=resume, overwrite=overwrite, start_from=start
    )
    if json:
        print_json({"model": str(path)})
    elif not quiet:
        print(f"model: {path}")


if __name__ == "__main__":
    run(train)
