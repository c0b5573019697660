"""An environment that is finished and has this Python in it."""

import sys
from pathlib import Path

import pytest

STUB = Path(__file__).with_name("stub_worker.py")


@pytest.fixture
def stub_environment(tmp_path, monkeypatch) -> Path:
    """The folder of an environment in which the stub runs in place of the worker."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "miscnn-1.4.0-installed").touch()
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr("pneumoseg.pipeline.methods.miscnn.method.WORKER", STUB)
    return folder
