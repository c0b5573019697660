from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.probability_levels import LEVELS, probability_levels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.experiments import mask_task
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.scoring.tables import detailed_table
from pneumoseg.pipeline.methods.protocol import RankedMask


def test_a_mask_is_written_read_back_and_scored(dataset, tmp_path):
    task, case = MaskTask(LUNG_LABELS), LoadedCase(dataset.case("a"), LUNG_LABELS)
    path = tmp_path / task.file_name(case.name)
    assert path.name == "a.nii.gz"
    task.write(path, case.reference)
    prediction = task.read(path, case)
    np.testing.assert_array_equal(prediction.array, case.reference.array)
    scores = task.score(2, case, prediction)
    assert {(row["fold"], row["case"], row["dice"]) for row in scores.rows} == {(2, "a", 1.0)}
    assert scores.confusion.sum() == prediction.array.size


def test_a_mask_with_other_labels_is_refused_by_its_case(dataset, tmp_path):
    task, case = MaskTask(LUNG_LABELS), LoadedCase(dataset.case("a"), LUNG_LABELS)
    task.write(tmp_path / "a.nii.gz", case.reference.with_array(np.full_like(case.reference.array, 9)))
    with pytest.raises(InputError, match=r"case a: .*found 9"):
        task.read(tmp_path / "a.nii.gz", case)


def test_folds_of_other_tolerances_are_not_averaged(dataset, tmp_path):
    rows = []
    for fold, tolerance_mm in ((0, 3.0), (1, 1.0)):
        task = MaskTask(LUNG_LABELS, {"infection": tolerance_mm})
        case = LoadedCase(dataset.case("ab"[fold]), LUNG_LABELS)
        rows += task.score(fold, case, case.reference).rows
    with pytest.raises(InputError, match="surface Dice of infection have tolerances of 1 and 3 mm"):
        task.check_alike(tmp_path, detailed_table(rows))
    task.check_alike(tmp_path, detailed_table(rows[: len(rows) // 2]))


def test_a_tolerance_belongs_to_a_class():
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        MaskTask(LUNG_LABELS, {"infecton": 2.0})


def test_a_task_of_masks_has_labels():
    with pytest.raises(TypeError, match="labels"):
        MaskTask()


def ranked(reference) -> RankedMask:
    """The reference itself as a certain prediction."""
    return RankedMask(reference, probability_levels(np.eye(4, dtype=np.float32)[reference.array]))


def test_probabilities_lie_beside_the_mask_and_give_the_auc(dataset, tmp_path):
    task, case = MaskTask(LUNG_LABELS), LoadedCase(dataset.case("a"), LUNG_LABELS)
    given = ranked(case.reference)
    task.write(tmp_path / "a.nii.gz", given)
    assert sorted(path.name for path in tmp_path.glob("a.*")) == ["a.nii.gz", "a.probabilities.npz"]
    found = task.read(tmp_path / "a.nii.gz", case)
    np.testing.assert_array_equal(found.mask.array, given.mask.array)
    np.testing.assert_array_equal(found.levels, given.levels)
    scores = task.score(0, case, found)
    assert {row["auc"] for row in scores.rows if row["class"] != "lungs"} == {1.0}
    assert scores.histograms.sum() == 4 * case.reference.array.size


def test_probabilities_of_another_shape_are_refused_by_their_case(dataset, tmp_path):
    task, case = MaskTask(LUNG_LABELS), LoadedCase(dataset.case("a"), LUNG_LABELS)
    task.write(tmp_path / "a.nii.gz", RankedMask(case.reference, np.full((2, 2, 2, 4), LEVELS - 1, np.uint16)))
    with pytest.raises(InputError, match=r"case a: .*a\.probabilities\.npz: .*found uint16 of \[2, 2, 2, 4\]"):
        task.read(tmp_path / "a.nii.gz", case)


def partly_labelled(dataset, tmp_path) -> LoadedCase:
    """Case a without infection labelled, of which the lower half counts."""
    case = dataset.case("a")
    mask = case.read_mask(LUNG_LABELS)
    write_label_nifti(case.mask, mask.with_array(np.where(mask.array == 3, 2, mask.array)), LUNG_LABELS)
    counts = np.zeros_like(mask.array)
    counts[:, :, :2] = 1
    write_label_nifti(tmp_path / "valid.nii.gz", mask.with_array(counts), LUNG_LABELS)
    labelled = ("lung_left", "lung_right")
    return LoadedCase(replace(case, valid=tmp_path / "valid.nii.gz", labelled=labelled, source="s"), LUNG_LABELS)


def test_what_does_not_count_is_neither_scored_nor_drawn(dataset, tmp_path, monkeypatch):
    """The prediction has infection where the reference has the right lung, and errs in the upper half."""
    whole = dataset.case("a").read_mask(LUNG_LABELS)
    case = partly_labelled(dataset, tmp_path)
    wrong = whole.array.copy()
    wrong[:, :, 2:] = 3
    scores = MaskTask(LUNG_LABELS).score(0, case, whole.with_array(wrong))
    assert {row["class"]: row["status"] for row in scores.rows}["infection"] == "not_labelled"
    assert {row["dice"] for row in scores.rows if row["class"] != "infection"} == {1.0}
    assert {row["source"] for row in scores.rows} == {"s"}
    assert scores.confusion.sum() == 8 * 8 * 2
    drawn = {}
    monkeypatch.setattr(mask_task, "draw_case", lambda *_, **masks: drawn.update(masks))
    MaskTask(LUNG_LABELS).draw(tmp_path, case, whole.with_array(wrong), title="a")
    np.testing.assert_array_equal(drawn["prediction"].array, drawn["reference"].array)
    assert not drawn["prediction"].array[:, :, 2:].any()
