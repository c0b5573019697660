"""References and predictions meet by name."""

import numpy as np
import pytest

from data_io.errors import InputError
from data_io.labels import LUNG_LABELS
from data_io.nifti import write_label_nifti
from data_io.volume import Volume
from evaluation import pairing
from evaluation.pairing import find_pairs, masks_in


def write_masks(folder, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_label_nifti(folder / name, Volume.from_source(np.zeros((4, 4, 4), np.uint8), np.eye(4)), LUNG_LABELS)


def test_masks_of_one_name_are_a_pair(tmp_path):
    write_masks(tmp_path / "a", "two.nii.gz", "one.nii", ".partial-1-three.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    pairs = find_pairs(tmp_path / "a", tmp_path / "b")
    assert [(pair.case, pair.reference.name, pair.prediction.name, pair.image) for pair in pairs] == [
        ("one", "one.nii", "one.nii.gz", None),
        ("two", "two.nii.gz", "two.nii.gz", None),
    ]


def test_a_dataset_gives_its_masks_and_images(tmp_path):
    for case in ("one", "two"):
        write_masks(tmp_path / "data" / case, "imaging.nii.gz", "segmentation.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    pairs = find_pairs(tmp_path / "data", tmp_path / "b")
    assert [pair.reference.name for pair in pairs] == ["segmentation.nii.gz"] * 2
    assert [pair.image.name for pair in pairs] == ["imaging.nii.gz"] * 2


def test_all_missing_predictions_are_named_at_once(tmp_path):
    write_masks(tmp_path / "a", "one.nii.gz", "two.nii.gz", "three.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "3.nii.gz")
    with pytest.raises(InputError, match=r"missing: three, two \(without a reference: 3\)"):
        find_pairs(tmp_path / "a", tmp_path / "b")


def test_predictions_without_reference_are_left_out_aloud(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pairing.log, "warning", lambda message, *values: said.append(message % values))
    write_masks(tmp_path / "a", "one.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    assert [pair.case for pair in find_pairs(tmp_path / "a", tmp_path / "b")] == ["one"]
    assert said == ["Left out, as they have no reference: two"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        masks_in(tmp_path / "none")


def test_a_folder_without_predictions_is_refused(tmp_path):
    write_masks(tmp_path / "a", "one.nii.gz")
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"holds files CASE\.nii\.gz, found none"):
        find_pairs(tmp_path / "a", tmp_path / "b")


def test_a_case_that_lies_there_twice_is_refused(tmp_path):
    write_masks(tmp_path / "a", "one.nii", "one.nii.gz")
    with pytest.raises(InputError, match="case one lies there twice"):
        masks_in(tmp_path / "a")
