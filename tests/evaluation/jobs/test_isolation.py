"""What a worker may not do."""

import subprocess
import sys

ATTEMPT = """
import resource, socket
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
print(refused, other.recv(1), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_no_network_but_sockets_between_processes():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", ATTEMPT], capture_output=True, text=True, check=True)
    assert done.stdout == "[True, True, True, True] b'x' (0, 0)\n"
