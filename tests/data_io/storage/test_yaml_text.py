"""YAML of a person is read as plain values, or refused in one line."""

import time

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.yaml_text import parse_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)


def test_plain_values_are_given_back():
    text = "seed: 3\nlabels: {names: [a, 2020-01-01], share: 1.5e-3}\nshape: null\nmore: true\n"
    assert parse_yaml(text, "settings") == {
        "seed": 3,
        "labels": {"names": ["a", "2020-01-01"], "share": 0.0015},
        "shape": None,
        "more": True,
    }
    assert parse_yaml("", "settings") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "no aliases"),
        ("a: &a [*a]", "no aliases"),
        ("base: &b {x: 1}\nother: {<<: *b}", "no aliases"),
        ("a: " + "[" * 100_000, "more than 20 levels"),
        ("".join(f"{' ' * level}a:\n" for level in range(500)), "more than 20 levels"),
        ("a: [" + "1, " * 20_000 + "]", "more than 10,000"),
        ("a: 1\nb: 2\na: 3", "a is given twice"),
        ("a: [", "not YAML"),
        (f"a: {'9' * 5000}", "4300 digits"),
        ("a: !!int many", "invalid literal"),
        ("a: !!timestamp soon", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("? {a: b}\n: 1", "unhashable"),
        ("\x00", "not YAML"),
        ("# " + "x" * 1_000_001, "at most 1,000,000 characters"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_at_once(text, message):
    started = time.monotonic()
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(text, "settings mine.yaml")
    assert str(caught.value).startswith("settings mine.yaml: ")
    assert len(str(caught.value)) < 400
    assert time.monotonic() - started < 10
