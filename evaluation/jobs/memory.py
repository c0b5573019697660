"""The memory that a process and those that it started take, by the system's own counts."""

import os
from contextlib import suppress
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(process: int) -> int:
    """Resident memory of a process and its descendants; 0 where it is gone or the system has no /proc."""
    total = 0
    with suppress(OSError, ValueError, IndexError):
        total = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * PAGE_BYTES
        for thread in Path(f"/proc/{process}/task").iterdir():
            children = (thread / "children").read_text("ascii").split()
            total += sum(resident_bytes(int(child)) for child in children)
    return total
