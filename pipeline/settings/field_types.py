"""Types of settings: numbers within limits, ascending ranges, and the frozen group of settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LARGEST = 1e6
"""Upper limit of all numbers but the seed: products of settings stay far from the limits of their types."""

LEAST_WIDTH = 1e-3
Level = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Window = tuple[Level, Level]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(ge=1e-12, le=LARGEST)]
Count = Annotated[int, Field(ge=1, le=int(LARGEST))]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
NotNegativeCount = Annotated[int, Field(ge=0, le=int(LARGEST))]
Spacing = Annotated[float, Field(ge=0.05, le=50)]
ClassNumber = Annotated[int, Field(ge=0, le=255)]
Name = Annotated[str, Field(max_length=200)]
PositiveRange = tuple[Positive, Positive]
NotNegativeRange = tuple[NotNegative, NotNegative]
Labels = Annotated[tuple[Annotated[int, Field(ge=1, le=255)], ...], Field(max_length=255)]
Plugins = Annotated[tuple[Name, ...], Field(max_length=100)]
Pairs = Annotated[
    tuple[tuple[Annotated[int, Field(ge=-(2**31), lt=2**31)], ClassNumber], ...],
    BeforeValidator(lambda value: tuple(value.items()) if isinstance(value, dict) else value),
]
"""Whole numbers and the class of each, given as a mapping or as pairs."""
Weights = Annotated[
    tuple[tuple[Name, Positive], ...],
    BeforeValidator(lambda value: tuple(value.items()) if isinstance(value, dict) else value),
]
"""Names and the weight of each, given as a mapping or as pairs."""
Axes = Annotated[tuple[Literal[0, 1, 2], ...], Field(max_length=3)]


class Group(BaseModel):
    """A group of related settings: frozen, without extra fields, all numbers finite.

    The ends of a `Window` differ; those of other ranges may be equal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ranges_ascend(self):
        for name, value in self:
            kind = type(self).model_fields[name].annotation
            if kind == Window and value[1] - value[0] < LEAST_WIDTH:
                raise ValueError(
                    f"{name}: a window begins at its lower end and is {LEAST_WIDTH:g} wide or wider, "
                    f"found {list(value)}"
                )
            if kind in (PositiveRange, NotNegativeRange) and value[0] > value[1]:
                raise ValueError(f"{name}: a range ascends, found {list(value)}")
        return self
