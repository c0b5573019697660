"""The mask of a finished job against a reference that was uploaded."""

import math
from pathlib import Path

import numpy as np

from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.side_by_side import write_side_by_side
from pneumoseg.evaluation.jobs.references import read_pair
from pneumoseg.evaluation.jobs.results import PICTURE_MASK, write_classes
from pneumoseg.evaluation.scoring.case_scores import score_case

ERRORS = LabelTable(
    ("right", "missed", "false", "other class"), ((0, 0, 0), (0, 114, 178), (230, 159, 0), (204, 121, 167))
)
"""Of a voxel: right, background where the reference has a class, a class where it has background, and another class;
colours of Okabe and Ito, which the colour-blind tell apart."""
RIGHT, MISSED, FALSE, OTHER = range(4)
CASE = "mask"


def score(upload: Path, parent: Path, source: Path, made: Path, *, work: Path, key: Key | None) -> None:
    """Scores the mask in `parent`, the results of a segmentation of `source`, against the reference in the folder
    `upload`; writes the results to `made`. Other arguments and errors as of `read_pair`."""
    reference, prediction, table = read_pair(upload, parent, source, work=work, key=key)
    scores = score_case(CASE, 0, reference, prediction=prediction, labels=table)
    rows = [_plain(row) for row in scores.rows]
    write_json(made / "scores.json", {"scores": rows, "lesions": [_plain(row) for row in scores.lesions]})
    write_classes(made / "labels.json", ERRORS)
    if (parent / PICTURE_MASK).is_file():
        picture, *masks = (_rows(volume) for volume in (read_volume(source), reference, prediction))
        write_side_by_side(made / "side-by-side.png", picture, masks, table)
    else:
        write_label_nifti(made / "reference.nii.gz", reference, table)
        write_label_nifti(
            made / "errors.nii.gz", reference.with_array(errors(reference.array, prediction.array)), ERRORS
        )


def errors(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """What is wrong with each voxel, uint8 as of `ERRORS`, of class numbers in one place.

    >>> errors(np.array([0, 1, 1, 0, 2]), np.array([0, 1, 0, 3, 1])).tolist()
    [0, 0, 1, 2, 3]
    """
    wrong = reference != prediction
    found = np.where(wrong, OTHER, RIGHT).astype(np.uint8)
    found[wrong & (prediction == 0)] = MISSED
    found[wrong & (reference == 0)] = FALSE
    return found


def _plain(row: dict) -> dict:
    """A row for JSON: NumPy's numbers as Python's, what is undefined as None."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in plain.items()
    }


def _rows(volume: Volume) -> np.ndarray:
    return np.swapaxes(volume.restore()[:, :, 0], 0, 1)
