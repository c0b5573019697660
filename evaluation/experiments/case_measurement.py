"""One case measured: its prediction read, scored and drawn while its volumes are in memory."""

from pathlib import Path
from typing import Any

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.evaluation.experiments.task import CaseVolumes, ScoredCase, Task
from pneumoseg.evaluation.runs.run_folder import RunFolder


def measure_case(run: RunFolder, fold: int, task: Task, case: LoadedCase, *, pictures: Path | None) -> ScoredCase:
    """Reads the prediction of a test case from its file, scores it and draws it into the folder `pictures`."""
    prediction = task.read(run.prediction(fold, task.file_name(case.name)), case)
    title = f"{case.name}, fold {fold}"
    return score_and_draw(task, case, prediction, fold=fold, pictures=pictures, title=title)


def score_and_draw(
    task: Task, case: CaseVolumes, prediction: Any, *, fold: int, pictures: Path | None, title: str
) -> ScoredCase:
    """Scores one prediction and draws it into the folder `pictures`; None draws nothing."""
    scored = task.score(fold, case, prediction)
    if pictures is not None:
        task.draw(pictures, case, prediction, title=title)
    return scored
