import json
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


def test_info_shows_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["info", "--preset", "covid-3d-unet", "--json"])
    assert json.loads(result.output)["network"]["filters"] == [32, 64, 128, 256, 512]


def test_info_clears_the_prepared_cases(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    entry = tmp_path / "cases" / "one"
    entry.mkdir(parents=True)
    (entry / "image.npy").write_bytes(bytes(3_000_000))
    assert json.loads(CliRunner().invoke(app, ["info", "--json"]).output)["prepared cases"]["megabytes"] == 3.0
    assert CliRunner().invoke(app, ["info", "--clear-cases"]).exit_code == 0
    assert not (tmp_path / "cases").exists()


def test_info_clears_the_prepared_cases_also_where_it_shows_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    (tmp_path / "cases" / "one").mkdir(parents=True)
    assert CliRunner().invoke(app, ["info", "--preset", "demo", "--clear-cases"]).exit_code == 0
    assert not (tmp_path / "cases").exists()
