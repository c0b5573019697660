"""Fixtures of the tests of files and volumes."""

import logging

import pytest

from pneumoseg.data_io.console import log


@pytest.fixture
def said(caplog, monkeypatch):
    """What is logged as a warning or worse, as pytest's caplog: the program's own log does not reach it otherwise."""
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.WARNING, log.name)
    return caplog
