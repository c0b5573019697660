"""`pneumoseg download`: the COVID-19-CT-Seg dataset from Zenodo."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def download(
    output: Output = Path("data"),
    url_base: Annotated[
        str, typer.Option("--url-base", help="Address of Zenodo or of a mirror with the same paths.")
    ] = "https://zenodo.org",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Fetch and unpack the 20 annotated CTs of Zenodo record 3757476 (1.1 GB); an interrupted transfer goes on.

    Example: pneumoseg download -o data/
    """
    from pneumoseg.data_io.datasets.download import download_dataset

    dataset = download_dataset(output, url_base, overwrite=overwrite)
    if json:
        names = [case.name for case in dataset]
        print_json({"folder": str(output), "layout": dataset.layout, "cases": names})
    elif not quiet:
        print(f"{output}: {len(dataset)} cases ({dataset.layout})")
        for case in dataset:
            print(case.name)


if __name__ == "__main__":
    run(download)
