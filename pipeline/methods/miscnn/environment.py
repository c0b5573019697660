"""The environment that MIScnn 1.4.0 runs in: its frozen packages (Python 3.11) can live in no other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.cache import cache_folder

MISCNN = "miscnn==1.4.0"
PYTHON = (3, 11)
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
BEGUN, MARK = "miscnn-1.4.0-begun", "miscnn-1.4.0-installed"


def default_folder() -> Path:
    """Where the environment lies by default."""
    return cache_folder() / "miscnn-1.4.0"


def environment(folder: Path) -> Path:
    """The Python interpreter of MIScnn's environment in `folder`, which is made there unless it is finished already.

    The file `miscnn-1.4.0-installed`, written last, says that it is finished; what an interruption left is made again.
    A second process waits for the first. Raises InputError where there is no Python 3.11, where `folder` holds
    something else and where the installation fails.
    """
    if not (folder / MARK).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not (folder / MARK).is_file():
                _make(folder)
    return _python(folder)


def interpreter() -> str:
    """A Python 3.11: this one, or the one on the PATH. Raises InputError where there is none."""
    path = sys.executable if sys.version_info[:2] == PYTHON else shutil.which("python3.11")
    if not path:
        raise InputError(
            "MIScnn 1.4.0 runs on Python 3.11 alone, and there is no python3.11 on the PATH: install it with its venv "
            "module (packages python3.11 and python3.11-venv, or pyenv, conda or uv)"
        )
    return path


def _make(folder: Path) -> None:
    # Only what this function began may be removed: a given folder may be an existing environment.
    if folder.exists() and not (folder / BEGUN).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder}: holds something else than an environment of MIScnn; choose another folder"
        raise InputError(message, options=("environment",))
    base = interpreter()
    log.info("Making an environment for MIScnn 1.4.0 in %s: some minutes and about 2 GB, once.", folder)
    python = str(_python(folder))
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / BEGUN).touch()
    _run("its virtual environment", [base, "-I", "-m", "venv", str(folder)])
    log.info("Installing the packages that MIScnn needs.")
    _run("its packages", [*pip, "-r", str(REQUIREMENTS)])
    log.info("Installing %s.", MISCNN)
    # What it declares cannot be installed any more; what it needs is there.
    _run("MIScnn itself", [*pip, "--no-deps", MISCNN])
    _run("a first import", [python, "-I", "-c", "import miscnn"])
    (folder / MARK).touch()


def _run(part: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise InputError(
            f"MIScnn's environment: {part} failed ({lines[-1].strip()}); fix this and run the command again, or give "
            "the folder of a finished environment",
            options=("environment",),
        )


def _python(folder: Path) -> Path:
    # Absolute, but not resolved: what the link in the environment points to is Python without MIScnn.
    folder = folder.absolute()
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"
