"""The address of a scheduler, and whether it is safe to connect to it."""

import ipaddress
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.json_files import read_json


def scheduler_address(scheduler: str, *, insecure: bool = False) -> str:
    """The address of a scheduler, given as such (tcp://HOST:PORT, tls://HOST:PORT) or as the JSON file that it wrote.

    Raises InputError for anything else, and for a host other than this one without TLS, unless `insecure`: whoever
    reaches such a scheduler can run programs on its workers.

    >>> scheduler_address("tcp://127.0.0.1:8786")
    'tcp://127.0.0.1:8786'
    """
    address = scheduler
    if "://" not in scheduler:
        path = Path(scheduler)
        if not path.is_file():
            raise InputError(
                f"{scheduler}: a scheduler is given as tcp://HOST:PORT, tls://HOST:PORT or the JSON file that it wrote",
                options=("scheduler",),
            )
        found = read_json(path, "the file of a scheduler", dict).get("address")
        if not isinstance(found, str):
            message = f"{path}: not the file of a scheduler, as it has no address; start one with --scheduler-file"
            raise InputError(message, options=("scheduler",))
        address = found
    protocol, _, rest = address.partition("://")
    host, colon, port = rest.rpartition(":")
    if protocol not in ("tcp", "tls") or not (colon and host and port.isdecimal() and int(port) < 65536):
        message = f"{address}: the address of a scheduler is tcp://HOST:PORT or tls://HOST:PORT"
        raise InputError(message, options=("scheduler",))
    if protocol == "tcp" and not (insecure or _is_loopback(host)):
        raise InputError(
            f"{address}: without TLS, whoever reaches the scheduler can run programs on its workers; start it with "
            "TLS (tls://), or allow it in a network that you trust",
            options=("insecure",),
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
