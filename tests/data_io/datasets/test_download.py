"""Archives fetched from a server on this machine, interrupted, resumed, checked and unpacked."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pneumoseg.data_io.datasets.download import download_dataset, fetch, published_md5
from pneumoseg.data_io.errors import InputError
from tests.data_io.storage.test_zip_files import names, zipped

CONTENT = bytes(range(256)) * 40


class Server:
    """Serves `files` by path; `faults` (one per request, then none) says how a request goes wrong."""

    def __init__(self):
        self.files = {}
        self.faults = []
        self.ranges = True
        self.requests = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.answer(self)

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        fault = self.faults.pop(0) if self.faults else None
        content = self.files.get(handler.path)
        if isinstance(fault, int) or content is None:
            handler.send_error(fault or 404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if asked and self.ranges:
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            begin = 0 if fault == "wrong range" else start
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        rest = content[start:]
        handler.wfile.write(rest[: len(rest) // 2] if fault == "interrupted" else rest)

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.close()


def md5(content):
    return hashlib.md5(content).hexdigest()


def test_whole_file(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    fetch(f"{server.url}/a.zip", tmp_path / "data" / "a.zip", md5=md5(CONTENT))
    assert (tmp_path / "data" / "a.zip").read_bytes() == CONTENT
    assert names(tmp_path / "data") == ["a.zip"]


def test_interrupted_transfer_goes_on_by_range(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    server.faults = ["interrupted", "interrupted"]
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT), pause_s=0)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    half, three_quarters = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert [asked for _, asked in server.requests] == [None, f"bytes={half}-", f"bytes={three_quarters}-"]


def test_a_later_call_goes_on(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    server.faults = ["interrupted"]
    with pytest.raises(InputError, match=r"failed 1 times .*run the command again"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT), attempts=1)
    assert names(tmp_path) == [".partial-a.zip"]
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT))
    assert server.requests[-1][1] == f"bytes={len(CONTENT) // 2}-"
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_server_without_ranges_starts_anew(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    server.ranges = False
    (tmp_path / ".partial-a.zip").write_bytes(b"x" * 100)
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT))
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.requests == [("/a.zip", "bytes=100-")]


def test_another_range_than_asked_for_starts_anew(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    server.faults = ["wrong range"]
    (tmp_path / ".partial-a.zip").write_bytes(CONTENT[:100])
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT), pause_s=0)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=100-", None]


@pytest.mark.parametrize(("have", "requests"), [(CONTENT, 1), (CONTENT + b"more", 2)])
def test_partial_file_that_is_whole_or_too_long(server, tmp_path, have, requests):
    server.files["/a.zip"] = CONTENT
    (tmp_path / ".partial-a.zip").write_bytes(have)
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT), pause_s=0)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(server.requests) == requests


def test_faults_of_the_server_are_retried_with_growing_pauses(server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("pneumoseg.data_io.datasets.download.time.sleep", pauses.append)
    server.files["/a.zip"] = CONTENT
    server.faults = [503, 429, 500]
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(CONTENT), pause_s=2)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert pauses == [2, 4, 8]


def test_no_more_attempts_than_asked_for(server, tmp_path):
    server.faults = [503] * 9
    with pytest.raises(InputError, match=r"failed 3 times .*503"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", attempts=3, pause_s=0)
    assert len(server.requests) == 3
    assert names(tmp_path) == []


def test_missing_file_is_not_retried(server, tmp_path):
    with pytest.raises(InputError, match=r"/a\.zip: the server answered 404"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.close()
    with pytest.raises(InputError, match="failed 2 times"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", attempts=2, pause_s=0)


def test_wrong_checksum_is_refused_and_removed(server, tmp_path):
    server.files["/a.zip"] = CONTENT
    with pytest.raises(InputError, match=rf"the MD5 must be {md5(b'other')}, found {md5(CONTENT)}"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", md5=md5(b"other"))
    assert names(tmp_path) == []


def test_without_checksum_it_says_so(server, tmp_path, said):
    server.files["/a.zip"] = CONTENT
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert "a.zip: not verified" in said.text


def test_published_checksums(server, said):
    record = {"files": [{"key": "a.zip", "checksum": "md5:abc"}, {"key": "b.zip", "checksum": "sha1:abc"}]}
    server.files["/api/records/3757476"] = json.dumps(record).encode()
    assert published_md5(server.url) == {"a.zip": "abc"}
    assert said.text == ""


@pytest.mark.parametrize("answer", [None, b"<html>", b"[]", b'{"files": {"enabled": true}}', b'{"files": [{}]}'])
def test_checksums_that_cannot_be_had_are_said_aloud(server, said, answer):
    if answer is not None:
        server.files["/api/records/3757476"] = answer
    assert published_md5(server.url) == {}
    assert "cannot be verified" in said.text


@pytest.fixture
def zenodo(server):
    """The record with three tiny cases; layouts look at names alone."""
    cases = {f"{name}.nii.gz": b"" for name in ("coronacases_001", "radiopaedia_10_85902_1", "radiopaedia_10_85902_3")}
    archives = {name: zipped(cases) for name in ("COVID-19-CT-Seg_20cases.zip", "Lung_and_Infection_Mask.zip")}
    record = {"files": [{"key": name, "checksum": f"md5:{md5(content)}"} for name, content in archives.items()]}
    server.files["/api/records/3757476"] = json.dumps(record).encode()
    for name, content in archives.items():
        server.files[f"/records/3757476/files/{name}"] = content
    return server


def test_dataset_is_fetched_and_opens(zenodo, tmp_path, said):
    dataset = download_dataset(tmp_path / "data", zenodo.url + "/")
    assert dataset.layout == "Zenodo 3757476"
    assert [case.patient for case in dataset] == ["coronacases_001", "radiopaedia_10", "radiopaedia_10"]
    assert names(tmp_path / "data") == ["COVID-19-CT-Seg_20cases", "Lung_and_Infection_Mask"]
    assert said.text == ""


def test_what_is_there_is_not_fetched_again(zenodo, tmp_path):
    download_dataset(tmp_path, zenodo.url)
    zenodo.requests.clear()
    assert len(download_dataset(tmp_path, zenodo.url)) == 3
    assert zenodo.requests == []
    assert len(download_dataset(tmp_path, zenodo.url, overwrite=True)) == 3
    assert len(zenodo.requests) == 3


def test_an_archive_that_is_there_is_unpacked_and_kept(zenodo, tmp_path):
    name = "Lung_and_Infection_Mask.zip"
    (tmp_path / name).write_bytes(zenodo.files[f"/records/3757476/files/{name}"])
    assert len(download_dataset(tmp_path, zenodo.url)) == 3
    assert (tmp_path / name).is_file()
    assert not any(path.endswith(name) for path, _ in zenodo.requests)


def test_changed_archive_is_refused(zenodo, tmp_path):
    zenodo.files["/records/3757476/files/COVID-19-CT-Seg_20cases.zip"] = zipped({"evil.nii.gz": b""})
    with pytest.raises(InputError, match=r"COVID-19-CT-Seg_20cases\.zip: the MD5 must be"):
        download_dataset(tmp_path, zenodo.url)
    assert names(tmp_path) == []


def test_address_must_be_http(tmp_path):
    with pytest.raises(InputError, match="must begin with https://"):
        download_dataset(tmp_path, "file:///etc")
