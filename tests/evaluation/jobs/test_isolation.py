"""What a worker may not do."""

import platform
import subprocess
import sys

import pytest

from pneumoseg.evaluation.jobs.isolation import SYSTEM_CALLS

ATTEMPT = """
import ctypes, resource, socket, subprocess, sys
from pneumoseg.evaluation.jobs.isolation import isolate
isolate()
refused = []
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    lambda: socket.socket().bind(("127.0.0.1", 0)),
):
    try:
        attempt()
        refused.append(False)
    except PermissionError:
        refused.append(True)
one, other = socket.socketpair()
one.sendall(b"x")
library = ctypes.CDLL(None, use_errno=True)  # as a library without Python
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_UNIX):
    refused.append(library.socket(family, socket.SOCK_DGRAM, 0) < 0)
child = "import ctypes; print(ctypes.CDLL(None).socket(2, 1, 0))"
refused.append(subprocess.run([sys.executable, "-c", child], capture_output=True, check=True).stdout == b"-1\\n")
print(refused, other.recv(1), resource.getrlimit(resource.RLIMIT_CORE))
"""


ELSEWHERE = """
import platform
platform.machine = lambda: "other"
"""


def printed(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif(platform.machine() not in SYSTEM_CALLS, reason="the filter is of other processors")
def test_no_network_but_sockets_between_processes():
    of_python, of_libraries, of_children = [True] * 4, [True, True, True, False], [True]
    assert printed(ATTEMPT) == f"{[*of_python, *of_libraries, *of_children]} b'x' (0, 0)\n"


def test_python_refuses_where_the_kernel_does_not():
    assert printed(ELSEWHERE + ATTEMPT).startswith("[True, True, True, True, ")
