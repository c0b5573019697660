"""Work over the workers of Dask on this machine: speed with one and two workers, overhead of a task, memory.

    python scripts/benchmark/cluster.py WORK --json cluster.json [--phantoms 40] [--tasks 10000]

WORK gets phantom CTs and their masks. Every worker is a process of one thread. Seconds of a prediction are those from
the first task to the last mask; a worker opens its model within them. Both numbers of workers are measured twice, one
inside the other, and their sums compared. A stub task returns its argument, so that all of its time is overhead; the
scheduler's memory is that of its process before and after all of them.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.evaluation.inference.outputs import place_outputs
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.inference.spread import PredictorRequest, spread_predictions
from pneumoseg.pipeline.runtime.dask_cluster import AT_ONCE, ClusterPlace, open_cluster
from pneumoseg.pipeline.runtime.spreading import finished
from pneumoseg.scripts.benchmark.machine import REPOSITORY, report

START_WITHIN_S = 120


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for the phantoms and masks.")],
    phantoms: Annotated[int, typer.Option("--phantoms", help="CTs to predict.")] = 40,
    size: Annotated[int, typer.Option("--size", help="Voxels of a CT along each axis.")] = 128,
    tasks: Annotated[int, typer.Option("--tasks", help="Stub tasks.")] = 10_000,
    model: Annotated[str, typer.Option("--model", help="What predicts.")] = "covid-lungs",
    output: Annotated[Path | None, typer.Option("--json", help="Where the result goes.")] = None,
) -> None:
    """Predicts the phantoms with one and two workers, each twice, then does the stub tasks."""
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    cts = work / f"phantoms_{phantoms}_{size}"
    if not cts.is_dir():
        write_phantoms(cts, phantoms, shape=(size, size, size), seed=0)
    predict(min(cts.iterdir()), work / "first", model, 1)  # converts the network once
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for count in (1, 2, 2, 1):  # so that a processor that becomes slower counts for neither
        seconds[count].append(predict(cts, work / f"masks_{count}", model, count))
    report(
        {
            "phantoms": phantoms,
            "seconds": seconds,
            "speedup": sum(seconds[1]) / sum(seconds[2]),
            "stub_tasks": stub_tasks(work, tasks),
        },
        output,
    )


def predict(cts: Path, masks: Path, model: str, workers: int) -> float:
    """Seconds of predicting all CTs with so many new workers."""
    shutil.rmtree(masks, ignore_errors=True)
    request = PredictorRequest(
        paths=(model,), folds=None, changes=(), trust_plugins=False, engine="auto", precision="auto", threads=1
    ).elsewhere()
    outputs = place_outputs(find_inputs([cts]), masks)
    with open_cluster(ClusterPlace(workers=workers, threads=1), shared=masks, inputs=[*outputs]) as executor:
        started = time.perf_counter()
        spread_predictions(outputs, request, executor=executor, options=PredictionOptions())
        return time.perf_counter() - started


def stub_tasks(work: Path, count: int) -> dict[str, float]:
    """Milliseconds of a stub task with two workers, and the scheduler's memory in MB before and after all of them."""
    file = work / "scheduler.json"
    file.unlink(missing_ok=True)
    with (
        running("scheduler", "--port", "0", "--scheduler-file", file) as scheduler,
        running("worker", "--nthreads", "1", "--scheduler-file", file),
        running("worker", "--nthreads", "1", "--scheduler-file", file),
    ):
        deadline = time.monotonic() + START_WITHIN_S
        while not file.is_file():
            if time.monotonic() > deadline:
                raise SystemExit("the scheduler did not start")
            time.sleep(0.1)
        with open_cluster(ClusterPlace(scheduler=str(file)), shared=work) as executor:
            while executor.at_once() < 2 * AT_ONCE:  # both workers are there
                time.sleep(0.1)
            sum(1 for _ in finished(executor, abs, range(100)))
            before, started = memory_mb(scheduler), time.perf_counter()
            done = sum(future.result() == item for item, future in finished(executor, abs, range(count)))
            seconds = time.perf_counter() - started
            return {
                "tasks": count,
                "done": done,
                "ms_each": 1000 * seconds / count,
                "scheduler_mb_before": before,
                "scheduler_mb_after": memory_mb(scheduler),
            }


@contextlib.contextmanager
def running(program: str, *options: object) -> Iterator[int]:
    """A program of Dask on loopback; yields the number of its process."""
    command = [sys.executable, "-m", "dask", program, "--host", "127.0.0.1", "--no-dashboard", *map(str, options)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def memory_mb(pid: int) -> float:
    """The memory of a process that is in use."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    typer.run(benchmark)
