"""Workers of Dask, on other machines or as processes of this one, as an executor.

The one module that imports Dask, and only where a cluster is asked for.
"""

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.pipeline.runtime.executors import ONE_THREAD, ElasticExecutor
from pneumoseg.pipeline.runtime.hardware import share_of_cores
from pneumoseg.pipeline.runtime.scheduler_address import scheduler_address
from pneumoseg.pipeline.runtime.worker_checks import (
    Agreement,
    ClusterError,
    WorkerLost,
    agreement,
    differing_files,
    differing_versions,
    do_agreed,
    version_reader,
)

if TYPE_CHECKING:
    from distributed import Client

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CONNECT_WITHIN_S = 8.0
WORKERS_WITHIN_S = 60.0
"""How long a cluster may be without any worker."""
LOOK_EVERY_S = 1.0
AT_ONCE = 32
"""Pieces of work for each thread of the workers: one is done, others are under way to it."""
GPU = "GPU"
LOGS = ("distributed", "distributed.client")
"""Those of Dask that have a level of their own."""
SILENT = logging.CRITICAL + 1


@dataclass(frozen=True)
class ClusterPlace:
    """Where the workers are: of a scheduler, by its address or the JSON file that it wrote, or as many new processes of
    this machine. `insecure`: a scheduler on another machine may go without TLS; `threads`: of each new process, by
    default its share of the cores; `gpu`: work is for workers that announced a GPU, one piece of work for each."""

    scheduler: str | None = None
    workers: int | None = None
    insecure: bool = False
    threads: int | None = None
    gpu: bool = False


class ClusterExecutor(ElasticExecutor):
    """Does work on the workers of a cluster. Where a worker ends, its work is done by another one; where that happens
    too often to the same work, its future raises WorkerLost. Where the scheduler ends, or no worker is left, all raise
    ClusterError."""

    def __init__(self, client: "Client", agreed: Agreement, *, gpu: bool = False) -> None:
        """An executor on a client whose workers fit."""
        self._client, self._agreed = client, agreed
        self._inner = client.get_executor(pure=False, **({"resources": {GPU: 1}} if gpu else {}))
        self._gpu = gpu
        self._threads = _free_threads(client, gpu=gpu)
        self._pending: set[Future] = set()
        self._lock, self._ended = threading.Lock(), threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def at_once(self) -> int:
        """How many pieces of work the workers should have at a time."""
        return max(1, AT_ONCE * self._threads)

    def submit(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> Future[Result]:
        """A future of the function's result; the function and its arguments are pickled."""
        outer: Future[Result] = Future()
        with self._lock:
            self._pending.add(outer)
        work = functools.partial(function, *arguments, **options)
        inner = self._inner.submit(do_agreed, self._agreed, work)
        outer.add_done_callback(functools.partial(self._forget, inner))
        inner.add_done_callback(functools.partial(self._settle, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends what watches the workers; the workers stay."""
        self._ended.set()

    def _forget(self, inner: Future, outer: Future) -> None:
        with self._lock:
            self._pending.discard(outer)
        if outer.cancelled():
            inner.cancel()

    def _settle(self, outer: Future, inner: Future) -> None:
        try:
            result = inner.result()
        except CancelledError:
            self._fail(outer, _scheduler_lost())
        except Exception as error:  # noqa: BLE001  (raised again by future.result)
            self._fail(outer, _in_our_words(error))
        else:
            if self._claim(outer):
                outer.set_result(result)

    def _fail(self, outer: Future, error: Exception) -> None:
        if self._claim(outer):
            outer.set_exception(error)

    def _claim(self, outer: Future) -> bool:
        """Whether the caller is the first to settle the future, which nobody has cancelled."""
        with self._lock:
            if outer not in self._pending:
                return False
            self._pending.discard(outer)
        return outer.set_running_or_notify_cancel()

    def _watch(self) -> None:
        seen = time.monotonic()
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                self._threads = _free_threads(self._client, gpu=self._gpu)
            except Exception as error:  # noqa: BLE001  (whatever a broken connection raises)
                if self._client.status == "running":
                    continue
                for outer in list(self._pending):
                    self._fail(outer, _scheduler_lost(error))
                continue
            if self._threads or not self._pending:
                seen = time.monotonic()
            elif time.monotonic() - seen > WORKERS_WITHIN_S:
                for outer in list(self._pending):
                    self._fail(outer, _no_worker("all workers are gone"))


@contextlib.contextmanager
def open_cluster(place: ClusterPlace, *, shared: Path, inputs: Sequence[Path] = ()) -> Iterator[ClusterExecutor]:
    """An executor on the workers of a cluster, after it was checked that scheduler and workers have the same versions
    as this process, can read and write the folder `shared`, and see the same `inputs`, of which a few are compared.
    Workers that join later are checked before their first work.

    Raises InputError where Dask is not installed, the scheduler cannot be reached within ten seconds, is on another
    machine without TLS and not `place.insecure`, or has no worker within a minute; ClusterError where a check fails.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        message = "a cluster needs dask.distributed; pip install 'pneumoseg[cluster]'"
        raise InputError(message, options=("scheduler", "workers")) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        client = stack.enter_context(_local(place) if place.workers else _connected(place))
        log.info("Dashboard of the workers (needs bokeh): %s", client.dashboard_link)
        folder = stack.enter_context(folder_aside(Path(os.path.abspath(shared)) / "workers"))
        _wait_for_workers(client, place)
        agreed = agreement(folder, version_reader()(), inputs)
        _check(client, agreed)
        executor = ClusterExecutor(client, agreed, gpu=place.gpu)
        stack.callback(executor.shutdown)
        yield executor


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs of lost workers and connections is said by this program in its own words."""
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in LOGS}
    for one in levels:
        one.setLevel(SILENT)
    try:
        yield
    finally:
        for one, level in levels.items():
            one.setLevel(level)


@contextlib.contextmanager
def _local(place: ClusterPlace) -> Iterator["Client"]:
    """New processes on this machine; one that ends is started again."""
    from distributed import Client, Nanny, Scheduler, SpecCluster

    count = place.workers or 1
    threads = str(place.threads or share_of_cores(count))
    environment = {**dict.fromkeys(ONE_THREAD, threads), "TF_NUM_INTRAOP_THREADS": threads}
    common = {"nthreads": 1, "host": "127.0.0.1", "memory_limit": None, "dashboard": False, "silence_logs": SILENT}
    specification = {
        number: {
            "cls": Nanny,
            "options": common
            | {"env": environment | ({"CUDA_VISIBLE_DEVICES": _gpu(number)} if place.gpu else {})}
            | ({"resources": {GPU: 1}} if place.gpu else {}),
        }
        for number in range(count)
    }
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}}
    with (
        _patient(),
        SpecCluster(specification, scheduler=scheduler, silence_logs=False) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _gpu(number: int) -> str:
    """The GPU of that number, of those that this process may use. Raises InputError where these are fewer."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return str(number)
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    if number >= len(names):
        message = f"each worker needs a GPU, and CUDA_VISIBLE_DEVICES allows {len(names)}; start fewer workers"
        raise InputError(message, options=("workers",))
    return names[number]


def _patient() -> contextlib.AbstractContextManager:
    """Within the block, processes that begin may start others, as trainings do, and one that ended may take long to
    begin again, as on a busy machine: Dask would give it up after 15 s."""
    import dask

    return dask.config.set({"distributed.worker.daemon": False, "distributed.deploy.lost-worker-timeout": "1 hour"})


@contextlib.contextmanager
def _connected(place: ClusterPlace) -> Iterator["Client"]:
    from distributed import Client

    address = scheduler_address(place.scheduler or "", insecure=place.insecure)
    try:
        asyncio.run(_answers(address))
        client = Client(address, timeout=CONNECT_WITHIN_S, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        tls = "; certificates are set as Dask's configuration says (distributed.comm.tls)"
        raise InputError(
            f"{address}: no scheduler of Dask answers there within {CONNECT_WITHIN_S:.0f} s "
            f"({type(error).__name__}); start one with `dask scheduler`, or correct the address"
            + (tls if address.startswith("tls:") else ""),
            options=("scheduler",),
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, RuntimeError):  # the scheduler may be gone
            client.close(timeout=CONNECT_WITHIN_S)


async def _answers(address: str) -> None:
    """Raises an error where no program of Dask answers in time; a client would wait for another program without end."""
    from distributed import Security
    from distributed.comm import connect

    how = Security().get_connection_args("client")
    connection = await asyncio.wait_for(connect(address, timeout=CONNECT_WITHIN_S, **how), CONNECT_WITHIN_S)
    await connection.close()


def _free_threads(client: "Client", *, gpu: bool) -> int:
    """How many pieces of work the workers can do at a time; with `gpu` those that announce one."""
    if not gpu:
        return sum(client.nthreads().values())
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(1 for worker in workers if worker.get("resources", {}).get(GPU))


def _wait_for_workers(client: "Client", place: ClusterPlace) -> None:
    if not client.nthreads():
        log.info("Waiting for workers, %.0f s at most", WORKERS_WITHIN_S)
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    threads = client.nthreads()
    if not threads:
        raise _no_worker("the scheduler has no worker")
    if place.gpu:
        if not _free_threads(client, gpu=True):
            message = "no worker has a GPU to give; start workers with `dask worker ... --resources GPU=1`"
            raise InputError(message, options=("device",))
    elif several := [address for address, count in threads.items() if count > 1]:
        log.warning(
            "%d of %d workers have several threads and do one piece of work at a time all the same; start them with "
            "--nthreads 1, and more of them",
            len(several),
            len(threads),
        )


def _check(client: "Client", agreed: Agreement) -> None:
    """Raises ClusterError where scheduler or workers have other versions, or workers see other files."""
    expected, read = dict(agreed.versions), version_reader()
    found: dict[str, Any] = {"the scheduler": client.run_on_scheduler(read)}
    found |= {f"the worker {address}": one for address, one in client.run(read, on_error="return").items()}
    for who, versions in found.items():
        words = differing_versions(expected, versions) if isinstance(versions, dict) else f"{versions}"
        if words:
            raise ClusterError(f"{who} does not fit: {words}; install the same versions everywhere")
    for address, words in client.run(differing_files, agreed, on_error="return").items():
        if words:
            raise ClusterError(
                f"the worker {address} does not fit: {words}; mount the same folders at the same places everywhere"
            )


def _in_our_words(error: Exception) -> Exception:
    from distributed import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    return WorkerLost(
        f"{error.allowed_failures + 1} workers ended while they had it: it crashes them, or takes more memory than "
        "they may use; try it alone, or on workers with more memory"
    )


def _scheduler_lost(error: Exception | None = None) -> ClusterError:
    lost = ClusterError(
        "the connection to the scheduler was lost; what is finished is kept: go on with another cluster, or without",
        options=("resume",),
    )
    lost.__cause__ = error
    return lost


def _no_worker(what: str) -> ClusterError:
    return ClusterError(
        f"{what} for {WORKERS_WITHIN_S:.0f} s; start workers with `dask worker`, then give the same command again",
        options=("resume",),
    )
