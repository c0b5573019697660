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
from pneumoseg.scripts.shared.command import command, flags_of, refuse_flags, value_of
from pneumoseg.scripts.shared.options import Output, Overwrite, Resume, Set, TrustPlugins

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


@command
def exists_already(
    output: Output,
    changes: Set = None,
    trust_plugins: TrustPlugins = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
):
    raise InputError("runs/a: exists already; resume it, overwrite it", options=("resume", "fold", "overwrite"))


def test_flags_by_the_names_of_parameters():
    assert flags_of(exists_already) == {
        "output": "--output", "changes": "--set", "trust_plugins": "--trust-plugins", "resume": "--resume",
        "overwrite": "--overwrite",
    }  # fmt: skip


def test_an_error_ends_with_the_flags_that_help_and_that_the_command_has(capsys):
    with pytest.raises(typer.Exit):
        exists_already(output="runs/a")
    assert capsys.readouterr().err == (
        "error: runs/a: exists already; resume it, overwrite it (--resume, --overwrite)\n"
    )


def test_a_value_that_is_refused_is_named_by_its_flag():
    with pytest.raises(InputError, match=r"^--part: a part is I/N, found 5$") as error, value_of("--part"):
        raise InputError("a part is I/N, found 5", options=("part",))
    assert error.value.options == ("part",)


@pytest.mark.parametrize(
    ("home", "flags"),
    [("file/home", ["--json"]), (None, ["--preset", "demo", "--quiet"])],  # the second needs no TensorFlow
)
def test_without_a_home_folder_commands_use_a_private_one(tmp_path, home, flags):
    (tmp_path / "file").touch()
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "if len(sys.argv) == 1:\n"  # as where neither HOME nor the list of users names one
        "    def nowhere():\n"
        "        raise RuntimeError('no home')\n"
        "    usual, Path.home = Path.home, lambda: Path(os.environ['HOME']) if 'HOME' in os.environ else nowhere()\n"
        f"sys.argv = ['pneumoseg', 'info', *{flags}]\n"
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
    assert (f'"folder": "{folder}/cases"' in done.stdout) is ("--json" in flags)
    assert f" {folder} (PNEUMOSEG_CACHE" in done.stderr
    assert folder.stat().st_mode & 0o777 == 0o700
    assert done.stderr.count("PNEUMOSEG_CACHE") == len(done.stderr.splitlines()) == 1


def test_flags_that_mean_nothing_are_named():
    refuse_flags("no masks here", tta=False, overlap=None, changes=[])
    with pytest.raises(InputError, match=r"^no masks here; leave out") as refused:
        refuse_flags("no masks here", tta=True, overlap=0.0, statistics=False, changes=["a=1"])
    assert refused.value.options == ("tta", "overlap", "changes")
