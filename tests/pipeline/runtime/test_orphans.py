"""Worker processes do not outlive the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pneumoseg

POOL = """
import os, sys, time
from {module} import {executor}
import pneumoseg
from pneumoseg.pipeline.runtime.processes import end_with_parent
pool = {executor}(2, initializer=end_with_parent, initargs=(os.getpid(),))
print(*sorted(set(pool.map(lambda _: (time.sleep(0.5), os.getpid())[1], range(2)))), flush=True)
pool.submit(time.sleep, 60) if sys.argv[1] == "busy" else None
time.sleep(60)
"""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_workers_end_soon_after_their_parent_is_killed(state):
    code = POOL.format(module="loky", executor="ProcessPoolExecutor")
    parent = subprocess.Popen(
        [sys.executable, "-c", code, state], stdout=subprocess.PIPE, text=True, cwd=Path(pneumoseg.__file__).parent
    )
    with parent:
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert workers and all(map(alive, workers)) and os.getpid() not in workers
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
