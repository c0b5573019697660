import doctest
import pickle

import pytest

from pneumoseg.data_io import errors
from pneumoseg.data_io.errors import InputError, nearest, options_of


def test_the_example_of_the_class():
    assert doctest.testmod(errors) == (0, 3)


def test_options_cross_processes():
    error = pickle.loads(pickle.dumps(InputError("run: exists already", options=["resume"])))
    assert (str(error), error.options) == ("run: exists already", ("resume",))


def test_other_errors_have_no_options():
    assert options_of(InputError("run: exists already", options=["resume"])) == ("resume",)
    assert options_of(InputError("run: exists already")) == options_of(OSError("no space left")) == ()


@pytest.mark.parametrize(
    ("name", "valid", "end"),
    [
        ("epoch", ("epochs", "seed"), "; did you mean epochs?"),
        ("x", ("epochs", "seed"), "; valid names: epochs, seed"),
        ("x", (), ""),
    ],
)
def test_an_unknown_name_is_answered_with_valid_ones(name, valid, end):
    assert nearest(name, valid) == end
