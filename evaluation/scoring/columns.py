"""What the columns of a score table are: the tables, figures and reports of every kind of prediction read it here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pneumoseg.data_io.errors import InputError

KEYS = ("fold", "case", "class")
"""The columns that identify a row in every score table; "class" is what is measured."""


def _no_definitions(classes: Iterable[str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Columns:
    """The columns of the score tables of one kind of prediction.

    `required`: those that every detailed table has, first and in this order, `KEYS` among them; `further`: those after
    them, which a table may lack. `scores`: what is averaged over cases. `text`: columns of text; all others hold
    numbers. `quantities`: numbers that a report lists per case beside the scores. `left_out`: classes that
    comparisons and box plots leave out. `later`: scores that were added, whose statistics come last in the final table.

    Of the scores: `leading` are shown with intervals and compared by default, the first one also case by case and
    class by class; `brief` are the further ones that a terminal shows; `drawn` have box plots; `errors` are 0 or more
    and the less the better; `differences` are best at 0; all others lie between 0 and 1 and the more the better.

    `conditions`: by score, the column that must be equal in two runs that are compared; `reference`: columns that
    describe the reference alone, and differ only where the references do. `titles`, `definitions`: of each column but
    the keys, for readers; `preamble`: what stands before the definitions. `places`: decimal places of columns, 3 where
    none are given. `class_definitions`: from the classes of a table, what those of them are that need an explanation.
    """

    required: tuple[str, ...]
    scores: tuple[str, ...]
    leading: tuple[str, ...]
    titles: Mapping[str, str]
    definitions: Mapping[str, str]
    further: tuple[str, ...] = ()
    brief: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    reference: tuple[str, ...] = ()
    preamble: str = ""
    places: Mapping[str, int] = field(default_factory=dict)
    class_definitions: Callable[[Iterable[str]], Mapping[str, str]] = _no_definitions

    def __post_init__(self) -> None:
        if self.required[: len(KEYS)] != KEYS or not self.leading:
            raise InputError(
                f"required columns begin with {', '.join(KEYS)} and one score or more is leading, found "
                f"{', '.join(self.required)} and {', '.join(self.leading) or 'none'}"
            )
        for kind in ("scores", "leading", "brief", "drawn", "errors", "differences", "quantities", "text"):
            names = set(getattr(self, kind))
            if unknown := names - set(self.all if kind in ("scores", "quantities", "text") else self.scores):
                raise InputError(f"{kind} are columns of the table, found also {', '.join(sorted(unknown))}")
        for kind, texts in (("title", self.titles), ("definition", self.definitions)):
            if missing := [name for name in (*self.scores, *self.quantities) if name not in texts]:
                raise InputError(f"each score and quantity has a {kind}, missing: {', '.join(missing)}")

    @property
    def all(self) -> tuple[str, ...]:
        """Every column of the detailed table, in order."""
        return self.required + self.further

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers but the fold."""
        return tuple(column for column in self.all if column not in (*KEYS, *self.text))

    @property
    def main(self) -> str:
        """The score that stands for all where only one is shown."""
        return self.leading[0]

    @property
    def comparable(self) -> tuple[str, ...]:
        """Scores with a better end. Differences have none: the best of them lies in the middle, at 0."""
        return tuple(score for score in self.scores if score not in self.differences)

    def lower_is_better(self, score: str) -> bool:
        """Whether less of the score is better."""
        return score in self.errors

    def decimal_places(self, column: str) -> int:
        """The decimal places that a column is shown with."""
        return self.places.get(column, 3)
