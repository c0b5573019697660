"""A method and a task that know no masks: one number per case, the mean of its image."""

import json
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.evaluation.experiments.task import Scores, Task
from pneumoseg.evaluation.scoring.columns import KEYS, Columns

COLUMNS = Columns(
    required=(*KEYS, "error_hu", "predicted_hu"),
    scores=("error_hu",),
    leading=("error_hu",),
    drawn=("error_hu",),
    errors=("error_hu",),
    quantities=("predicted_hu",),
    titles={"error_hu": "absolute error (HU)", "predicted_hu": "predicted mean (HU)"},
    definitions={"error_hu": "Distance of the prediction from the truth.", "predicted_hu": "The prediction."},
)


@dataclass(frozen=True)
class MeanOfImage:
    """Predicts the mean of the image plus `bias`."""

    bias: float = 0.0
    seed = 0
    model_choice = "there is nothing to choose"

    def describe(self) -> str:
        return f"bias: {self.bias}\n"

    def prepare(self, cases):
        pass

    def fit(self, cases, folder: Path, *, resume=False, start_from=None):
        return self.bias

    def predict(self, model, case) -> float:
        return float(case.image.array.mean()) + model


@dataclass(frozen=True)
class MeanTask(Task):
    """Numbers against those of the table `truth`."""

    truth: dict
    columns = COLUMNS

    def write(self, path, prediction):
        write_json(path, prediction)

    def read(self, path, case):
        return json.loads(path.read_text())

    def score(self, fold, case, prediction):
        error = abs(prediction - self.truth[case.name])
        row = {"fold": fold, "case": case.name, "class": "mean", "error_hu": error, "predicted_hu": prediction}
        return Scores([row])
