"""Studies as a kind of prediction: the probability of a disease, a severity score, or both, of a whole CT."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.evaluation.experiments.task import Task
from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.report.study_sections import draw_studies, study_result, study_sections
from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, prediction_row, write_predictions
from pneumoseg.evaluation.scoring.study_tables import FILES, write_study_tables
from pneumoseg.evaluation.scoring.study_warnings import study_warnings
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

LARGEST = {"probability": 1.0, "score": 100.0, "threshold": 1.0}
FIELDS = tuple(field.name for field in fields(StudyPrediction))


@dataclass(frozen=True)
class ScoredStudy:
    """The scores of a study, at most a row for its label and one for its score, and its row of predictions.csv."""

    rows: list[dict]
    prediction: dict


@dataclass(frozen=True)
class StudyTask(Task):
    """Predictions of studies (`data_io.datasets.studies.Study`), as JSON files, scored against the table of the cohort.
    What that table or the prediction does not say is not scored."""

    columns = STUDY_COLUMNS
    further_files = (PREDICTIONS, *FILES)

    def write(self, path: Path, prediction: StudyPrediction) -> None:
        """Writes {"probability", "score", "threshold"} as JSON. Raises InputError as `read`."""
        content = {name: None if value is None else float(value) for name, value in asdict(prediction).items()}
        checked_prediction(content, f"{path.stem}: a method's prediction")
        write_json(path, content)

    def read(self, path: Path, case: LoadedCase) -> StudyPrediction:
        """Raises InputError for other content, and where neither a probability nor a score is given."""
        return checked_prediction(read_json(path, "the prediction of a study", dict), f"{path}")

    def score(self, fold: int, case: Any, prediction: StudyPrediction) -> ScoredStudy:
        """A row for the label where it is known and predicted, and one for the score. Raises InputError where the case
        is no `Study`."""
        study = case.case if isinstance(case, LoadedCase) else None
        if not isinstance(study, Study):
            raise InputError(f"case {case.name}: a study of a cohort is needed, found another kind of case")
        rows = []
        if study.diseased is not None and prediction.probability is not None:
            rows.append(label_row(study.diseased, prediction.probability, prediction.threshold))
        if study.score is not None and prediction.score is not None:
            rows.append(score_row(study.score, prediction.score))
        keys = {"fold": fold, "case": study.name}
        unscored = dict.fromkeys(STUDY_COLUMNS.scores, float("nan"))
        return ScoredStudy([keys | unscored | row for row in rows], prediction_row(fold, study, prediction))

    def write_further(self, folder: Path, scored: Sequence[ScoredStudy]) -> None:
        """Writes predictions.csv and the tables of `study_tables` of a fold."""
        write_predictions(folder / PREDICTIONS, [one.prediction for one in scored])

    def merge_further(self, folders: Sequence[Path], target: Path) -> None:
        """All predictions, and the tables of them all."""
        write_study_tables(folders, target)

    def figures(self, folder: Path, detailed: pd.DataFrame) -> Figures:
        """Curves and confusion of the label, agreement and categories of the score."""
        return draw_studies(folder)

    def result(self, detailed: pd.DataFrame, final: pd.DataFrame) -> list[str]:
        """Means over studies of what each of them has: accuracy, Brier score, errors."""
        return study_result(final)

    def warnings(self, detailed: pd.DataFrame) -> Iterator[str]:
        """Predictions that are all alike, and test studies of one label alone."""
        return study_warnings(detailed)

    def further_sections(self, folder: Path) -> Mapping[str, Sequence[str]]:
        """The label, the severity score, training against test."""
        return study_sections(folder)


def checked_prediction(content: Mapping, origin: str) -> StudyPrediction:
    """The prediction with these fields. Raises InputError for other fields, values out of range, and where neither a
    probability nor a score is given; `origin` names it there."""
    if set(content) != set(FIELDS):
        raise InputError(f"{origin}: a prediction of a study has {', '.join(FIELDS)}; found {', '.join(content)}")
    for name, limit in LARGEST.items():
        value = content[name]
        if value is None and name != "threshold":
            continue
        if type(value) not in (int, float) or not 0 <= value <= limit:
            raise InputError(f"{origin}: {name} lies between 0 and {limit:g}, found {value}")
    if content["probability"] is None and content["score"] is None:
        raise InputError(f"{origin}: a probability, a score or both are needed, found neither")
    return StudyPrediction(**content)
