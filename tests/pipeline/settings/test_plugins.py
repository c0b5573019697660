import sys

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.pipeline.settings import plugins

SOURCE = """
import functools

def gamma(array, spacing_mm, power=2):
    return array ** power

class Power:
    def __call__(self, array, spacing_mm):
        return array ** 2

partial, instance = functools.partial(gamma, power=3), Power()
"""


@pytest.fixture
def custom_module(tmp_path, monkeypatch):
    """A module `custom_steps` with a function, a partial and a callable instance."""
    (tmp_path / "custom_steps.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "custom_steps.py"
    sys.modules.pop("custom_steps", None)


def test_a_function_is_known_by_the_file_that_defines_it(custom_module):
    assert plugins.source_hash("custom_steps:gamma") == sha256_of(custom_module)


@pytest.mark.parametrize("name", [":gamma", ".custom_steps:gamma", "custom_steps:delta", "no_module:f"])
def test_what_cannot_be_imported_is_refused_by_name(custom_module, name):
    with pytest.raises(InputError, match=f"loss {name}: cannot be imported"):
        plugins.find(name, {}, "loss")


def test_what_cannot_be_called_is_refused_by_name():
    with pytest.raises(InputError, match="loss os:sep: a function or class is needed, found str"):
        plugins.find("os:sep", {}, "loss")


@pytest.mark.parametrize(
    ("name", "found"),
    [("custom_steps:partial", "partial"), ("custom_steps:instance", "Power"), ("numpy:sqrt", "ufunc")],
)
def test_what_no_file_defines_is_refused_by_name(custom_module, name, found):
    with pytest.raises(InputError, match=f"{name}: a function defined in a Python file is needed, found {found}"):
        plugins.source_hash(name)
