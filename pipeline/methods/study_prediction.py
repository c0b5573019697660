"""What a network says of a whole CT: the probability of the disease, a severity score, or both."""

from collections.abc import Mapping
from dataclasses import dataclass

from pneumoseg.data_io.volumes.volume import Volume

TRAINING_PREDICTIONS = "training_predictions.csv"
"""In the folder of a fold: what the final model says of the studies that it was trained on and chosen by."""


@dataclass(frozen=True)
class StudyPrediction:
    """`probability` of the disease, 0 to 1, diseased where it is at least `threshold`, which was chosen on inner
    validation studies; `score`: severity 0 to 100. None where the network has no such output."""

    probability: float | None
    score: float | None
    threshold: float = 0.5

    @property
    def diseased(self) -> bool | None:
        """The predicted label; None without a probability."""
        return None if self.probability is None else self.probability >= self.threshold


@dataclass(frozen=True, eq=False)
class ExplainedStudy:
    """A prediction with what speaks for it: `maps`, by output ("label", "score"), Grad-CAM, float32 0 to 1, on the grid
    of the study's image."""

    prediction: StudyPrediction
    maps: Mapping[str, Volume]
