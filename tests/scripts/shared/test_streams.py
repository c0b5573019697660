"""Commands whose standard streams are closed, full, or unread."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def shell(script: str, cwd: Path, **environment) -> subprocess.CompletedProcess:
    """Runs a line of bash in which $P is the command line."""
    variables = os.environ | {"P": f"{sys.executable} -m pneumoseg.scripts.cli"} | environment
    variables.pop("TF_CPP_MIN_LOG_LEVEL", None)  # set by Keras in this process; the command has its own
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, cwd=cwd, env=variables, check=False
    )


def test_output_that_is_closed_pipe_ends_the_command_quietly(phantoms):
    done = shell(f"$P verify {phantoms} | true", phantoms)
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_finds_no_room_is_an_error(phantoms):
    done = shell(f"$P verify {phantoms} > /dev/full", phantoms)
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> dict[Path, bytes]:
    """The files that a command writes whose streams are open."""
    folder = tmp_path_factory.mktemp("usual")
    shell("$P phantom -o usual --cases 1 --shape 32 32 24", folder)
    files = [path for path in (folder / "usual").rglob("*") if path.is_file()]
    return {path.relative_to(folder / "usual"): path.read_bytes() for path in files}


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_result(tmp_path, usual, closed):
    """Files that are opened take the numbers of closed streams: nothing that is printed may go into them."""
    done = shell(f"$P phantom -o out --cases 1 --shape 32 32 24 {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(usual) >= 2
    for file, content in usual.items():
        assert (tmp_path / "out" / file).read_bytes() == content
    refused = shell(f"$P verify absent {closed}", tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
    ],
)
def test_names_that_are_not_utf_8_are_printed_with_backslashes(phantoms, tmp_path, environment):
    os.symlink(phantoms, os.fsencode(tmp_path) + b"/caf\xe9")
    done = shell("$P verify $'caf\\xe9' && $P verify $'\\xe9'", tmp_path, **environment)
    assert done.returncode == 2, done.stderr
    assert "4 cases, 0 errors" in done.stdout
    assert done.stderr.startswith("error: \\udce9: ")
    assert len(done.stderr.splitlines()) == 1
