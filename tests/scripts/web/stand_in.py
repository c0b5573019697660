"""A server with the API that the page uses, on canned results: the page is built and tested without a network.

Every job takes `seconds`; one whose name holds "slow" goes on until it is cancelled, one with "fail" fails. A CT whose
name holds "second" is the same patient at a later date. `python -m tests.scripts.web.stand_in` serves it on port 8123.
"""

import json
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pneumoseg
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from tests.scripts.web.canned_results import PICTURE_LABELS, SHAPE, Results, entries, results_of_kinds

PAGE = (Path(pneumoseg.__file__).parent / "scripts" / "web" / "page").resolve()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MODELS = [
    {
        "name": name,
        "kind": kind,
        "classes": list(table.names),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in table.colours],
        "calibrated": kind == "ct",
    }
    for name, kind, table in (("covid-lungs", "ct", LUNG_LABELS), ("covid-picture", "picture", PICTURE_LABELS))
]
STAGES = ("reading", "segmenting", "measuring", "writing")


@dataclass
class CannedJob:
    """A job whose state follows from the time since it came."""

    id: str
    kind: str
    name: str
    model: str | None
    parents: list[str]
    results: Results
    seconds: float
    upload: bytes = b""
    created: float = field(default_factory=time.time)
    cancelled: bool = False

    def public(self) -> dict:
        share = (time.time() - self.created) / self.seconds
        slow, fails = "slow" in self.name, "fail" in self.name
        state = "queued" if share < 0.1 else "running" if share < 1 or slow else "failed" if fails else "finished"
        state = "cancelled" if self.cancelled else state
        running = state == "running"
        progress = min(max((share - 0.1) / 0.9, 0), 0.6 if slow else 1)
        when = {name: datetime.fromtimestamp(self.created, UTC).isoformat() for name in ("created",)}
        return {
            "id": self.id,
            "kind": self.kind,
            "state": state,
            "name": self.name,
            "model": self.model,
            "parents": self.parents,
            "stage": STAGES[min(int(progress * 4), 3)] if running else None,
            "progress": round(1.0 if state == "finished" else progress * 4 % 1, 3),  # of the stage
            "position": 0 if state == "queued" else None,
            **when,
            "started": None,
            "finished": None,
            "error": "The CT has one slice; at least 16 are needed." if state == "failed" else None,
            "warnings": ["The lungs reach the lowest slice."] if state == "finished" and self.parents == [] else [],
            "urls": {
                "self": f"/api/v1/jobs/{self.id}",
                "events": f"/api/v1/jobs/{self.id}/events",
                "results": f"/api/v1/jobs/{self.id}/results",
            },
        }


class StandIn:
    """The jobs, and a server of them at `url`. `token`: asked for where it is given."""

    def __init__(self, *, seconds: float = 0.6, port: int = 0, shape: tuple[int, int, int] = SHAPE):
        self.seconds, self.token = seconds, ""
        self.canned = results_of_kinds(shape=shape)
        self.jobs: dict[str, CannedJob] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, kind: str, name: str, *, canned: str, model: str | None = None, parents=(), upload=b"") -> CannedJob:
        job = CannedJob(
            secrets.token_urlsafe(18), kind, name, model, list(parents), self.canned[canned], self.seconds, upload
        )
        self.jobs[job.id] = job
        return job


class _Problem(Exception):
    def __init__(self, code: int, sentence: str):
        super().__init__(sentence)
        self.code = code


def _handler_of(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments) -> None:
            """Says nothing."""

        def do_GET(self) -> None:
            self.answer("GET")

        def do_POST(self) -> None:
            self.answer("POST")

        def do_DELETE(self) -> None:
            self.answer("DELETE")

        def answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            parts = [unquote(part) for part in url.path.split("/")[1:]]
            try:
                if parts[:2] != ["api", "v1"]:
                    return self.page(url.path)
                if stand_in.token and self.headers.get("Authorization") != f"Bearer {stand_in.token}":
                    raise _Problem(401, "A token is needed.")
                return self.api(method, parts[2:], query, body)
            except _Problem as problem:
                return self.send(problem.code, {"error": str(problem)})

        def page(self, path: str) -> None:
            file = (PAGE / path.lstrip("/")).resolve() if path != "/" else PAGE / "index.html"
            if not file.is_file() or not file.is_relative_to(PAGE):
                raise _Problem(404, "There is no such page.")
            self.send(200, file.read_bytes(), f"{TYPES.get(file.suffix, 'text/plain')}; charset=utf-8")

        def api(self, method: str, parts: list[str], query: dict[str, str], body: bytes) -> None:
            match method, parts:
                case "GET", ["models"]:
                    self.send(200, MODELS)
                case "GET", ["health"]:
                    self.send(200, {"status": "ok", "version": "0.1.0", "queue": 0, "max_upload_bytes": 50_000_000})
                case "GET", ["jobs"]:
                    self.send(200, [job.public() for job in reversed(stand_in.jobs.values())])
                case "POST", ["jobs"]:
                    self.upload(query, body)
                case "POST", ["follow-ups"]:
                    asked = json.loads(body)
                    parents = [self.job(asked[name]) for name in ("baseline", "follow_up")]
                    self.accepted(
                        stand_in.add(
                            "follow-up",
                            f"{parents[0].name} and {parents[1].name}",
                            canned="follow-up",
                            parents=asked.values(),
                        )
                    )
                case "GET", ["jobs", job]:
                    self.send(200, self.job(job).public())
                case "GET", ["jobs", job, "events"]:
                    self.events(self.job(job))
                case "POST", ["jobs", job, "cancel"]:
                    self.job(job).cancelled = True
                    self.send(200, self.job(job).public())
                case "DELETE", ["jobs", job]:
                    del stand_in.jobs[self.job(job).id]
                    self.send(204, b"")
                case "GET", ["jobs", job, "results"]:
                    self.send(200, entries(job, self.job(job).results))
                case "GET", ["jobs", job, "results", name]:
                    self.result(self.job(job), name)
                case "POST", ["jobs", job, "scores"]:
                    parent = self.job(job)
                    canned = "picture scores" if "mask.png" in parent.results else "scores"
                    if "another" in query["filename"]:
                        raise _Problem(422, "The reference lies on another grid than the CT.")
                    self.accepted(stand_in.add("scores", parent.name, canned=canned, parents=[job], upload=body))
                case _:
                    raise _Problem(404, "There is no such address.")

        def upload(self, query: dict[str, str], body: bytes) -> None:
            name = query.get("filename", "")
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/"):
                message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
                name = f"CT series of {len(list(message.iter_parts()))} files"
            if not body:
                raise _Problem(422, "The upload is empty.")
            picture = body.startswith(b"\x89PNG")
            canned = "picture" if picture else "follow-up ct" if "second" in name else "ct"
            model = query.get("model") or ("covid-picture" if picture else "covid-lungs")
            self.accepted(stand_in.add("segmentation", name, canned=canned, model=model, upload=body))

        def accepted(self, job: CannedJob) -> None:
            self.send(202, job.public())

        def job(self, job_id: str) -> CannedJob:
            if job_id not in stand_in.jobs:
                raise _Problem(404, "There is no such job.")
            return stand_in.jobs[job_id]

        def result(self, job: CannedJob, name: str) -> None:
            if name not in job.results:
                raise _Problem(404, "There is no such result.")
            self.send(200, job.results[name].content, job.results[name].media_type)

        def events(self, job: CannedJob) -> None:
            self.send_response(200)
            for header, value in HEADERS.items():
                self.send_header(header, value)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            before = None
            try:
                while True:
                    now = job.public()
                    if now != before:
                        self.wfile.write(f"data: {json.dumps(now)}\n\n".encode())
                        self.wfile.flush()
                    if now["state"] in ("finished", "failed", "cancelled"):
                        return
                    before = now
                    time.sleep(0.05)
            except OSError:
                return  # the page went elsewhere

        def send(self, code: int, content: object, media_type: str = "application/json") -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            for header, value in HEADERS.items():
                self.send_header(header, value)
            self.send_header("Content-Type", media_type)
            if code != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if code != 204:
                self.wfile.write(body)

    return Handler


if __name__ == "__main__":
    print(StandIn(seconds=3, port=int(sys.argv[1]) if sys.argv[1:] else 8123).url, flush=True)
    threading.Event().wait()
