"""Studies as a kind of prediction: the probability of a disease, a severity score, or both, of a whole CT."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_scaled_nifti
from pneumoseg.data_io.formats.probability_maps import STEPS
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import on_grid_of
from pneumoseg.evaluation.experiments.task import CasePictures, Task
from pneumoseg.evaluation.figures.heat_sheet import heat_sheet
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.report.study_pictures import HEADS, extreme_sheets, sheet_path
from pneumoseg.evaluation.report.study_sections import draw_studies, study_result, study_sections
from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row
from pneumoseg.evaluation.scoring.study_prediction_files import checked_prediction, read_prediction
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, prediction_row, write_predictions
from pneumoseg.evaluation.scoring.study_tables import FILES, study_content, study_lines, write_study_tables
from pneumoseg.evaluation.scoring.study_warnings import study_warnings
from pneumoseg.pipeline.methods.study_prediction import ExplainedStudy, StudyPrediction


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

    def write(self, path: Path, prediction: StudyPrediction | ExplainedStudy) -> None:
        """Writes {"probability", "score", "threshold"} as JSON; first, beside it, the maps of an ExplainedStudy to
        CASE.OUTPUT.nii.gz. Raises InputError as `read`."""
        if isinstance(prediction, ExplainedStudy):
            for head, heat in prediction.maps.items():
                levels = np.rint(heat.array * STEPS).astype(np.uint8)
                write_scaled_nifti(_map_beside(path, head), levels, Scan.from_volume(heat), slope=1 / STEPS)
            prediction = prediction.prediction
        content = {name: None if value is None else float(value) for name, value in asdict(prediction).items()}
        checked_prediction(content, f"{path.stem}: a method's prediction")
        write_json(path, content)

    def read(self, path: Path, case: LoadedCase) -> StudyPrediction | ExplainedStudy:
        """The prediction, with its maps where these lie beside it. Raises InputError for other content, where neither a
        probability nor a score is given, and for a map on another grid than the study's."""
        prediction = read_prediction(path)
        files = {head: _map_beside(path, head) for head in HEADS if _map_beside(path, head).is_file()}
        if not files:
            return prediction
        maps = {head: on_grid_of(case.image, read_volume(file), f"study and {file}") for head, file in files.items()}
        return ExplainedStudy(prediction, maps)

    def score(self, fold: int, case: Any, prediction: StudyPrediction | ExplainedStudy) -> ScoredStudy:
        """A row for the label where it is known and predicted, and one for the score. Raises InputError where the case
        is no `Study`."""
        study = case.case if isinstance(case, LoadedCase) else None
        if not isinstance(study, Study):
            raise InputError(f"case {case.name}: a study of a cohort is needed, found another kind of case")
        rows = []
        prediction = _plain(prediction)
        if study.diseased is not None and prediction.probability is not None:
            rows.append(label_row(study.diseased, prediction.probability, prediction.threshold))
        if study.score is not None and prediction.score is not None:
            rows.append(score_row(study.score, prediction.score))
        keys = {"fold": fold, "case": study.name}
        unscored = dict.fromkeys(STUDY_COLUMNS.scores, float("nan"))
        return ScoredStudy([keys | unscored | row for row in rows], prediction_row(fold, study, prediction))

    def draw(self, folder: Path, case: Any, prediction: StudyPrediction | ExplainedStudy, *, title: str) -> None:
        """A sheet of slices under each map of an ExplainedStudy, CASE.OUTPUT.png."""
        if not isinstance(prediction, ExplainedStudy):
            return
        for head, heat in prediction.maps.items():
            sheet = heat_sheet(case.image, heat.array, title=f"{title}: Grad-CAM of the {head}")
            save_figure(sheet, sheet_path(folder, case.name, head), dpi=100)

    def case_pictures(self, detailed: pd.DataFrame, folders: Mapping[tuple[int, str], Path]) -> CasePictures:
        """Grad-CAM of the worst and the best studies, by label and by score."""
        return CasePictures(extreme_sheets(detailed, folders))

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

    def lines(self, folder: Path) -> str:
        """Scores of the label and of the score, categories off, training against test."""
        return study_lines(folder)

    def content(self, folder: Path) -> Mapping[str, Any]:
        """The same tables as rows."""
        return study_content(folder)

    def warnings(self, detailed: pd.DataFrame) -> Iterator[str]:
        """Predictions that are all alike, and test studies of one label alone."""
        return study_warnings(detailed)

    def further_sections(self, folder: Path) -> Mapping[str, Sequence[str]]:
        """The label, the severity score, training against test."""
        return study_sections(folder)


def _plain(prediction: StudyPrediction | ExplainedStudy) -> StudyPrediction:
    return prediction.prediction if isinstance(prediction, ExplainedStudy) else prediction


def _map_beside(path: Path, head: str) -> Path:
    return path.with_name(f"{path.stem}.{head}.nii.gz")
