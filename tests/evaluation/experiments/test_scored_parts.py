"""What a part holds of a scored case, and what is refused of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.experiments.scored_parts import (
    MeasuredCase,
    measured_parts,
    part_case,
    settings_of_parts,
)
from pneumoseg.evaluation.runs.parts import PartCase, part_file, write_part
from pneumoseg.evaluation.scoring.case_scores import score_case
from pneumoseg.evaluation.scoring.pairing import find_pairs

SETTINGS = settings_of_parts(LUNG_MAPPING, {"infection": 2.0}, False)


@pytest.fixture
def pairs(tmp_path):
    labels = np.zeros((6, 6, 4), np.uint8)
    labels[1:3], labels[4:6], labels[1, 1:3, 1] = 1, 2, 3
    for folder in ("reference", "prediction"):
        write_label_nifti(tmp_path / folder / "a.nii.gz", Volume.from_source(labels, np.eye(4)), LUNG_LABELS)
    return find_pairs(tmp_path / "reference", tmp_path / "prediction")


@pytest.fixture
def held(pairs) -> PartCase:
    mask = LUNG_MAPPING.read(pairs[0].reference.path)
    scores = score_case("a", 0, mask, prediction=mask, labels=LUNG_LABELS)
    return part_case(pairs[0], MeasuredCase(scores, ("odd",)))


def written(output: Path, case: PartCase) -> Path:
    write_part(part_file(output, "1/1"), SETTINGS, {"a": case})
    return output


def test_settings_name_what_changes_scores():
    assert SETTINGS["labels"] == ["0=background", "1=lung_left", "2=lung_right", "3=infection"]
    assert SETTINGS["tolerances_mm"] == {"infection": 2.0}
    json.dumps(SETTINGS)


def test_scores_come_back_as_they_were(pairs, held, tmp_path):
    (read,) = measured_parts(written(tmp_path, held), pairs, LUNG_MAPPING, SETTINGS).values()
    mask = LUNG_MAPPING.read(pairs[0].reference.path)
    scores = score_case("a", 0, mask, prediction=mask, labels=LUNG_LABELS)
    np.testing.assert_equal(read.scores.rows, scores.rows)  # NaN equals NaN here
    np.testing.assert_equal(read.scores.lesions, scores.lesions)
    np.testing.assert_array_equal(read.scores.confusion, scores.confusion)
    assert read.warnings == ("odd",)


def test_a_mask_that_changed_is_refused(pairs, held, tmp_path):
    written(tmp_path, held)
    with pairs[0].prediction.path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="case a: its prediction changed"):
        measured_parts(tmp_path, pairs, LUNG_MAPPING, SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rows", None), ("rows", [{"case": "a"}]), ("lesions", [1]), ("warnings", "odd")),
        *(("confusion", [[1]]), ("confusion", [["x"] * 4] * 4), ("confusion", [[-1] * 4] * 4)),
    ],
)
def test_other_content_is_refused(pairs, held, tmp_path, name, value):
    damaged = PartCase(held.masks, dict(held.results) | {name: value})
    with pytest.raises(InputError, match="case a: its part holds no scores"):
        measured_parts(written(tmp_path, damaged), pairs, LUNG_MAPPING, SETTINGS)


def test_scores_of_another_case_are_refused(pairs, held, tmp_path):
    rows = [row | {"case": "b"} for row in held.results["rows"]]
    damaged = PartCase(held.masks, dict(held.results) | {"rows": rows})
    with pytest.raises(InputError, match="case a: its part holds no scores"):
        measured_parts(written(tmp_path, damaged), pairs, LUNG_MAPPING, SETTINGS)
