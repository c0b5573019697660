"""A study of a cohort: a whole CT with what its table says of the patient, a disease yes or no, a score, or both."""

from dataclasses import dataclass

from pneumoseg.data_io.datasets.dataset import Case

CATEGORY_LIMITS = (20.0, 40.0, 60.0, 80.0)
"""Where the second to the fifth category of a severity score begin (thesis 'GPU enabled CNN based COVID-19 HRCT images
classifier', PSG Tech)."""


@dataclass(frozen=True)
class Study(Case):
    """One study of a cohort file: `image` is that file, `index` its place there. `diseased`: what the table's label
    says, None where it is unknown; `score`: severity 0 to 100, None where unknown; `content`: SHA-256 of the CT that it
    was prepared from."""

    index: int = 0
    diseased: bool | None = None
    score: float | None = None
    content: str = ""

    @property
    def stratum(self) -> str:
        """What splits share out evenly: the label, and the category of the score."""
        label = {None: "", True: "diseased", False: "healthy"}[self.diseased]
        return label if self.score is None else f"{label} {sum(self.score >= limit for limit in CATEGORY_LIMITS)}"
