"""References and predictions meet by name."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.scoring import pairing
from pneumoseg.evaluation.scoring.pairing import find_masks, find_pairs, masks_given, masks_in


def write_masks(folder, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_label_nifti(folder / name, Volume.from_source(np.zeros((4, 4, 4), np.uint8), np.eye(4)), LUNG_LABELS)


def test_masks_of_one_name_are_a_pair(tmp_path):
    write_masks(tmp_path / "a", "two.nii.gz", "one.nii", ".partial-1-three.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    pairs = find_pairs(tmp_path / "a", tmp_path / "b")
    assert [(pair.case, pair.reference.path.name, pair.prediction.path.name, pair.reference.of) for pair in pairs] == [
        ("one", "one.nii", "one.nii.gz", None),
        ("two", "two.nii.gz", "two.nii.gz", None),
    ]


def test_a_dataset_gives_its_masks_and_images(tmp_path):
    for case in ("one", "two"):
        write_masks(tmp_path / "data" / case, "imaging.nii.gz", "segmentation.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    pairs = find_pairs(tmp_path / "data", tmp_path / "b")
    assert [pair.reference.path.name for pair in pairs] == ["segmentation.nii.gz"] * 2
    assert [pair.reference.image.name for pair in pairs] == ["imaging.nii.gz"] * 2


FORMATS = ("a.nii.gz", "b.nii", "c.seg.nrrd", "d.nrrd", "e.nhdr", "f.mha", "g.mhd")


def write_formats(folder) -> None:
    """One mask in every format that is read, two of them with their voxels in a .raw file beside."""
    folder.mkdir(parents=True)
    write_masks(folder, "a.nii.gz", "b.nii")
    write_labels(folder / "c.seg.nrrd", Volume.from_source(np.zeros((4, 4, 4), np.uint8), np.eye(4)), LUNG_LABELS)
    for name in FORMATS[3:]:
        sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8), str(folder / name))


def test_masks_of_every_format_meet(tmp_path):
    write_formats(tmp_path / "a")
    write_masks(tmp_path / "b", *(f"{name}.nii.gz" for name in "abcdefg"))
    (tmp_path / "a" / "notes.txt").write_text("no mask")
    (tmp_path / "a" / "imaging").mkdir()
    for pairs in (find_pairs(tmp_path / "a", tmp_path / "b"), find_pairs(tmp_path / "b", tmp_path / "a")):
        assert [pair.case for pair in pairs] == list("abcdefg")
    assert [path.path.name for path in masks_in(tmp_path / "a").values()] == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_one_mask_of_any_format_is_named_by_its_file(tmp_path, name):
    write_formats(tmp_path / "a")
    assert list(masks_given(tmp_path / "a" / name)) == [name[0]]


@pytest.mark.parametrize("ct", ["one.nrrd", "one.mha", "one.mhd", "one.nhdr"])
def test_a_ct_beside_a_mask_of_its_name_is_skipped_with_a_warning(tmp_path, warnings, ct):
    write_masks(tmp_path / "a", "one.nii.gz")
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / "a" / ct))
    assert masks_in(tmp_path / "a")["one"].path.name == "one.nii.gz"
    assert warnings == [f"{tmp_path / 'a' / ct}: skipped, {tmp_path / 'a' / 'one.nii.gz'} is the mask of that name"]


def test_a_case_folder_has_one_mask_named_by_the_folder_as_it_is_given(tmp_path):
    write_masks(tmp_path / "real", "imaging.nii.gz", "segmentation.nii.gz")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    for given in (tmp_path / "link", tmp_path / "link" / "segmentation.nii.gz"):
        assert list(find_masks(given)) == ["link"]


def test_names_of_labels_come_from_the_folders_of_the_masks(tmp_path):
    for root, numbers in (("a", {"lung_right": 1}), ("b", {"lung_left": 1})):
        write_masks(tmp_path / root / "imagesTr", "one_0000.nii.gz")
        write_masks(tmp_path / root / "labelsTr", "one.nii.gz")
        (tmp_path / root / "dataset.json").write_text(json.dumps({"labels": numbers}))
    for reference in (tmp_path / "a", tmp_path / "a" / "labelsTr"):
        (pair,) = find_pairs(reference, tmp_path / "b" / "labelsTr")
        assert pair.reference.label_names == (("lung_right", (1,)),)
        assert pair.prediction.label_names == (("lung_left", (1,)),)
    assert find_masks(tmp_path / "a")["one"].label_names == (("lung_right", (1,)),)


def test_all_missing_predictions_are_named_at_once(tmp_path):
    write_masks(tmp_path / "a", "one.nii.gz", "two.nii.gz", "three.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "3.nii.gz")
    with pytest.raises(InputError, match=r"missing: three, two \(without a reference: 3\)"):
        find_pairs(tmp_path / "a", tmp_path / "b")


@pytest.fixture
def warnings(monkeypatch):
    """What is warned of."""
    said = []
    monkeypatch.setattr(pairing.log, "warning", lambda message, *values: said.append(message % values))
    return said


def test_predictions_without_reference_are_left_out_with_a_warning(tmp_path, warnings):
    write_masks(tmp_path / "a", "one.nii.gz")
    write_masks(tmp_path / "b", "one.nii.gz", "two.nii.gz")
    assert [pair.case for pair in find_pairs(tmp_path / "a", tmp_path / "b")] == ["one"]
    assert warnings == ["Left out, as they have no reference: two"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        masks_in(tmp_path / "none")


def test_a_folder_without_predictions_is_refused(tmp_path):
    write_masks(tmp_path / "a", "one.nii.gz")
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"holds files such as CASE\.nii\.gz, found none"):
        find_pairs(tmp_path / "a", tmp_path / "b")


def test_a_case_that_lies_there_twice_is_refused(tmp_path):
    write_masks(tmp_path / "a", "one.nii", "one.nii.gz")
    with pytest.raises(InputError, match="case one has two masks"):
        masks_in(tmp_path / "a")


def test_what_counts_is_no_mask(tmp_path):
    """The folder of a case may be given; its `imaging` and `valid` are no masks."""
    write_masks(tmp_path / "a", "imaging.nii.gz", "segmentation.nii.gz", "valid.nii.gz")
    assert list(masks_given(tmp_path / "a")) == ["a"]
    assert list(masks_in(tmp_path / "a")) == ["segmentation"]
