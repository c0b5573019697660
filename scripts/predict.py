"""`pneumoseg predict`: masks for CT volumes."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.command_line import (
    Device,
    Json,
    Output,
    Overwrite,
    Quiet,
    Resume,
    Threads,
    TrustPlugins,
    Verbose,
    command,
    print_json,
    run,
    use_device,
)


@command
def predict(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="CT volumes, or folders of them.")],
    output: Output,
    model: Annotated[Path, typer.Option("--model", help="A model.keras, or a run folder: its folds vote together.")],
    fold: Annotated[
        list[int] | None, typer.Option("--fold", help="Only this fold of the run; may be repeated.")
    ] = None,
    trust_plugins: TrustPlugins = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Segments CT volumes: for each a mask on its own grid, 0 background, 1 left lung, 2 right lung, 3 infection.

    Example: pneumoseg predict ct.nii.gz -o mask.nii.gz --model runs/first
    """
    use_device(device, threads)
    from evaluation.batch_prediction import find_inputs, open_predictor, predict_files

    files = find_inputs(inputs)
    written = predict_files(files, output, open_predictor(model, fold, trust_plugins), resume, overwrite)
    if json:
        print_json({"masks": [str(path) for path in written]})
    elif not quiet:
        print("\n".join(str(path) for path in written))


if __name__ == "__main__":
    run(predict)
