"""`pneumoseg serve` from outside: it starts quickly, keeps its jobs, and ends cleanly."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts import serve
from tests.scripts.web.served import API, CT, RAW

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "web" / "stub_server.py"
TOKEN = "0123456789abcdef"


@contextmanager
def server(data: Path, *arguments: str, **environment: str):
    """The process of a server, and a client of it; the process is killed in the end if it is still there."""
    command = [sys.executable, STUB, "serve", "--port", "0", "--json", "--data", data, *arguments]
    surroundings = os.environ | {"PNEUMOSEG_CACHE": str(data.parent / "cache")} | environment
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=surroundings,
        start_new_session=True,
    ) as process:
        try:
            address = json.loads(process.stdout.readline())["address"]
            with httpx.Client(base_url=address, timeout=60) as client:
                yield process, client
        finally:
            process.kill()


def ended(client: httpx.Client, job: dict, state: str = "finished") -> dict:
    deadline = time.monotonic() + 60
    while (now := client.get(job["urls"]["self"]).json())["state"] != state:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    return now


def upload(client: httpx.Client, seconds: float) -> dict:
    content = CT + f"\n{seconds}".encode()
    answer = client.post(f"{API}/jobs?filename=a.nrrd", content=content, headers={"Content-Type": RAW})
    assert answer.status_code == 202, answer.text
    return answer.json()


def processor_s(process: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_starts_quickly_without_networks_and_ends_cleanly(tmp_path):
    with server(tmp_path / "data") as (process, client):
        assert processor_s(process.pid) < 3
        assert client.get(f"{API}/health").json()["status"] == "ok"
        assert {"covid-lungs", "covid-picture"} <= {model["name"] for model in client.get(f"{API}/models").json()}
        done = ended(client, upload(client, 0))
        assert client.get(f"{done['urls']['results']}/mask.nii.gz").content == CT + b"\n0"
        process.send_signal(signal.SIGTERM)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert printed == "[]\n"
    assert errors == ""
    for path in (tmp_path / "data").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_an_interruption_is_said(tmp_path):
    with server(tmp_path / "data") as (process, _):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "error: interrupted\n"


def test_a_killed_server_goes_on_where_it_was(tmp_path):
    with server(tmp_path / "data") as (process, client):
        first = ended(client, upload(client, 0))
        half, waiting = upload(client, 2), upload(client, 0.1)
        ended(client, half, "running")
        process.kill()
        process.wait()
    with server(tmp_path / "data") as (_, client):
        assert client.get(first["urls"]["self"]).json() == first
        for job in (half, waiting):
            assert len(client.get(ended(client, job)["urls"]["results"]).json()) == 1
        assert [job["state"] for job in client.get(f"{API}/jobs").json()] == ["finished"] * 3
    begun = {job["id"]: (tmp_path / "data/jobs" / job["id"] / "begun").read_text() for job in (first, half, waiting)}
    assert list(begun.values()) == ["x", "xx", "x"]


def test_a_folder_has_one_server(tmp_path, pneumoseg):
    with server(tmp_path / "data"):
        done = pneumoseg("serve", "--port", "0", "--data", tmp_path / "data", code=2)
    assert "another server uses this folder" in done.stderr


def test_a_token_from_the_environment(tmp_path):
    with server(tmp_path / "data", PNEUMOSEG_TOKEN=TOKEN) as (process, client):
        assert client.get(f"{API}/health").status_code == 401
        assert client.get(f"{API}/health", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert workers
        for worker in workers:
            assert TOKEN.encode() not in Path(f"/proc/{worker}/environ").read_bytes()


def test_mistakes_are_one_line(tmp_path, pneumoseg):
    assert "no model there" in pneumoseg("serve", "--model", tmp_path, "--data", tmp_path / "data", code=2).stderr
    assert "(--token)" in pneumoseg("serve", "--host", "0.0.0.0", code=2).stderr


@pytest.mark.parametrize(
    ("host", "names", "token", "message"),
    [
        ("127.0.0.1", [], "short", "at least 16 printable ASCII characters"),
        ("127.0.0.1", [], "é" * 20, "at least 16 printable ASCII characters"),
        ("192.168.0.5", [], None, "would need a token.*a proxy with TLS"),
        ("0.0.0.0", ["ct.example"], None, "would need a token"),
        ("0.0.0.0", [], TOKEN, "no name that requests could bring"),
    ],
)
def test_who_could_reach_the_server_is_decided_first(host, names, token, message):
    with pytest.raises(InputError, match=message):
        serve.names_of(host, names, token)


def test_names_of_the_server():
    own = {"localhost", "127.0.0.1", "::1"}
    assert serve.names_of("127.0.0.1", [], None) == own
    assert serve.names_of("127.0.0.1", ["CT.example"], None) == own | {"ct.example"}
    assert serve.names_of("0.0.0.0", ["ct.example"], TOKEN) == own | {"ct.example"}
    assert serve.names_of("192.168.0.5", [], TOKEN) == own | {"192.168.0.5"}


def test_addresses():
    assert serve.address_of("::1", 80) == "http://[::1]:80"
    assert serve.address_of("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    assert [serve.is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "ct.example")] == [
        *(True, True, True, False, False)
    ]
