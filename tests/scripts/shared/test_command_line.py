"""How commands end, whatever happens in them or around them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command_line import command

REPOSITORY = Path(pneumoseg.__file__).parent


def too_large():
    np.empty(2**56)


def too_deep():
    return too_deep()


def interrupted():
    raise KeyboardInterrupt


def refused():
    raise InputError("a.nii.gz:\n  no such file")


def half_written():
    raise OSError(28, "No space left on device", "/out/.partial-12-a.nii.gz")


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (refused, 2, "error: a.nii.gz: no such file"),
        (half_written, 2, "error: [Errno 28] No space left on device: '/out/a.nii.gz'"),
        (too_large, 2, "error: there is not enough memory (Unable to allocate 512. PiB for an array with shape"),
        (too_deep, 2, "error: something is nested too deeply (maximum recursion depth exceeded"),
        (interrupted, 130, "error: interrupted"),
    ],
)
def test_what_goes_wrong_ends_in_one_line_and_its_exit_code(function, code, words):
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command(function))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith(words)
    assert len(result.stderr.splitlines()) == 1


def shell(script: str, cwd: Path, **environment) -> subprocess.CompletedProcess:
    """Runs a line of bash in which $P is the command line."""
    variables = os.environ | {"P": f"{sys.executable} -m pneumoseg.scripts.cli"} | environment
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, cwd=cwd, env=variables, check=False
    )


def test_output_that_nobody_reads_ends_the_command_quietly(tmp_path):
    done = shell("$P info --preset demo | true", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_finds_no_room_is_an_error(tmp_path):
    done = shell("$P info --preset demo > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_result(tmp_path, closed):
    """Files that are opened take the numbers of closed streams: nothing that is printed may go into them."""
    done = shell(f"$P phantom out --cases 1 --shape 32 32 24 {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    shell("$P phantom usual --cases 1 --shape 32 32 24", tmp_path)
    files = sorted(path.relative_to(tmp_path / "usual") for path in (tmp_path / "usual").rglob("*") if path.is_file())
    assert len(files) >= 2
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "usual" / file).read_bytes()
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


@pytest.mark.parametrize("home", [None, "file/home"])
def test_without_a_home_folder_commands_use_a_private_one(phantoms, tmp_path, home):
    (tmp_path / "file").touch()
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "if len(sys.argv) == 1:\n"  # as where neither HOME nor the list of users names one
        "    def nowhere():\n"
        "        raise RuntimeError('no home')\n"
        "    usual, Path.home = Path.home, lambda: Path(os.environ['HOME']) if 'HOME' in os.environ else nowhere()\n"
        "sys.argv = ['pneumoseg', 'info', '--json']\n"
        "from pneumoseg.scripts.cli import main\n"
        "main()\n"
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HOME", "PNEUMOSEG_CACHE", "TF_CPP_MIN_LOG_LEVEL")
    }
    kept |= {"TMPDIR": str(tmp_path)} | ({"HOME": str(tmp_path / home)} if home else {})
    arguments = [sys.executable, "-c", program, *([home] if home else [])]
    done = subprocess.run(arguments, capture_output=True, text=True, env=kept, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / f"pneumoseg-{os.getuid()}"
    assert f'"folder": "{folder}/cases"' in done.stdout
    assert folder.stat().st_mode & 0o777 == 0o700
    assert done.stderr.count("PNEUMOSEG_CACHE") == len(done.stderr.splitlines()) == 1
