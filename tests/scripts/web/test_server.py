import socket

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.web.server import listen
from tests.scripts.web.served import serving


def test_an_address_that_is_taken_or_elsewhere_is_one_line():
    with listen("127.0.0.1", 0) as listening:
        listening.listen()
        port = listening.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be listened on"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match="cannot be listened on"):
        listen("192.0.2.1", 0)
    with pytest.raises(InputError, match="cannot be listened on"):
        listen("no such host.invalid", 0)


def test_the_other_protocol_of_this_machine():
    try:
        with listen("::1", 0) as listening:
            assert listening.family == socket.AF_INET6
    except InputError:
        pytest.skip("this machine has no IPv6")


def test_what_is_being_answered_is_answered_before_the_end(tmp_path):
    with serving(tmp_path) as served:
        job = served.finished()
        answer = served.client.get(job["urls"]["self"])
    assert answer.json() == job
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.port))
