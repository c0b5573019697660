"""Parallel uploads to a server: are all of them there, how much memory does it take, how soon does it answer others?

    python scripts/benchmark/uploads.py WORK --json uploads.json

WORK: where the server's jobs go. No worker does the jobs, but uploads are read as they arrive, as far as their turn
comes. Each upload is another CT (NIfTI); all are compared by their SHA-256. Raw bodies, and forms in another round.
"""

import hashlib
import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated

import nibabel as nib
import numpy as np
import typer

from pneumoseg.evaluation.jobs.reception import Reception
from pneumoseg.evaluation.jobs.store import INPUT, UPLOAD, JobStore
from pneumoseg.pipeline.runtime.executors import background_threads
from pneumoseg.scripts.benchmark.machine import report
from pneumoseg.scripts.web.app import create_app
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.schemas import PREFIX
from pneumoseg.scripts.web.security import Guard
from pneumoseg.scripts.web.server import Server, listen

SIDE = 512
BOUNDARY = "benchmark"


class NoWorkers:
    """Workers that let all jobs wait."""

    has_worker = True


def uploads(
    work: Annotated[Path, typer.Argument(help="Folder for the server's jobs.")],
    json: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    count: Annotated[int, typer.Option("--count", help="Uploads at a time.")] = 50,
    size_mb: Annotated[int, typer.Option("--size-mb", help="Size of each.")] = 30,
) -> None:
    """Prints the figures."""
    work.mkdir(parents=True, exist_ok=True)
    slices = size_mb * 10**6 // (2 * SIDE**2)
    figures = {kind: round_of(work / kind, count, slices, form=kind == "form") for kind in ("raw", "form")}
    report({"uploads": count, "size_mb": size_mb, **figures}, json)


def round_of(data: Path, count: int, slices: int, *, form: bool) -> dict[str, float]:
    """One round against a new server."""
    shutil.rmtree(data, ignore_errors=True)
    context = get_context("spawn")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(data, telling), daemon=True)
    process.start()
    port = told.recv()
    try:
        ended = threading.Event()
        waits: list[float] = []
        peak_before = peak_mb(process.pid or 0)
        others = threading.Thread(target=ask_meanwhile, args=(port, ended, waits))
        others.start()
        started = time.perf_counter()
        with context.Pool(1) as clients:  # else they would hold up the thread that asks
            sent = clients.apply(upload_all, (port, count, slices, form))
        seconds = time.perf_counter() - started
        ended.set()
        others.join()
        peak = peak_mb(process.pid or 0)
        read = sum((data / "jobs" / job / INPUT).is_dir() for job in sent)
        wrong = sum(digest_of_file(data, job) != digest_of_content(number, slices) for number, job in enumerate(sent))
    finally:
        process.terminate()
        process.join()
        shutil.rmtree(data)
    return {
        "lost_or_mixed_up": wrong,
        "read_as_they_arrived": read,
        "seconds": round(seconds, 1),
        "mb_per_s": round(count * slices * 2 * SIDE**2 / 1e6 / seconds),
        "server_mb_before": round(peak_before),
        "server_mb_peak": round(peak),
        "others_asked": len(waits),
        "others_median_ms": round(median(waits) * 1000, 1),
        "others_slowest_ms": round(max(waits) * 1000, 1),
    }


def serve(data: Path, telling) -> None:
    """A server in a process of its own, which tells its port."""
    with JobStore(data) as store, listen("127.0.0.1", 0) as listening:
        limits = Limits(reserve_bytes=0, jobs_per_minute=10_000)
        guard, reception = Guard(frozenset({"127.0.0.1"})), Reception(data, keep_identity=True)
        app = create_app(store, NoWorkers(), [], guard=guard, limits=limits, reception=reception, page=data)
        port = listening.getsockname()[1]
        Server(app, listening, lambda: telling.send(port)).serve_forever()


def pieces_of(number: int, slices: int) -> Iterator[bytes]:
    """The content of an upload: another CT for each number."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((SIDE, SIDE, slices))
    header.set_sform(np.eye(4), code="scanner")
    header["vox_offset"] = 352
    yield header.binaryblock + bytes(4)
    piece = hashlib.sha256(str(number).encode()).digest() * (2 * SIDE**2 // 32)
    yield from itertools.repeat(piece, slices)


def upload_all(port: int, count: int, slices: int, form: bool) -> list[str]:
    """Sends all uploads at a time; the ids of their jobs."""
    with background_threads(count) as pool:
        return list(pool.map(lambda number: upload(port, number, slices, form=form), range(count)))


def upload(port: int, number: int, slices: int, *, form: bool) -> str:
    """Sends one upload; the id of its job."""
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}"\r\n\r\n'.encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    content: Iterator[bytes] = pieces_of(number, slices)
    length = sum(map(len, pieces_of(number, slices)))
    kind = "application/octet-stream"
    if form:
        content, length = itertools.chain([head], content, [tail]), length + len(head) + len(tail)
        kind = f"multipart/form-data; boundary={BOUNDARY}"
    headers = {"Content-Type": kind, "Content-Length": str(length)}
    connection.request("POST", f"{PREFIX}/jobs?filename={number}", content, headers)
    answer = connection.getresponse()
    if answer.status != 202:
        raise RuntimeError(f"upload {number}: {answer.status} {answer.read().decode()}")
    location = answer.headers["Location"]
    connection.close()
    return location.rpartition("/")[2]


def ask_meanwhile(port: int, ended: threading.Event, waits: list[float]) -> None:
    """Asks for the list of jobs, again and again, and notes how long each answer takes."""
    while not ended.wait(0.05):
        started = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", port, timeout=600)
        connection.request("GET", f"{PREFIX}/jobs")
        connection.getresponse().read()
        connection.close()
        waits.append(time.perf_counter() - started)


def digest_of_file(data: Path, job: str) -> str:
    """The SHA-256 of what the server stored for a job."""
    folder = data / "jobs" / job
    path = folder / INPUT / "ct.nii" if (folder / INPUT).is_dir() else next((folder / UPLOAD).iterdir())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_content(number: int, slices: int) -> str:
    """The SHA-256 of what was sent."""
    digest = hashlib.sha256()
    for piece in pieces_of(number, slices):
        digest.update(piece)
    return digest.hexdigest()


def peak_mb(process: int) -> float:
    """The most memory that a process and those that it started have taken so far."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    children = [one for file in Path(f"/proc/{process}/task").glob("*/children") for one in file.read_text().split()]
    own = float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1000
    return own + sum(map(peak_mb, map(int, children)))


if __name__ == "__main__":
    typer.run(uploads)
