"""`pneumoseg receive`: a DICOM storage service."""

import threading
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def receive(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where slices go, a sub-folder per series.", show_default=False)
    ],
    address: Annotated[str, typer.Option("--address", help="Address to listen on; by default this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 for a free one.")] = 11112,
    title: Annotated[str, typer.Option("--ae-title", help="Application entity title that senders call.")] = "PNEUMOSEG",
    callers: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="TITLE", help="Title of a sender that may store; may be repeated.", show_default="all"
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Receives CT slices by DICOM (C-STORE) and stores each series in a sub-folder, for `pneumoseg watch` to segment.

    DICOM is neither encrypted nor authenticated here: give another address than this machine's own only within a
    network that you trust. Needs pneumoseg[dicom-node].

    Example: pneumoseg receive incoming --allow ORTHANC
    """
    from pneumoseg.data_io.formats.dicom.receiving import receiver

    with receiver(folder, address=address, port=port, title=title, callers=callers or ()) as listening:
        if json:
            print_json({"title": title, "address": address, "port": listening}, lines=True)
        elif not quiet:
            print(f"{title} listens on {address}:{listening}", flush=True)
        threading.Event().wait()  # until it is interrupted


if __name__ == "__main__":
    run(receive)
