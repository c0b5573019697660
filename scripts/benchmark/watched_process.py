"""A process in a session of its own: what it changes in its folder, and what it leaves running."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ORPHANS_END_WITHIN_S = 5.0


def start(line: Sequence[str], work: Path, environment: Mapping[str, str]) -> subprocess.Popen:
    """Starts a process in `work`, in a session of its own, by which the processes are found that it starts; what it
    prints goes to output.txt there."""
    with open(work / "output.txt", "wb") as output:
        return subprocess.Popen(
            line, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=work
        )


def changes(process: subprocess.Popen, work: Path) -> Iterator[bool]:
    """While the process lives, every few milliseconds: whether files came or went in `work` since the last time."""
    before = _names(work)
    while process.poll() is None:
        now = _names(work)
        yield now != before
        before = now
        time.sleep(0.002)


def _names(folder: Path) -> set[str]:
    return {os.path.join(place, name) for place, _, names in os.walk(folder) for name in names}


def end_orphans(session: int) -> list[str]:
    """Processes of a session that are still there after five seconds; they are ended."""
    until = time.monotonic() + ORPHANS_END_WITHIN_S
    while (left := _of_session(session)) and time.monotonic() < until:
        time.sleep(0.1)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return [f"process {process}" for process in left]


def _of_session(session: int) -> list[int]:
    processes = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name.isdecimal() and fields[3] == str(session) and fields[0] != "Z":
            processes.append(int(entry.name))
    return processes
