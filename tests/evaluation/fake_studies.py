"""Studies that need no files, and a method that predicts them from what it knows of them, with errors."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction


@dataclass(frozen=True)
class FakeStudy(Study):
    """Not read from any file."""

    def fingerprint(self) -> str:
        return f"{self.name} {self.diseased} {self.score}"


def studies(count: int = 20, *, labels: bool = True, scores: bool = True, two_each: bool = False) -> Dataset:
    """Half of the studies diseased, with scores over all categories; the healthy ones have score 0."""
    cases = []
    for number in range(count):
        diseased = number % 2 == 1
        score = 100.0 * number / count if diseased else 0.0
        patient = f"patient {number // 2}" if two_each else f"patient {number}"
        case = FakeStudy(
            f"study{number:02}", Path("cohort.h5"), None, patient, index=number, content=f"{number}",
            diseased=diseased if labels else None, score=score if scores else None,
        )  # fmt: skip
        cases.append(case)
    return Dataset(Path("cohort.h5"), tuple(cases), "cohort")


@dataclass(frozen=True)
class Guess:
    """The truth with errors that the name of a study and `seed` decide; `spread` of scores in points."""

    spread: float = 8.0
    seed: int = 0
    probability: bool = True
    score: bool = True
    training: bool = True
    model_choice = "nothing to choose"

    def describe(self) -> str:
        return f"spread: {self.spread}\n"

    def prepare(self, cases):
        pass

    def fit(self, cases, folder: Path, *, resume=False, start_from=None):
        if self.training:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "training_predictions.csv").open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["case", "given_label", "probability", "given_score", "score"])
                for case in cases:
                    found = self.of(case, calm=0.5)
                    label = "" if case.diseased is None else int(case.diseased)
                    rows.writerow([case.name, label, found.probability, case.score, found.score])

    def predict(self, model, case) -> StudyPrediction:
        return self.of(case.case)

    def of(self, study: Study, calm: float = 1.0) -> StudyPrediction:
        rng = np.random.default_rng([self.seed, study.index])
        noise = calm * rng.normal(size=2)
        chance = 1 / (1 + np.exp(-(2.0 if study.diseased else -2.0) - 1.5 * noise[0]))
        score = float(np.clip((study.score or 0.0) + self.spread * noise[1], 0, 100))
        return StudyPrediction(float(chance) if self.probability else None, score if self.score else None, 0.5)
