"""Who may ask, and the headers of every answer."""

import socket

import httpx
import pytest
from starlette.datastructures import Headers

from pneumoseg.scripts.web import security
from pneumoseg.scripts.web.refusals import Refusal
from pneumoseg.scripts.web.security import HEADERS, Guard, host_name
from tests.scripts.web.served import API, CT, NAMES, RAW, serving

TOKEN = "correct horse battery staple"


def status(method: str = "GET", path: str = f"{API}/jobs", guard: Guard | None = None, **headers) -> int:
    """The status of the refusal, or 200."""
    given = {"host": "localhost:8000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        (guard or Guard(NAMES)).check(method, path, Headers({k: v for k, v in given.items() if v is not None}))
    except Refusal as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "localhost.:80"])
def test_names_of_this_machine_are_answered(host):
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:8000", "127.0.0.1.nip.io", "[::2]:8000", "0.0.0.0", "localhost@x"],
)
def test_foreign_names_are_refused(host):
    assert status(host=host) == 403
    assert status(host=host, path="/") == 403


def test_a_request_without_a_host_is_malformed():
    assert status(host=None) == 400
    assert status(host="") == 400


def test_a_name_that_is_given_is_answered():
    guard = Guard(NAMES | {"ct.example"})
    assert status(guard=guard, host="ct.example", origin="https://ct.example") == 200
    assert host_name("CT.example:443") == "ct.example"


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://LOCALHOST:8000"])
def test_the_own_page_may_ask(origin):
    assert status("POST", origin=origin, sec_fetch_site="same-origin") == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:3000", "http://localhost", "null", "", "localhost:8000", "http://["],
)
def test_other_pages_may_not(origin):
    assert status("POST", origin=origin) == 403
    assert status("GET", origin=origin) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "other"])
def test_other_sites_may_link_to_the_page_and_no_more(site):
    assert status(sec_fetch_site=site) == 403
    assert status(sec_fetch_site=site, sec_fetch_mode="navigate") == 403
    assert status(path="/app.js", sec_fetch_site=site, sec_fetch_mode="no-cors") == 403
    assert status(path="/", sec_fetch_site=site, sec_fetch_mode="navigate") == 200
    assert status("POST", path="/", sec_fetch_site=site, sec_fetch_mode="navigate") == 403


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer ", 401),
        ("Bearer \u00e9", 401),
        (None, 401),
    ],
)
def test_calls_need_the_token(given, expected):
    guard = Guard(NAMES, TOKEN)
    assert status(guard=guard, authorization=given) == expected
    assert status(guard=guard, authorization=given, path=f"{API}/openapi.json") == expected
    assert status(guard=guard, path="/") == 200  # the page asks for it


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return True

    monkeypatch.setattr(security.hmac, "compare_digest", compare)
    assert status(guard=Guard(NAMES, TOKEN), authorization="Bearer abc") == 200
    assert compared == [(b"abc", TOKEN.encode())]


def test_every_answer_has_the_headers(served):
    job = served.finished()
    for method, path in [
        ("GET", "/"),
        ("GET", "/app.js"),
        ("GET", "/none"),
        ("PUT", f"{API}/jobs"),
        ("GET", f"{API}/jobs"),
        ("GET", f"{API}/jobs/none"),
        ("GET", job["urls"]["events"]),
        ("GET", f"{job['urls']['results']}/mask.nii.gz"),
        ("GET", f"{API}/openapi.json"),
        ("POST", f"{API}/jobs"),
        ("DELETE", job["urls"]["self"]),
    ]:
        answer = served.client.request(method, path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert answer.headers["cache-control"] == ("no-cache" if path in ("/", "/app.js") else "no-store")
        for absent in ("server", "set-cookie", "access-control-allow-origin", "x-powered-by"):
            assert absent not in answer.headers


def test_scripts_are_the_servers_own():
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in HEADERS["Content-Security-Policy"]
    assert "http" not in HEADERS["Content-Security-Policy"]


def test_a_server_with_a_token(tmp_path):
    with serving(tmp_path, token=TOKEN) as served:
        served.finished()
        stranger = httpx.Client(base_url=f"http://127.0.0.1:{served.port}")
        with stranger:
            assert stranger.get("/").status_code == 200
            for method, path in [("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/health"), ("GET", "/openapi.json")]:
                answer = stranger.request(method, API + path)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert TOKEN not in answer.text
            assert stranger.get(f"{API}/jobs", params={"token": TOKEN}).status_code == 401
        description = served.client.get(f"{API}/openapi.json").json()
        assert description["security"] == [{"token": []}]


def test_a_refused_upload_is_not_received(tmp_path):
    with serving(tmp_path, token=TOKEN) as served, socket.create_connection(("127.0.0.1", served.port)) as connection:
        lines = (f"POST {API}/jobs HTTP/1.1", "Host: localhost", "Content-Length: 1000", "Expect: 100-continue", "", "")
        connection.sendall("\r\n".join(lines).encode())
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_foreign_requests_change_nothing(served):
    job = served.finished()
    evil = {"Origin": "http://evil.example", "Content-Type": RAW}
    assert served.client.post(f"{API}/jobs", content=CT, headers=evil).status_code == 403
    assert served.client.delete(job["urls"]["self"], headers=evil).status_code == 403
    assert served.client.get(f"{API}/jobs", headers={"Host": "evil.example"}).status_code == 403
    assert served.client.options(f"{API}/jobs", headers=evil).status_code == 403
    assert served.client.get(job["urls"]["self"]).json() == job
