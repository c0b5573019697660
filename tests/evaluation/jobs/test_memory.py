"""Memory by the system's counts."""

import os
import subprocess
import sys

import pytest

from pneumoseg.evaluation.jobs.memory import resident_bytes


def test_a_process_and_its_children_are_counted():
    before = resident_bytes(os.getpid())
    assert before > 1 << 20
    hoard = "import sys; one = b'1' * (100 << 20); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hoard], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert resident_bytes(child.pid) > 100 << 20
        assert resident_bytes(os.getpid()) - before > 90 << 20
        child.stdin.close()


@pytest.mark.parametrize("process", [2**22 + 1, 0])
def test_a_process_that_is_gone_takes_none(process):
    assert resident_bytes(process) == 0
