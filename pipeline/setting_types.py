"""What groups of settings are made of: numbers within limits, ranges that ascend, and the frozen group itself."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Window = tuple[float, float]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
PositiveRange = tuple[Positive, Positive]
NotNegativeRange = tuple[NotNegative, NotNegative]


class Group(BaseModel):
    """Settings that belong together: they cannot be changed, and no others can be added.

    The ends of a `Window` differ; those of other ranges may be equal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="after")
    def _ranges_ascend(self):
        for name, value in self:
            kind = type(self).model_fields[name].annotation
            if kind == Window and value[0] >= value[1]:
                raise ValueError(f"{name}: a window begins at its lower end, found {list(value)}")
            if kind in (PositiveRange, NotNegativeRange) and value[0] > value[1]:
                raise ValueError(f"{name}: a range ascends, found {list(value)}")
        return self
