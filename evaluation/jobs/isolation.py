"""What the process that reads uploads may not do: use the network, write core dumps or files without end."""

import ctypes
import errno
import platform
import resource
import socket
import struct
import sys
from typing import Any

from pneumoseg.data_io.console import log

LARGEST_FILE_BYTES = 64 << 30
CONNECTING = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}


def isolate() -> None:
    """Refuses the network to this process and those that it starts from now on, and limits its files. Cannot be undone.

    Under Linux the kernel refuses the network, whichever library asks for it; elsewhere Python does.
    """
    if sys.platform == "linux" and platform.machine() in SYSTEM_CALLS:
        _filter_system_calls(*SYSTEM_CALLS[platform.machine()])
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


# Names and numbers of linux/audit.h, linux/filter.h, linux/seccomp.h, linux/prctl.h and asm/unistd.h.
AUDIT_X86_64, AUDIT_AARCH64 = 0xC000003E, 0xC00000B7
SYSTEM_CALLS = {"x86_64": (AUDIT_X86_64, 41, 317), "aarch64": (AUDIT_AARCH64, 198, 277)}
"""By processor: its mark, and the numbers of the system calls socket and seccomp."""
IO_URING_SETUP = 425
OTHER_NUMBERING = 0x40000000
"""Where the numbers of a second interface of x86-64 begin (x32)."""
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, PROCESSOR_AT, FIRST_ARGUMENT_AT = 0, 4, 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
NO_NEW_PRIVILEGES = 38
SET_FILTER, ALL_THREADS = 1, 1


def _filter(processor: int, socket_call: int) -> bytes:
    """A filter of system calls: sockets between processes of this machine (AF_UNIX) are allowed, others are refused,
    and what could make them in another way."""
    steps = (
        (LOAD, 0, 0, PROCESSOR_AT),
        (EQUAL, 0, 7, processor),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, 5, 0, OTHER_NUMBERING),
        (EQUAL, 4, 0, IO_URING_SETUP),
        (EQUAL, 0, 2, socket_call),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (EQUAL, 0, 1, socket.AF_UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _filter_system_calls(processor: int, socket_call: int, seccomp_call: int) -> None:
    """Sets the filter for all threads of this process; a warning where the kernel has none."""
    program = _filter(processor, socket_call)
    library = ctypes.CDLL(None, use_errno=True)
    kept = ctypes.create_string_buffer(program, len(program))
    given = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    if library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.syscall(seccomp_call, SET_FILTER, ALL_THREADS, given):
        log.warning(
            "the kernel sets no filter of system calls (%s): Python alone refuses the network", ctypes.get_errno()
        )
