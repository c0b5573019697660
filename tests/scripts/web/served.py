"""A server in a thread with a worker that needs no network, for tests."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from pneumoseg.evaluation.jobs.job import ResultFile
from pneumoseg.evaluation.jobs.models import ModelEntry
from pneumoseg.evaluation.jobs.reception import Reception
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.scripts.web.app import create_app
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.security import Guard
from pneumoseg.scripts.web.server import Server, listen
from pneumoseg.scripts.web.service import Service

NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
API = "/api/v1"
LIMITS = Limits(reserve_bytes=0, jobs_per_minute=100_000)
PAGE = {"index.html": "<!DOCTYPE html><title>page</title>", "app.js": "// script", "vendor/x.wasm": "\0asm"}
RAW = "application/octet-stream"
CT = b"NRRD0004\n"
"""What begins so is taken for a CT at first sight."""


class StubWorkers:
    """Claims and finishes jobs: results are one file `mask.nii.gz`, the size of what was uploaded and its bytes. A job
    called "hold" waits until `released` is set, one called "bad" fails."""

    def __init__(self, store: JobStore) -> None:
        self.store, self.well, self.released = store, True, threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def has_worker(self) -> bool:
        return self.well

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending.is_set():
            if self.store.to_end():
                self.store.release("stub")
            job = self.store.claim("stub")
            if job is None:
                time.sleep(0.01)
            else:
                self._do(job)

    def _do(self, job) -> None:
        self.store.report(job.id, "stub", stage="segmenting", progress=0.5)
        while job.name == "hold" and not self.released.is_set():
            if self.store.to_end():
                return
            time.sleep(0.01)
        if job.name == "bad":
            self.store.fail(job.id, "stub", "This is no CT.")
            return
        with self.store.arriving() as made:
            uploaded = sorted((self.store.folder_of(job.id) / "upload").iterdir())
            sizes = {file.name: file.stat().st_size for file in uploaded}
            (made / "mask.nii.gz").write_bytes(b"".join(file.read_bytes() for file in uploaded))
            (made / "sizes.json").write_text(json.dumps(sizes))
            files = [
                ResultFile("mask.nii.gz", "Mask", "application/gzip", (made / "mask.nii.gz").stat().st_size),
                ResultFile("sizes.json", "Sizes", "application/json", (made / "sizes.json").stat().st_size),
            ]
            self.store.finish(job.id, "stub", made, files, warnings=["Thick slices."])


@dataclass(frozen=True)
class Served:
    """A running server: a client of it, its service with its store, its workers, its port."""

    client: httpx.Client
    service: Service
    workers: StubWorkers
    port: int

    @property
    def store(self) -> JobStore:
        return self.service.store

    def upload(self, content: bytes = CT, name: str = "ct.nii.gz") -> dict:
        answer = self.client.post(
            f"{API}/jobs", params={"filename": name}, content=content, headers={"Content-Type": RAW}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def ended(self, job: dict, within_s: float = 10) -> dict:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            now = self.client.get(job["urls"]["self"]).json()
            if now["state"] not in ("queued", "running"):
                return now
            time.sleep(0.01)
        raise AssertionError(now)

    def finished(self, content: bytes = CT, name: str = "ct.nii.gz") -> dict:
        job = self.ended(self.upload(content, name))
        assert job["state"] == "finished"
        return job


def write_page(folder: Path) -> Path:
    for name, text in PAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@contextmanager
def serving(
    folder: Path,
    *,
    limits: Limits = LIMITS,
    token: str | None = None,
    workers_of: Callable[[JobStore], StubWorkers] = StubWorkers,
    reads: bool = False,
) -> Iterator[Served]:
    """A server on jobs in `folder / "data"`, for the block; `reads`: uploads are read as they arrive."""
    page = write_page(folder / "page")
    models = [
        ModelEntry("covid-lungs", "ct", ("lung_left", "lung_right", "infection"), ((31, 119, 180),) * 3, True, folder)
    ]
    with JobStore(folder / "data") as store, listen("127.0.0.1", 0) as listening:
        workers = workers_of(store)
        workers.start()
        started = threading.Event()
        reception = Reception(store.folder) if reads else None
        guard = Guard(NAMES, token)
        app = create_app(store, workers, models, guard=guard, limits=limits, reception=reception, page=page)
        server = Server(app, listening, started.set)
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert started.wait(10)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
                yield Served(client, app.state.service, workers, port)
        finally:
            server.should_exit = True
            thread.join()
            workers.stop()
