"""What groups of settings are made of."""

import math

import pytest
from pydantic import ValidationError

from pneumoseg.pipeline.settings.field_types import (
    ClassNumber,
    Count,
    Group,
    NotNegativeRange,
    Positive,
    PositiveRange,
    Share,
    Spacing,
    Window,
)


class Example(Group):
    window: Window = (-1250.0, 250.0)
    scale: PositiveRange = (0.9, 1.1)
    noise: NotNegativeRange = (0.0, 0.0)
    share: Share = 0.5
    count: Count = 1
    rate: Positive = 0.1
    spacing: Spacing = 1.0
    label: ClassNumber = 3


def test_limits_themselves_are_allowed():
    lowest = Example(share=0, count=1, rate=1e-12, spacing=0.05, label=0)
    highest = Example(share=1, count=1_000_000, rate=1e6, spacing=50, label=255)
    assert (lowest.share, highest.share) == (0, 1)
    assert (lowest.spacing, highest.label) == (0.05, 255)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("share", -0.01), ("share", 1.01), ("count", 0), ("count", 1_000_001), ("count", 1.5), ("rate", 0)),
        *(("rate", 2e6), ("spacing", 0.04), ("spacing", 51), ("label", -1), ("label", 256)),
        *(("share", math.nan), ("window", (-math.inf, 0)), ("scale", (0, 1)), ("noise", (-1, 1))),
    ],
)
def test_beyond_the_limits_is_refused(name, value):
    with pytest.raises(ValidationError) as caught:
        Example(**{name: value})
    assert caught.value.errors()[0]["loc"][0] == name


def test_the_ends_of_a_window_differ():
    assert Example(window=(0, 0.002)).window == (0, 0.002)
    with pytest.raises(ValidationError, match=r"window: .* 0\.001 wide or wider, found \[5\.0, 5\.0\]"):
        Example(window=(5, 5))


def test_other_ranges_ascend_or_are_one_number():
    assert Example(scale=(1, 1), noise=(0, 0)).scale == (1, 1)
    with pytest.raises(ValidationError, match=r"scale: a range ascends, found \[1\.1, 0\.9\]"):
        Example(scale=(1.1, 0.9))


def test_a_group_is_frozen_and_takes_no_other_names():
    with pytest.raises(ValidationError, match="frozen"):
        Example().share = 0.1
    with pytest.raises(ValidationError, match="shares"):
        Example(shares=0.1)
