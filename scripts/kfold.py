"""`pneumoseg kfold`: the cross-validation experiment."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.command_line import (
    DataFolder,
    Device,
    DryRun,
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
    command,
    print_json,
    run,
    settings_of,
    use_device,
)


@command
def kfold(
    data: DataFolder,
    output: Output,
    preset: Preset = "covid-3d-unet",
    set_: Set = None,
    splits: Annotated[
        str | None,
        typer.Option("--splits", help="kfold, published, hold-out:SHARE, leave-one-out or a JSON file of splits."),
    ] = None,
    fold: Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; may be repeated.")] = None,
    start_from: Annotated[
        Path | None, typer.Option("--start-from", help="Begin with the weights of this model file (fine-tuning).")
    ] = None,
    trust_plugins: TrustPlugins = False,
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
    from data_io.layouts import open_dataset
    from evaluation.cross_validation import check_folds, cross_validate
    from evaluation.splits import make_splits
    from evaluation.tables import result_lines

    settings = settings_of(preset, [*(set_ or []), *([f"evaluation.splits={splits}"] if splits else [])], seed)
    dataset = open_dataset(data)
    wanted = settings.evaluation
    chosen = make_splits(wanted.splits, dataset, wanted.folds, settings.seed, wanted.stratify_by_source)
    check_folds(fold, len(chosen))
    if dry_run:
        from scripts.dry_run import print_estimate

        print_estimate(settings, dataset, len(fold) if fold else len(chosen), json)
        return
    from pipeline.model_file import load_model
    from pipeline.segmenter import Segmenter

    start = load_model(start_from, trust_plugins) if start_from else None
    results = cross_validate(dataset, chosen, Segmenter(settings), output, fold, resume, overwrite, start)
    if json:
        from evaluation.report import summarise

        print_json({"run": str(output), "complete": results.complete, "summary": summarise(results.final)})
        return
    if not quiet:
        print(result_lines(results.final))
        if results.complete:
            print(f"report: {results.run.root / 'report.html'}\nscores: {results.run.root / 'cv_results.detailed.csv'}")
        else:
            print(f"{results.run.root}: other folds are still to be run; the last one writes the cv_results")


if __name__ == "__main__":
    run(kfold)
