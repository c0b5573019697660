"""What a network says of a whole CT: the probability of the disease, a severity score, or both."""

from dataclasses import dataclass


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
