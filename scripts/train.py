"""`pneumoseg train`: one model from a whole dataset."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Device,
    DryRun,
    Grid,
    Json,
    Output,
    Overwrite,
    Preset,
    Quiet,
    Resume,
    Seed,
    Set,
    Threads,
    TrustPlugins,
    Verbose,
    check_source_weights,
    dataset_of,
    settings_of,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def train(
    data: DataFolders,
    output: Output,
    preset: Preset = "covid-3d-unet",
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
    settings = settings_of(preset, changes, seed=seed, grid=grid)
    dataset = dataset_of(settings, data)
    check_source_weights(settings, dataset)
    if dry_run:
        from pneumoseg.scripts.shared.dry_run import print_estimate

        print_estimate(settings, dataset, 1, json=json)
        return
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.full_training import train_final_model
    from pneumoseg.pipeline.methods.segmenter import Segmenter
    from pneumoseg.pipeline.models.model_file import load_model
    from pneumoseg.pipeline.settings.prediction import is_random_slices

    if settings.training.monitor == "validation":
        single = is_random_slices(settings.evaluation.splits)
        log.info(
            "%.0f %% of the %s are not trained on, their %s chooses the epoch; to train on all, set "
            "training.monitor to training or none",
            100 * settings.training.validation_share,
            "slices, whoever the patient is," if single else "patients",
            settings.training.best,
        )
    start = load_model(start_from, trust_plugins) if start_from else None
    path = train_final_model(dataset, Segmenter(settings), output, resume=resume, overwrite=overwrite, start_from=start)
    if json:
        print_json({"model": str(path)})
    elif not quiet:
        print(f"model: {path}")


if __name__ == "__main__":
    run(train)
