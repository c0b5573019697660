"""A study of a cohort: a whole CT with what its table says of the patient, a disease yes or no, a score, or both."""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.cohort_file import read_header, read_study
from pneumoseg.data_io.datasets.dataset import Case, Dataset, named
from pneumoseg.data_io.volumes.volume import Grid, Volume

CATEGORY_LIMITS = (20.0, 40.0, 60.0, 80.0)
"""Where the second to the fifth category of a severity score begin (thesis 'GPU enabled CNN based COVID-19 HRCT images
classifier', PSG Tech)."""

COHORT = "cohort file"
"""The layout of a dataset of studies."""


@dataclass(frozen=True)
class Study(Case):
    """One study of a cohort file: `image` is that file, `index` its place there. `diseased`: what the table's label
    says, None where it is unknown; `score`: severity 0 to 100, None where unknown; `content`: SHA-256 of the CT that it
    was prepared from; `preparation`: SHA-256 of the settings that it was prepared with; `spacing_mm`: between its
    voxels along x, y, z."""

    index: int = 0
    diseased: bool | None = None
    score: float | None = None
    content: str = ""
    preparation: str = ""
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def stratum(self) -> str:
        """What splits share out evenly: the label, and the category of the score."""
        label = {None: "", True: "diseased", False: "healthy"}[self.diseased]
        return label if self.score is None else f"{label} {sum(self.score >= limit for limit in CATEGORY_LIMITS)}"

    def read_image(self) -> Volume:
        """The resized CT: int16 (x, y, z), HU, RAS+, centred on the origin. Raises InputError as `read_study`."""
        with named(self.name):
            return resized_volume(read_study(self.image, self.index)[0], self.spacing_mm)

    def read_grid(self) -> Grid:
        """The grid of `read_image`."""
        return self.read_image().grid

    def fingerprint(self) -> str:
        """SHA-256 of the CT's content, the label, the score and the preparation."""
        known = (self.content, self.diseased, self.score, self.preparation)
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def resized_volume(image: np.ndarray, spacing_mm: tuple[float, float, float]) -> Volume:
    """The image of a cohort file, (z, y, x), as a volume (x, y, z), RAS+, centred on the origin. `spacing_mm`: between
    its voxels along x, y, z."""
    array = image.transpose(2, 1, 0)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -(np.array(array.shape) - 1) / 2 * spacing_mm
    grid = Grid(array.shape, affine)
    return Volume(array, grid, grid)


def open_cohort(path: str | Path) -> Dataset:
    """The studies of a cohort file, ordered by name; their images are read when they are needed.

    Patients who share a CT, found by its content, are one patient, so that it is never on both sides of a split; a
    warning names them. Raises InputError as `read_header`.
    """
    path = Path(path)
    header = read_header(path)
    preparation = hashlib.sha256(json.dumps(header.preparation, sort_keys=True).encode()).hexdigest()
    patients = _joined_patients({entry.name: (entry.patient, entry.content) for entry in header.entries})
    studies = [
        Study(
            name=entry.name,
            image=path,
            mask=None,
            patient=patients[entry.name],
            index=index,
            diseased=entry.diseased,
            score=entry.score,
            content=entry.content,
            preparation=preparation,
            spacing_mm=entry.spacing_mm,
        )
        for index, entry in enumerate(header.entries)
    ]
    return Dataset(path, tuple(sorted(studies, key=lambda study: study.name)), COHORT)


def _joined_patients(of_study: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The patient of each study, given the patient and the content by name: the first, by name, of all patients that
    a chain of equal contents joins. Warns of studies of one content."""
    one_patient = {patient: patient for patient, _ in of_study.values()}
    by_content = defaultdict(list)
    for name, (_, content) in of_study.items():
        by_content[content].append(name)
    for names in by_content.values():
        if len(names) < 2:
            continue
        log.warning("%s are one and the same CT; they stay together in splits", listed(names))
        joined = {one_patient[of_study[name][0]] for name in names}
        one_patient = {one: min(joined) if first in joined else first for one, first in one_patient.items()}
    return {name: one_patient[patient] for name, (patient, _) in of_study.items()}
