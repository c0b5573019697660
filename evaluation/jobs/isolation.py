"""What the process that reads uploads may not do: use the network, write core dumps or files without end."""

import resource
import socket
import sys
from typing import Any

LARGEST_FILE_BYTES = 64 << 30
CONNECTING = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}


def isolate() -> None:
    """Refuses the network to this process from now on, and limits its files. Cannot be undone."""
    sys.addaudithook(_refuse_network)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = LARGEST_FILE_BYTES if most == resource.RLIM_INFINITY else min(LARGEST_FILE_BYTES, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in CONNECTING:
        return
    if event != "socket.getaddrinfo" and getattr(arguments[0], "family", None) == socket.AF_UNIX:
        return
    raise PermissionError("a process that reads uploads must not use the network")
