"""`pneumoseg serve`: a page and an API for this machine."""

import ipaddress
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json

SHORTEST_TOKEN = 16
TOKEN_VARIABLE = "PNEUMOSEG_TOKEN"
PRIVATE = 0o077
"""The umask: what is stored is this user's alone."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("0.0.0.0", "::", "")


@command
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; by default this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar=TOKEN_VARIABLE,
            help="Secret that calls must bring; needed for another address than this machine's own.",
            show_default=False,
        ),
    ] = None,
    host_names: Annotated[
        list[str] | None,
        typer.Option(
            "--host-name",
            metavar="NAME",
            help="Name under which others reach this server, as of a proxy; may be repeated.",
            show_default=False,
        ),
    ] = None,
    kept_in: Annotated[
        Path | None,
        typer.Option("--data", help="Where jobs are kept.", show_default="a folder in the user's cache folder"),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            metavar="RUN",
            help="Run folder to offer beside the bundled models; may be repeated.",
            show_default=False,
        ),
    ] = None,
    keep_hours: Annotated[
        float, typer.Option("--keep-hours", min=0.01, help="Hours after which uploads and results are deleted.")
    ] = 24.0,
    max_upload_gb: Annotated[
        float, typer.Option("--max-upload-gb", min=0.001, max=1024, help="Largest upload, in GB.")
    ] = 4.0,
    keep_identity: Annotated[
        bool,
        typer.Option("--keep-identity", help="Leave names in DICOM files, so that results fit the series of a PACS."),
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Jobs that are done at a time.")] = 1,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Serves a page on which CTs and pictures are dropped and looked at, and an API for programs; for this machine
    alone, unless told otherwise. Nothing leaves the machine. Needs pneumoseg[web].

    HTTP is not encrypted: for other machines, put a proxy with TLS in front, as docs/serve.md shows.

    Example: pneumoseg serve --port 8000
    """
    names = names_of(host, host_names or [], token)
    os.environ.pop(TOKEN_VARIABLE, None)  # workers need none
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start in the background ignore it
    os.umask(PRIVATE)
    try:
        from pneumoseg.scripts.web.app import create_app
        from pneumoseg.scripts.web.limits import Limits
        from pneumoseg.scripts.web.security import Guard
        from pneumoseg.scripts.web.server import Server, listen
    except ImportError as error:
        raise InputError("a server needs more packages; install pneumoseg[web]") from error
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.storage.cache import cache_folder
    from pneumoseg.evaluation.jobs.models import known_models
    from pneumoseg.evaluation.jobs.reception import Reception
    from pneumoseg.evaluation.jobs.store import JobStore
    from pneumoseg.evaluation.jobs.supervisor import Limits as JobLimits
    from pneumoseg.evaluation.jobs.supervisor import Supervisor

    limits = Limits(upload_bytes=int(max_upload_gb * 1e9))
    folder = kept_in or cache_folder() / "server"
    with listen(host, port) as listening, JobStore(folder) as store:
        address = address_of(host, listening.getsockname()[1])

        def tell() -> None:
            if json:
                print_json({"address": address}, lines=True)
            elif not quiet:
                print(f"pneumoseg serves {address}", flush=True)

        offered = list(known_models(models or []).values())
        supervisor = Supervisor(
            folder,
            models=offered,
            workers=workers,
            limits=JobLimits(keep_s=keep_hours * 3600),
            keep_identity=keep_identity,
        )
        reception = Reception(folder, keep_identity=keep_identity)
        app = create_app(store, supervisor, offered, guard=Guard(names, token), limits=limits, reception=reception)
        if not is_loopback(host):
            log.info("HTTP is not encrypted: let others in through a proxy with TLS alone, as docs/serve.md shows")
        supervisor.start()
        try:
            Server(app, listening, tell).serve_forever()
        finally:
            supervisor.stop()


def names_of(host: str, host_names: list[str], token: str | None) -> frozenset[str]:
    """The names under which a server on the address `host` is asked.

    Raises InputError for a token that is too short, and where others could reach the server without one, or by no
    known name.
    """
    if token is not None and (len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable())):
        message = f"a token has at least {SHORTEST_TOKEN} printable ASCII characters, as of: openssl rand -hex 32"
        raise InputError(message, options=("token",))
    if not is_loopback(host) and token is None:
        raise InputError(
            f"others could reach {host}, and would need a token; give one of {SHORTEST_TOKEN} characters or more (in "
            f"the environment variable {TOKEN_VARIABLE} others on this machine cannot see it), and put a proxy with "
            "TLS in front, as docs/serve.md shows",
            options=("token",),
        )
    if host in EVERY_ADDRESS and not host_names:
        message = f"{host} has no name that requests could bring; give those by which others reach this server"
        raise InputError(message, options=("host_names",))
    own = set() if host in EVERY_ADDRESS else {host.lower()}
    return frozenset({*LOOPBACK, *own, *(name.lower() for name in host_names)})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(host: str, port: int) -> str:
    """The address for a browser."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


if __name__ == "__main__":
    run(serve)
