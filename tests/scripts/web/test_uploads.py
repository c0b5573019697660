"""Uploads: every content arrives whole or leaves nothing, and memory stays flat."""

import errno
import hashlib
import os
import shutil
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest

from pneumoseg.scripts.web import arriving_files, uploads
from pneumoseg.scripts.web.limits import Limits
from tests.scripts.web.served import API, CT, RAW, serving

JOBS = f"{API}/jobs"


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def left(served) -> list:
    """What uploads left on the disk that is not of a job."""
    return list((served.store.folder / "arriving").iterdir())


def raw(served, content, **options) -> httpx.Response:
    return served.client.post(JOBS, content=content, headers={"Content-Type": RAW}, **options)


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    (sentence,) = answer.json().values()
    assert sentence.endswith(".")
    return sentence


def test_a_raw_body_and_a_form_give_the_same_files(served):
    one = served.ended(raw(served, CT + b"x" * 3_000_000).json())
    form = served.client.post(JOBS, files=[("file", ("ct.nrrd", CT + b"x" * 3_000_000))])
    assert form.status_code == 202
    other = served.ended(form.json())
    masks = [served.client.get(f"{job['urls']['results']}/mask.nii.gz").content for job in (one, other)]
    assert masks[0] == masks[1] == CT + b"x" * 3_000_000
    assert form.headers["location"] == other["urls"]["self"]


def test_a_body_without_a_declared_size_is_taken(served):
    job = served.ended(raw(served, iter([CT, b"a" * 100_000, b"b"])).json())
    content = served.client.get(f"{job['urls']['results']}/mask.nii.gz").content
    assert content == CT + b"a" * 100_000 + b"b"


def test_several_files_of_a_form_are_the_slices_of_one_series(served):
    slices = [(f"slice{n}.dcm", bytes(128) + b"DICM" + bytes([n]) * (n + 1)) for n in range(20)]
    answer = served.client.post(JOBS, files=[("file", one) for one in slices])
    job = served.ended(answer.json())
    assert job["name"].startswith("CT series ")
    sizes = served.client.get(f"{job['urls']['results']}/sizes.json").json()
    assert sizes == {f"{n:04d}": 133 + n for n in range(20)}
    content = served.client.get(f"{job['urls']['results']}/mask.nii.gz").content
    assert content == b"".join(content for _, content in slices)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a"b\nc.nii.gz', 'a"b c.nii.gz'),
        ("\u202egz.iin\u2066x", "gz.iinx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\ct.nrrd", "ct.nrrd"),
        ("<script>alert(1)</script>", "script>"),
        ("a\0b", "ab"),
        ("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") + " Müller.nii", "😀 Müller.nii"),
        ("x" * 500, "x" * 80),
        ("", "upload"),
    ],
)
def test_names_are_cleaned(served, name, shown):
    assert served.upload(name=name)["name"] == shown
    form = served.client.post(JOBS, files=[("file", (name or " ", CT))])
    assert form.status_code == 202
    assert "\n" not in form.json()["name"]
    assert "\u202e" not in form.json()["name"]


def test_names_are_cut_before_they_are_looked_at(served):
    answer = raw(served, CT, params={"filename": "x" * 1001})
    assert refused(answer, 400) == "filename: String should have at most 1000 characters."


def test_the_model_is_one_of_those_there_are(served):
    assert raw(served, CT, params={"model": "covid-lungs"}).json()["model"] == "covid-lungs"
    assert raw(served, CT, params={"model": ""}).json()["model"] is None
    assert refused(raw(served, CT, params={"model": "../x"}), 422) == "There is no model of that name."


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"PK\x03\x04 no zip", 422),
        (b"%PDF-1.7", 415),
        (b"<html>", 415),
        (b"\x1f\x8b\x08 no gzip", 415),
        (bytes(10_000), 415),
    ],
)
def test_content_that_is_no_ct_is_refused_at_once(served, content, status):
    refused(raw(served, content), status)
    refused(served.client.post(JOBS, files=[("file", ("a.nii.gz", content))]), status)
    assert left(served) == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", CT, 415),
        ("", CT, 415),
        ("application/json", b"{}", 415),
        ("multipart/form-data", CT, 400),
        (f"multipart/form-data; boundary={'b' * 300}", CT, 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"no form", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nv\r\n--b--', 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nv', 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X-Y: " + b"z" * 20_000, 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X-Y: z\r\n" * 100, 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\xff\xfe: z\r\n\r\nx\r\n--b--", 400),
    ],
)
def test_bodies_of_other_kinds_are_refused(served, kind, body, status):
    refused(served.client.post(JOBS, content=body, headers={"Content-Type": kind}), status)
    assert left(served) == []


def test_a_body_that_http_compressed_is_refused(served):
    answer = served.client.post(JOBS, content=CT, headers={"Content-Type": RAW, "Content-Encoding": "gzip"})
    assert "compressed by HTTP" in refused(answer, 415)


def test_too_many_files_are_refused(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, files=3)) as served:
        files = [("file", (f"{n}.dcm", b"x")) for n in range(4)]
        assert "more than 3 files" in refused(served.client.post(JOBS, files=files), 413)
        assert left(served) == []


def send(port: int, head: str, body: bytes = b"", *, end: bool = False) -> bytes:
    """The answer to bytes as they are; with `end`, the client sends nothing more."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def head(length: int, more: str = "") -> str:
    return f"POST {JOBS} HTTP/1.1\nHost: localhost\nContent-Type: {RAW}\nContent-Length: {length}\n{more}\n"


def test_a_declared_size_that_is_too_large_is_refused_before_it_arrives(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, upload_bytes=1000)) as served:
        asked = send(served.port, head(4 * 2**30, "Expect: 100-continue\n"))
        assert asked.startswith(b"HTTP/1.1 413 ")  # and no "100 Continue" before
        started = time.monotonic()
        sent = send(served.port, head(4 * 2**30), bytes(2**20), end=True)
        assert sent.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in sent.lower()
        assert time.monotonic() - started < 10
        assert refused(raw(served, bytes(1001)), 413) == "A body has at most 1000 bytes here."
        assert refused(raw(served, iter([bytes(600), bytes(600)])), 413)
        assert raw(served, CT + bytes(991)).status_code == 202
        assert left(served) == []


def test_a_refusal_reaches_a_client_that_is_still_sending(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, upload_bytes=1000)) as served:
        for content in (bytes(8_000_000), iter([bytes(1_000_000)] * 8)):
            assert refused(raw(served, content), 413)


def test_less_than_declared_is_no_job(served):
    before = len(served.client.get(JOBS).json())
    assert send(served.port, head(4 * 2**30), CT + bytes(2**20), end=True) == b""
    for _ in range(100):
        if not left(served):
            break
        time.sleep(0.05)
    assert left(served) == []
    assert len(served.client.get(JOBS).json()) == before


def test_a_slow_body_is_refused(tmp_path):
    limits = Limits(reserve_bytes=0, patience_s=0.5, least_bytes_per_s=1000)
    with serving(tmp_path, limits=limits) as served:
        assert send(served.port, head(1000), CT).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:  # a byte now and then
            connection.sendall(head(1000).replace("\n", "\r\n").encode())
            started = time.monotonic()
            connection.settimeout(0.1)
            answer = b""
            while not answer and time.monotonic() - started < 10:
                connection.sendall(b"x")
                try:
                    answer = connection.recv(1000)
                except TimeoutError:
                    answer = b""
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert left(served) == []


def test_a_full_disk_is_507_and_leaves_nothing(served, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/place")

    before = len(served.client.get(JOBS).json())
    content = CT + bytes(3_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(arriving_files.WholeBody, "write", full)
        assert "disk" in refused(raw(served, content), 507)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert "secret" not in refused(raw(served, content), 507)
        refused(served.client.post(JOBS, files=[("file", ("a", content))]), 507)
    with monkeypatch.context() as patch:
        patch.setattr(type(served.store), "create", full)
        refused(raw(served, content), 507)
    with monkeypatch.context() as patch:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        patch.setattr(type(served.store), "create", lambda *_: (_ for _ in ()).throw(error))
        refused(raw(served, content), 507)
    with monkeypatch.context() as patch:
        patch.setattr(type(served.store), "arriving", full)
        refused(raw(served, content), 507)
    assert left(served) == []
    assert len(served.client.get(JOBS).json()) == before
    served.finished(content)


def test_the_disk_keeps_its_reserve(tmp_path, monkeypatch):
    free = 10_000_000
    real = shutil.disk_usage
    with serving(tmp_path, limits=Limits(reserve_bytes=5_000_000)) as served:
        monkeypatch.setattr(uploads.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
        assert "no room" in refused(raw(served, bytes(5_000_001)), 507)
        free = 5_500_000
        assert refused(raw(served, iter([CT, bytes(1_000_000)])), 507)
        assert raw(served, CT + bytes(499_000)).status_code == 202
        assert left(served) == []
        monkeypatch.setattr(uploads.shutil, "disk_usage", real)


def test_too_many_jobs_are_429(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, queue=2, jobs_per_minute=5)) as served:
        held = served.upload(name="hold")
        while served.client.get(held["urls"]["self"]).json()["state"] != "running":
            time.sleep(0.01)
        for _ in range(2):
            served.upload()
        answer = raw(served, CT)
        assert refused(answer, 429) == "2 jobs wait, as many as this server takes; try again in 30 s."
        assert answer.headers["retry-after"] == "30"
        served.workers.released.set()
        served.ended(held)
        while served.client.get(f"{API}/health").json()["queue"]:
            time.sleep(0.01)
        codes = [raw(served, CT).status_code for _ in range(3)]
        assert codes[0] == 202
        assert codes[-1] == 429
        answer = raw(served, CT)
        assert "new jobs a minute" in refused(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 12


def test_too_many_uploads_at_once_are_429(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, uploads=1)) as served:
        sending, going = threading.Event(), threading.Event()

        def slow():
            yield CT
            sending.set()
            assert going.wait(10)
            yield b"end"

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(raw, served, slow())
            assert sending.wait(10)
            time.sleep(0.2)
            answer = raw(served, CT)
            assert "1 uploads are arriving" in refused(answer, 429)
            assert answer.headers["retry-after"] == "5"
            going.set()
            assert first.result().status_code == 202
        assert raw(served, CT).status_code == 202


def test_without_workers_nothing_is_taken(tmp_path):
    with serving(tmp_path) as served:
        served.workers.well = False
        answer = raw(served, CT)
        assert refused(answer, 503)
        assert answer.headers["retry-after"] == "10"
        assert left(served) == []


def test_large_bodies_stay_out_of_memory(served):
    """Four of 30 MB at a time; scripts/benchmark/uploads.py sends fifty."""
    size, piece = 30_000_000, bytes(range(250)) * 4000
    raw(served, CT)
    before, highest = resident_mb(), 0.0
    ended = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not ended.is_set():
            highest = max(highest, resident_mb())
            time.sleep(0.01)

    def one(number: int) -> str:
        pieces = (CT + b"%04d" % number, *(piece for _ in range(size // len(piece))))
        return raw(served, iter(pieces)).json()["id"]

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(one, range(4)))
    ended.set()
    watcher.join()
    assert highest - before < 60  # MB, of 120 that arrived; the client is in this process too
    for number, job in enumerate(jobs):
        done = served.ended({"urls": {"self": f"{JOBS}/{job}"}}, within_s=60)
        with served.client.stream("GET", f"{done['urls']['results']}/mask.nii.gz") as answer:
            got, first = hashlib.sha256(), b""
            for part in answer.iter_bytes():
                first = first or part[:20]
                got.update(part)
        wanted = hashlib.sha256(CT + b"%04d" % number)
        for _ in range(size // len(piece)):
            wanted.update(piece)
        assert got.digest() == wanted.digest()
    for job in jobs:
        served.client.delete(f"{JOBS}/{job}")
    assert left(served) == []
