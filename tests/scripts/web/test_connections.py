"""Connections: slow ones end, too many are refused, and what is no HTTP is answered."""

import socket
import time

from pneumoseg.scripts.web.connections import whole_answer
from pneumoseg.scripts.web.limits import Limits
from tests.scripts.web.served import API, CT, serving


def answer_to(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_refusal_has_all_headers():
    answer = whole_answer(408, "Too slow.")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b'{"error": "Too slow."}'
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\nContent-Security-Policy: default-src 'none'")
    assert b"\r\nContent-Length: 22\r\n" in head


def test_what_is_no_http_is_400(served):
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"):
        with connected(served.port) as connection:
            connection.sendall(sent + b"\r\n\r\n")
            assert b'{"error": "This is no HTTP request."}' in answer_to(connection)


def test_large_headers_are_refused(served):
    with connected(served.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000)
        assert answer_to(connection).startswith(b"HTTP/1.1 400 ")


def test_slow_requests_and_silent_connections_end(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, request_s=0.5)) as served:
        started = time.monotonic()
        silent, slow, again = (connected(served.port) for _ in range(3))
        again.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert again.recv(65536).startswith(b"HTTP/1.1 200 ")
        for part in (b"GET / HTTP/1.1\r\n", b"Host: localhost\r\n", b"X: 1\r\n"):
            slow.sendall(part)
            again.sendall(part)
        for connection in (silent, slow, again):
            with connection:
                assert b"HTTP/1.1 408 " in answer_to(connection)
        assert time.monotonic() - started < 10
        served.finished()  # requests take longer than that when they are there


def test_too_many_connections_are_refused(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, connections=3)) as served:
        held = [connected(served.port) for _ in range(3)]
        time.sleep(0.2)
        with connected(served.port) as connection:
            answer = answer_to(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'{"error": "Too many connections are open; try again later."}' in answer
        for one in held:
            one.close()
        deadline = time.monotonic() + 5
        while served.client.get(f"{API}/health").status_code != 200:
            assert time.monotonic() < deadline


def test_readers_that_do_not_read_are_left(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, patience_s=0.5)) as served:
        job = served.finished(CT + bytes(30_000_000))
        with connected(served.port) as connection:
            request = f"GET {job['urls']['results']}/mask.nii.gz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            connection.sendall(request.encode())
            time.sleep(2)
            read = 0
            try:
                while piece := connection.recv(2**20):
                    read += len(piece)
            except ConnectionResetError:
                pass
            assert read < 30_000_000
        whole = served.client.get(f"{job['urls']['results']}/mask.nii.gz")
        assert len(whole.content) == 30_000_009
