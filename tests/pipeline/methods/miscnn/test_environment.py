"""The environment is made by a Python that only notes what it is asked."""

import sys

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.methods.miscnn import environment
from pneumoseg.pipeline.methods.miscnn.environment import MISCNN, REQUIREMENTS

FAKE = """#!/bin/sh
echo "$*" >> "{calls}"
case "$*" in
  *"{fails}"*) echo "first words" >&2; echo "ERROR: told to fail" >&2; exit 1;;
  *"-m venv"*) for folder; do :; done
    mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"; touch "$folder/pyvenv.cfg";;
esac
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A function that puts the fake Python in place; `fails`: part of the call that fails. Returns the calls so far."""

    def put(fails: str = "never"):
        python, calls = tmp_path / "python3.11", tmp_path / "calls"
        python.write_text(FAKE.format(calls=calls, fails=fails), encoding="utf-8")
        python.chmod(0o755)
        monkeypatch.setattr(environment, "interpreter", lambda: str(python))
        return lambda: calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    return put


def test_it_is_made_once(fake, tmp_path):
    calls, folder = fake(), tmp_path / "cache" / "miscnn"
    assert environment.environment(folder) == folder / "bin" / "python"
    venv, packages, miscnn, trial = calls()
    assert venv.endswith(f"-m venv {folder}")
    assert packages.endswith(f"-r {REQUIREMENTS}")
    assert miscnn.endswith(f"--no-deps {MISCNN}")
    assert trial.endswith("-c import miscnn")
    assert all(call.startswith("-I ") for call in calls())
    assert (folder / "miscnn-1.4.0-installed").is_file()
    environment.environment(folder)
    assert len(calls()) == 4


@pytest.mark.parametrize(
    ("fails", "part"),
    [
        ("-m venv", "virtual environment"),
        (" -r ", "packages"),
        ("--no-deps", "MIScnn itself"),
        ("import miscnn", "first import"),
    ],
)
def test_a_failure_is_told_by_its_last_line_and_mended_by_another_try(fake, tmp_path, fails, part):
    fake(fails)
    with pytest.raises(InputError, match=rf"{part} failed \(ERROR: told to fail\)"):
        environment.environment(tmp_path / "miscnn")
    assert not (tmp_path / "miscnn" / "miscnn-1.4.0-installed").exists()
    fake()
    assert environment.environment(tmp_path / "miscnn").is_file()


def test_a_folder_with_something_else_is_left_alone(fake, tmp_path):
    calls = fake()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        environment.environment(tmp_path)
    with pytest.raises(InputError, match="something else"):
        environment.environment(tmp_path / "thesis.txt")
    own = tmp_path / "own"
    (own / "lib").mkdir(parents=True)
    (own / "pyvenv.cfg").touch()
    with pytest.raises(InputError, match="something else"):
        environment.environment(own)
    assert (own / "lib").is_dir()
    assert calls() == []


def test_another_python_is_looked_for_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no python3\.11 on the PATH: install it"):
        environment.interpreter()
    (tmp_path / "python3.11").write_text("#!/bin/sh\n")
    (tmp_path / "python3.11").chmod(0o755)
    assert environment.interpreter() == str(tmp_path / "python3.11")
    monkeypatch.setattr(sys, "version_info", (3, 11, 9))
    assert environment.interpreter() == sys.executable


def test_it_lies_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    assert environment.default_folder() == tmp_path / "miscnn-1.4.0"


def test_every_requirement_is_pinned():
    lines = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 5
    assert all(line.count("==") == 1 for line in lines)
