"""The examples in docstrings, whose numbers can be checked by eye, hold."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import pneumoseg

ROOT = Path(pneumoseg.__file__).parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")


def modules_with_examples() -> list[str]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if ">>> " in path.read_text("utf-8")
    ]


MEASURES = [f"evaluation.measures.{path.stem}" for path in sorted((ROOT / "evaluation/measures").glob("[a-z]*.py"))]

TRAINING = [f"pipeline.training.{name}" for name in ("losses", "metrics", "schedules")]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_hold(name):
    module = importlib.import_module(f"pneumoseg.{name}")
    result = doctest.testmod(module, optionflags=doctest.FAIL_FAST)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", [*MEASURES, *TRAINING])
def test_every_public_function_has_an_example(name):
    module = importlib.import_module(f"pneumoseg.{name}")
    functions = inspect.getmembers(module, inspect.isfunction)
    own = [(key, one) for key, one in functions if one.__module__ == module.__name__ and not key.startswith("_")]
    assert own
    assert [key for key, one in own if ">>> " not in (one.__doc__ or "")] == []
