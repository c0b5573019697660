"""What an experiment needs of a kind of prediction: how it is written, read, scored and shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.report.score_figures import Figures, draw_scores
from pneumoseg.evaluation.scoring.columns import Columns


class ScoredCase(Protocol):
    """The scores of one case. A task may return more, for its further tables."""

    @property
    def rows(self) -> list[dict]:
        """Rows of the score table: fold, case, class and the scores."""


@dataclass(frozen=True)
class Scores:
    """The scores of one case, for a task without further tables."""

    rows: list[dict]


class CaseVolumes(Protocol):
    """What a task scores and draws a prediction against: `LoadedCase` is one."""

    @property
    def name(self) -> str:
        """The name of the case."""

    @property
    def image(self) -> Volume | None:
        """The CT volume; None where there is none to show."""

    @property
    def reference(self) -> Volume:
        """The reference mask."""

    @property
    def valid(self) -> Volume | None:
        """Which voxels count, 1 or 0; None where all do."""

    @property
    def labelled(self) -> tuple[str, ...]:
        """The names of the classes that the reference labels, none for all."""

    @property
    def source(self) -> str:
        """Where the case comes from; "" where nothing is known."""


@dataclass(frozen=True)
class CasePictures:
    """The pictures of single cases in a report: `sheets` with captions, and `strips`, film strips by heading."""

    sheets: Figures = field(default_factory=list)
    strips: Mapping[str, Sequence[FilmStrip]] = field(default_factory=dict)


class Task:
    """A kind of prediction: masks (`mask_task.MaskTask`), numbers, labels or others.

    A subclass says what the columns of its scores are, and how a prediction is written, read and scored; the other
    methods have defaults, for a kind without further tables and pictures. Tasks are picklable where folds are computed
    in other processes.
    """

    columns: Columns
    """The columns of its score table."""

    labels: LabelTable | None = None
    """The classes that the masks of cases are read with; None for a task that needs no masks."""

    further_files: tuple[str, ...] = ()
    """Names of the tables that a fold and a run have beside those of scores."""

    def file_name(self, case: str) -> str:
        """The name of a case's file in a fold's predictions/."""
        return f"{case}.json"

    def write(self, path: Path, prediction: Any) -> None:
        """Writes what a method predicted, whole or not at all."""
        raise NotImplementedError

    def read(self, path: Path, case: LoadedCase) -> Any:
        """The prediction as its file holds it: what is measured is what users find there. Raises InputError for a bad
        file."""
        raise NotImplementedError

    def score(self, fold: int, case: Any, prediction: Any) -> ScoredCase:
        """The scores of one prediction; `case`: a `CaseVolumes`."""
        raise NotImplementedError

    def draw(self, folder: Path, case: Any, prediction: Any, *, title: str) -> None:
        """Draws one case into `folder`."""

    def write_further(self, folder: Path, scored: Sequence[Any]) -> None:
        """Writes a fold's `further_files` from what `score` returned for its cases."""

    def merge_further(self, folders: Sequence[Path], target: Path) -> None:
        """Writes the run's `further_files` from those of its folds."""

    def check_alike(self, root: Path, detailed: pd.DataFrame) -> None:
        """Raises InputError where the folds of the run in `root` were scored in different ways."""

    def figures(self, folder: Path, detailed: pd.DataFrame) -> Figures:
        """Draws what concerns all cases to `folder`/figures; captions and paths."""
        return draw_scores(folder, detailed, self.columns)

    def result(self, detailed: pd.DataFrame, final: pd.DataFrame) -> Sequence[str] | None:
        """The parts of the report's section "Result" as HTML; None for one table of all scores."""
        return None

    def warnings(self, detailed: pd.DataFrame) -> Iterable[str]:
        """What is wrong with the scores of a fold, in sentences."""
        return ()

    def by_source(self, detailed: pd.DataFrame) -> pd.DataFrame | None:
        """Scores by source, as of `scoring.sources.source_table`; None where there is nothing to say."""
        return None

    def lines(self, folder: Path) -> str:
        """What a terminal shows of the run's `further_files` in `folder`; "" for nothing."""
        return ""

    def content(self, folder: Path) -> Mapping[str, Any]:
        """The same for JSON: by name, plain numbers and text."""
        return {}

    def further_sections(self, folder: Path) -> Mapping[str, Sequence[str]]:
        """Sections of the report after "Result", by heading, each the parts as HTML. `folder`: of the run's tables."""
        return {}

    def case_pictures(self, detailed: pd.DataFrame, folders: Mapping[tuple[int, str], Path]) -> CasePictures:
        """What the report shows of single cases. `folders`: where `draw` drew, by fold and case."""
        return CasePictures()
