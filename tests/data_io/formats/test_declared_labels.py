"""Names in the files of masks and beside them, and masks that are read by these."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import names_beside, names_in
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume

STORED = np.array([0, 1, 2, 3, 1, 1, 2, 0], np.uint8).reshape(2, 2, 2)
SWAPPED = np.array([0, 2, 1, 3, 2, 2, 1, 0], np.uint8).reshape(2, 2, 2)
RIGHT_FIRST = LabelTable(("background", "lung_right", "lung_left", "infection"), LUNG_LABELS.colours)
LABELS_V1 = {"0": "background", "1": "lung_right", "2": "lung_left", "3": "covid"}
LABELS_V2 = {"background": 0, "lung_right": 1, "lung_left": 2, "covid": 3}


def slicer(path, segments, array=STORED, **more):
    """A segmentation as 3D Slicer stores it; `segments`: name, label and layer of each."""
    image = sitk.GetImageFromArray(array.T, isVector=array.ndim == 4)
    for number, (name, label, layer) in enumerate(segments):
        for key, value in (("ID", f"Segment_{number}"), ("Name", name), ("LabelValue", label), ("Layer", layer)):
            if value is not None:
                image.SetMetaData(f"Segment{number}_{key}", str(value))
    for key, value in more.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


def nnunet(root, labels, name="a"):
    for folder, suffix, array in (("imagesTr", "_0000", STORED.astype(np.int16)), ("labelsTr", "", STORED)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4)), root / folder / f"{name}{suffix}.nii.gz")
    (root / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".nii.gz"}))
    return root


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.seg.nrrd"])
def test_what_this_program_writes_is_read_by_its_names(tmp_path, said, name):
    path = tmp_path / name
    write_labels(path, Volume.from_source(STORED, np.eye(4)), RIGHT_FIRST)
    assert dict(names_in(path))["lung_right"] == (1,)
    np.testing.assert_array_equal(read_labels(path, LUNG_LABELS).restore(), SWAPPED)
    assert "1 is lung_right" in said.text
    said.clear()
    np.testing.assert_array_equal(read_labels(path, RIGHT_FIRST).restore(), STORED)
    assert not said.records


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nrrd", ".nhdr"])
def test_segments_of_slicer(tmp_path, suffix):
    path = slicer(tmp_path / f"a{suffix}", [("Lung R", 1, 0), ("left lung", 2, 0), ("COVID", 3, 0)])
    np.testing.assert_array_equal(read_labels(path, LUNG_LABELS).restore(), SWAPPED)


def test_labels_without_a_segment_of_a_known_name_are_refused_where_others_moved(tmp_path):
    path = slicer(tmp_path / "a.seg.nrrd", [("lung_right", 1, 0), ("lung_left", 2, 0), ("Segment_3", 3, 0)])
    with pytest.raises(InputError, match="among 0=background, 2=lung_left, 1=lung_right, found 3"):
        read_labels(path, LUNG_LABELS)


def test_a_name_of_something_else_is_reported(tmp_path, said):
    path = slicer(tmp_path / "a.seg.nrrd", [("lung_left", 1, 0), ("lung_right", 2, 0), ("heart", 3, 0)])
    np.testing.assert_array_equal(read_labels(path, LUNG_LABELS).restore(), STORED)
    assert "label 3 is named heart but read as infection" in said.text


@pytest.mark.parametrize(
    ("segments", "more", "message"),
    [
        ([("lung_left", 1, 0), ("infection", 1, 1)], {}, "in 2 layers"),
        ([("lung_left", 1, 0), ("infection", 1, 0)], {}, "share the label 1"),
        ([("lung_left", None, None), ("infection", None, None)], {}, "needs a LabelValue"),
        ([("lung_left", "x", 0)], {}, "needs a LabelValue"),
        ([("lung_left", 1, 0)], {"Segmentation_MasterRepresentation": "Fractional labelmap"}, "fractional"),
    ],
)
def test_segmentations_that_are_no_mask_are_refused(tmp_path, segments, more, message):
    path = slicer(tmp_path / "a.seg.nrrd", segments, **more)
    with pytest.raises(InputError, match=message) as refusal:
        read_labels(path, LUNG_LABELS)
    assert str(path) in str(refusal.value)


def test_layers_on_a_fourth_axis_are_refused(tmp_path):
    layers = np.stack([STORED == 1, STORED == 3]).astype(np.uint8)
    path = slicer(tmp_path / "a.seg.nrrd", [("lung_left", 1, 0), ("infection", 1, 1)], layers)
    with pytest.raises(InputError, match="in 2 layers"):
        read_labels(path, LUNG_LABELS)
    with pytest.raises(InputError, match="plain numbers, found 2 each"):
        read_labels(path, 4)


def caret(path, table):
    image = nib.Nifti1Image(STORED, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(30, table))
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    "table",
    [
        b"no xml",
        b"<CaretExtension/>",
        b"<CaretExtension><VolumeInformation><LabelTable><Label Key='x'>lung_right</Label></LabelTable>"
        b"</VolumeInformation></CaretExtension>",
        b"<!DOCTYPE a [<!ENTITY b 'lung_right'>]><CaretExtension><VolumeInformation><LabelTable><Label Key='1'>&b;"
        b"</Label></LabelTable></VolumeInformation></CaretExtension>",
        b"\xff\xfe\0<",
    ],
)
def test_label_tables_that_say_nothing_are_skipped(tmp_path, table):
    path = caret(tmp_path / "a.nii", table)
    assert names_in(path) == ()
    np.testing.assert_array_equal(read_labels(path, LUNG_LABELS).restore(), STORED)


def test_files_without_names_or_that_are_none(tmp_path):
    nib.save(nib.Nifti1Image(STORED, np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "b.nii").write_text("no image")
    assert [names_in(tmp_path / name) for name in ("a.nii", "b.nii", "c.nii", "d.nrrd", "e.mha")] == [()] * 5


@pytest.mark.parametrize("labels", [LABELS_V1, LABELS_V2])
def test_a_case_of_nnunet_is_read_by_the_names_of_its_dataset(tmp_path, said, labels):
    case = open_dataset(nnunet(tmp_path, labels)).case("a")
    np.testing.assert_array_equal(case.read_mask(LUNG_LABELS).restore(), SWAPPED)
    assert "classes are assigned by name" in said.text
    np.testing.assert_array_equal(case.read_mask(RIGHT_FIRST).restore(), STORED)
    np.testing.assert_array_equal(case.read_pair(LUNG_LABELS)[1].restore(), SWAPPED)


def test_regions_of_nnunet_are_refused_where_a_mask_is_read(tmp_path):
    dataset = open_dataset(nnunet(tmp_path, {"background": 0, "lungs": [1, 2, 3], "infection": [3]}))
    case = dataset.case("a")
    np.testing.assert_array_equal(case.read_image().restore(), STORED)
    with pytest.raises(InputError, match=r"case a: .*lungs is a region of the labels \[1, 2, 3\] in dataset"):
        case.read_mask(LUNG_LABELS)


def test_names_of_file_and_dataset_that_contradict_are_refused(tmp_path):
    nnunet(tmp_path, LABELS_V2)
    write_labels(tmp_path / "labelsTr" / "a.nii.gz", Volume.from_source(STORED, np.eye(4)), LUNG_LABELS)
    with pytest.raises(InputError, match=r"case a: .*labels 1 and 2 are both called"):
        open_dataset(tmp_path).case("a").read_mask(LUNG_LABELS)


@pytest.mark.parametrize("labels", [{"a": "b"}, {"a": True}, {"a": -1}, {"a": 1.5}, {"a": []}, {"a": [1, None]}])
def test_labels_that_are_no_numbers_are_refused(tmp_path, labels):
    with pytest.raises(InputError, match=r"dataset\.json: labels are like"):
        open_dataset(nnunet(tmp_path, labels))


def test_another_numbering_of_the_dataset_is_another_fingerprint(tmp_path):
    prints = [
        open_dataset(nnunet(tmp_path, labels)).case("a").fingerprint()
        for labels in (LABELS_V2, {"background": 0, "lung_left": 1, "lung_right": 2, "covid": 3}, {}, LABELS_V2)
    ]
    assert len(set(prints)) == 3
    assert prints[0] == prints[3]
    image, mask = tmp_path / "imagesTr" / "a_0000.nii.gz", tmp_path / "labelsTr" / "a.nii.gz"
    assert prints[2] == Case("a", image, mask, "a").fingerprint()


def test_dataset_json_counts_for_the_masks_beside_it_and_below(tmp_path):
    nnunet(tmp_path, LABELS_V2)
    assert dict(names_beside(tmp_path / "labelsTr"))["lung_left"] == (2,)
    assert dict(names_beside(tmp_path))["lung_left"] == (2,)
    assert names_beside(tmp_path / "imagesTr") == ()


@pytest.mark.parametrize("folder", ["labelsTr", "gt_segmentations"])
@pytest.mark.parametrize("way", ["plain", "dot", "link"])
def test_the_names_of_a_dataset_are_found_however_its_masks_are_named(tmp_path, monkeypatch, folder, way):
    (tmp_path / "nn" / folder).mkdir(parents=True)
    (tmp_path / "nn" / "dataset.json").write_text('{"labels": {"lung_right": 1}, "file_ending": ".nii.gz"}')
    given = tmp_path / "nn" / folder
    if way == "dot":
        monkeypatch.chdir(given)
        given = Path()
    elif way == "link":
        (tmp_path / "masks").symlink_to(given)
        given = tmp_path / "masks"
    assert names_beside(given) == (("lung_right", (1,)),)


def test_another_programs_dataset_json_is_ignored(tmp_path):
    (tmp_path / "dataset.json").write_text('{"labels": {"CT": "chest"}}')
    assert names_beside(tmp_path) == ()
