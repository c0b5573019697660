"""The flags of commands whose work may be spread over the workers of a cluster; as `options`, imports nothing heavy."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pneumoseg.data_io.errors import InputError

if TYPE_CHECKING:
    from pneumoseg.pipeline.runtime.dask_cluster import ClusterExecutor

Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS|FILE",
        help="Do the work on the workers of this scheduler of Dask: tcp://HOST:PORT, tls://HOST:PORT, or the JSON file "
        "that it wrote.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Do the work in so many new processes of this machine.", show_default=False),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Take a scheduler on another machine that has no TLS: in a trusted network.")
]


@contextlib.contextmanager
def cluster_of(
    scheduler: str | None,
    workers: int | None,
    insecure: bool,
    *,
    shared: Path,
    inputs: Sequence[Path],
    threads: int | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
) -> "Iterator[ClusterExecutor | None]":
    """The workers that the flags of a command ask for, within a with statement; None where they ask for none.

    `shared`: the folder of the results; `inputs`: of these workers must see the same content, see `open_cluster`, whose
    errors it raises; also InputError for flags that contradict each other.
    """
    if scheduler is None and workers is None:
        if insecure:
            raise InputError("without a scheduler there is nothing to connect to", options=("scheduler",))
        yield None
        return
    if scheduler is not None and workers is not None:
        message = "a scheduler has workers already, and new processes need no other; give one of them"
        raise InputError(message, options=("scheduler", "workers"))
    if scheduler is not None and device == "cpu":  # new processes have it from the environment
        message = "workers that run already keep the GPUs that they see; start them with CUDA_VISIBLE_DEVICES=-1"
        raise InputError(message, options=("device",))
    from pneumoseg.pipeline.runtime.dask_cluster import ClusterPlace, open_cluster

    place = ClusterPlace(scheduler=scheduler, workers=workers, insecure=insecure, threads=threads, gpu=device == "gpu")
    with open_cluster(place, shared=shared, inputs=inputs) as executor:
        yield executor
