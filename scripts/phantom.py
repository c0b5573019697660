"""The command `phantom`: generated chest CTs with exact labels."""

from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def phantom(
    output: Output,
    cases: Annotated[int, typer.Option("--cases", metavar="N", help="How many patients.")] = 10,
    shape: Annotated[
        tuple[int, int, int], typer.Option("--shape", metavar="X Y Z", help="Voxels to the right, front and top.")
    ] = (128, 128, 64),
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other patients.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write generated chest CTs of COVID-19 patients with exact labels, one folder per case.

    For trying a pipeline where there is no CT at hand; scores on phantoms say nothing about patients.

    Example: pneumoseg phantom -o data/phantoms --cases 10 --shape 128 128 64 --seed 0
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.phantoms.generate import write_phantoms

    folders = write_phantoms(output, cases, shape=shape, seed=seed, overwrite=overwrite)
    log.info("%d phantoms of %d x %d x %d voxels written to %s", len(folders), *shape, output)
    if json:
        print_json({"folder": str(output), "cases": [folder.name for folder in folders], "shape": shape, "seed": seed})


if __name__ == "__main__":
    run(phantom)
