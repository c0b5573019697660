import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from pneumoseg.scripts.cli import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Example: pneumoseg {name} " in " ".join(result.output.split())


def test_help_imports_nothing_heavy():
    program = (
        "import sys; sys.argv = ['pneumoseg', 'kfold', '--help']\n"
        "from pneumoseg.scripts.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("pneumoseg 0.")


def test_a_command_file_runs_by_itself():
    started = time.monotonic()
    done = subprocess.run([sys.executable, "scripts/info.py", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "prepared cases" in done.stdout
    assert time.monotonic() - started < 30
