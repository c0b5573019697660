"""Every folder shape is found, and what is wrong with one is said."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import is_dataset, open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.reading import register_reader
from pneumoseg.data_io.volumes.volume import Volume


def touch(*paths):
    """Layouts look at names alone."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def folder_per_case(root, *names, suffix=".nii.gz"):
    for name in names:
        touch(root / name / f"imaging{suffix}", root / name / f"segmentation{suffix}")
    return root


def nnunet(root, *names, ending=".nii.gz", **content):
    for name in names:
        touch(root / "imagesTr" / f"{name}_0000{ending}", root / "labelsTr" / f"{name}{ending}")
    if content:
        (root / "dataset.json").write_text(json.dumps(content))
    return root


def zenodo(root, *names, nested=False):
    for folder in ("COVID-19-CT-Seg_20cases", "Lung_and_Infection_Mask"):
        for name in names:
            touch(root / folder / (folder if nested else "") / f"{name}.nii.gz")
    return root


def names(dataset):
    return [case.name for case in dataset]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_folder_per_case(tmp_path, suffix):
    dataset = open_dataset(folder_per_case(tmp_path, "coronacases_002", "coronacases_001", suffix=suffix))
    assert dataset.layout == "folder per case"
    assert names(dataset) == ["coronacases_001", "coronacases_002"]
    case = dataset.cases[0]
    assert case.image == tmp_path / "coronacases_001" / f"imaging{suffix}"
    assert case.mask == tmp_path / "coronacases_001" / f"segmentation{suffix}"
    assert (case.patient, case.source) == ("coronacases_001", "coronacases")


def test_a_case_may_say_which_voxels_count(tmp_path):
    folder_per_case(tmp_path, "a", "b")
    touch(tmp_path / "a" / "valid.nrrd")
    one, other = open_dataset(tmp_path)
    assert one.valid == tmp_path / "a" / "valid.nrrd"
    assert other.valid is None
    touch(tmp_path / "a" / "valid.nii.gz")
    with pytest.raises(InputError, match=r"case a has more than one file valid: valid\.nii\.gz, valid\.nrrd; keep one"):
        open_dataset(tmp_path)


def test_a_table_says_which_classes_are_labelled(tmp_path):
    folder_per_case(tmp_path, "a", "b")
    (tmp_path / "patients.csv").write_text("case,patient,labels_present\na,P,infection\nb,P,\n")
    one, other = open_dataset(tmp_path)
    assert (one.patient, one.labelled) == ("P", ("infection",))
    assert (other.patient, other.labelled) == ("P", ())


def test_nnunet(tmp_path):
    dataset = open_dataset(nnunet(tmp_path, "lung_1", "lung_2", channel_names={"0": "CT"}, file_ending=".nii.gz"))
    assert dataset.layout == "nnU-Net"
    assert names(dataset) == ["lung_1", "lung_2"]
    assert dataset.cases[0].image == tmp_path / "imagesTr" / "lung_1_0000.nii.gz"
    assert dataset.cases[0].mask == tmp_path / "labelsTr" / "lung_1.nii.gz"


def test_a_mask_may_be_a_segmentation_of_slicer(tmp_path):
    touch(
        tmp_path / "a" / "imaging.nrrd", tmp_path / "a" / "segmentation.seg.nrrd", tmp_path / "a" / "imaging.seg.nrrd"
    )
    (case,) = open_dataset(tmp_path)
    assert (case.image.name, case.mask.name) == ("imaging.nrrd", "segmentation.seg.nrrd")


@pytest.mark.parametrize("nested", [False, True])
def test_zenodo_archives(tmp_path, nested):
    dataset = open_dataset(zenodo(tmp_path, "coronacases_001", "radiopaedia_10_85902_1", nested=nested))
    assert dataset.layout == "Zenodo 3757476"
    assert names(dataset) == ["coronacases_001", "radiopaedia_10_85902_1"]
    assert dataset.cases[1].image.parent.name == "COVID-19-CT-Seg_20cases"
    assert dataset.cases[1].mask.parent.name == "Lung_and_Infection_Mask"
    assert dataset.cases[1].image.is_file()


def test_a_dataset_is_known_by_its_images(tmp_path):
    assert not is_dataset(tmp_path)
    touch(tmp_path / "a" / "segmentation.nii.gz", tmp_path / "b" / "ct.nii.gz")
    assert not is_dataset(tmp_path)
    touch(tmp_path / "b" / "imaging.nii.gz")
    assert is_dataset(tmp_path)
    assert is_dataset(nnunet(tmp_path / "n", "a"))
    assert is_dataset(zenodo(tmp_path / "z", "a"))


def test_a_reader_of_ones_own_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    folder_per_case(tmp_path, "a", suffix=".npz")
    with pytest.raises(InputError, match="no dataset found"):
        open_dataset(tmp_path)
    register_reader(
        "npz", lambda path: path.suffix == ".npz", lambda path: Volume.from_source(np.load(path), np.eye(4))
    )
    assert open_dataset(tmp_path).case("a").image.name == "imaging.npz"


def test_hidden_files_and_folders_are_skipped(tmp_path):
    folder_per_case(tmp_path, "a", ".partial-b")
    touch(
        tmp_path / "a" / ".partial-1-imaging.nii.gz", tmp_path / "a" / "._segmentation.nii.gz", tmp_path / ".DS_Store"
    )
    assert names(open_dataset(tmp_path)) == ["a"]
    zenodo(tmp_path / "z", "b")
    touch(tmp_path / "z" / "Lung_and_Infection_Mask" / "._b.nii.gz", tmp_path / "z" / "__MACOSX" / "b.nii.gz")
    assert names(open_dataset(tmp_path / "z")) == ["b"]


def test_folders_that_are_no_case_are_named(tmp_path, said):
    folder_per_case(tmp_path, "a")
    touch(tmp_path / "misnamed" / "image.nii.gz")
    assert names(open_dataset(tmp_path)) == ["a"]
    assert "misnamed" in said.text


def test_a_folder_that_may_not_be_read_is_no_case(tmp_path, said, monkeypatch):
    folder_per_case(tmp_path, "a")
    (tmp_path / "lost+found").mkdir()
    iterdir = Path.iterdir

    def denied(path):
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    assert is_dataset(tmp_path)
    assert names(open_dataset(tmp_path)) == ["a"]
    assert "ignored folders without imaging.nii.gz: lost+found (may not be read)" in said.text


def test_patients_csv_overrides(tmp_path):
    folder_per_case(tmp_path, "a", "b", "radiopaedia_1_2_3")
    (tmp_path / "patients.csv").write_text("\ufeffcase,patient\nb,P1\na,P1\nradiopaedia_1_2_3,P2\n", encoding="utf-8")
    assert [case.patient for case in open_dataset(tmp_path)] == ["P1", "P1", "P2"]


def test_missing_folder_file_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_dataset(tmp_path / "none")
    touch(tmp_path / "file.nii.gz")
    with pytest.raises(InputError, match=r"file\.nii\.gz: a dataset is a folder"):
        open_dataset(tmp_path / "file.nii.gz")
    touch(tmp_path / "empty" / ".DS_Store")
    with pytest.raises(InputError, match="the folder is empty"):
        open_dataset(tmp_path / "empty")


def test_unknown_layout_names_what_was_looked_for(tmp_path):
    touch(tmp_path / "scan.nii.gz")
    with pytest.raises(
        InputError, match=r"CASE/imaging\.nii\.gz.*imagesTr/CASE_0000\.nii\.gz.*COVID-19-CT-Seg_20cases"
    ):
        open_dataset(tmp_path)


def make_folder_per_case(root):
    folder_per_case(root, "a", "b", "c")
    return {"image": root / "b" / "imaging.nii.gz", "mask": root / "b" / "segmentation.nii.gz"}


def make_nnunet(root):
    nnunet(root, "a", "b", "c")
    return {"image": root / "imagesTr" / "b_0000.nii.gz", "mask": root / "labelsTr" / "b.nii.gz"}


def make_zenodo(root):
    zenodo(root, "a", "b", "c")
    return {kind: root / folder / "b.nii.gz" for kind, folder in
            (("image", "COVID-19-CT-Seg_20cases"), ("mask", "Lung_and_Infection_Mask"))}  # fmt: skip


@pytest.mark.parametrize("make", [make_folder_per_case, make_nnunet, make_zenodo])
def test_mask_without_image_is_refused(tmp_path, make):
    make(tmp_path)["image"].unlink()
    for need_masks in (True, False):
        with pytest.raises(InputError, match="no image for b, only a mask"):
            open_dataset(tmp_path, need_masks)


@pytest.mark.parametrize("make", [make_folder_per_case, make_nnunet, make_zenodo])
def test_image_without_mask_is_refused_where_masks_are_needed(tmp_path, make):
    make(tmp_path)["mask"].unlink()
    with pytest.raises(InputError, match="no mask for b, only an image"):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, need_masks=False)
    assert dataset.case("b").mask is None
    assert dataset.case("a").mask is not None


@pytest.mark.parametrize("make", [make_folder_per_case, make_zenodo])
@pytest.mark.parametrize("kind", ["image", "mask"])
def test_two_files_for_one_case_are_refused(tmp_path, make, kind):
    touch(make(tmp_path)[kind].with_suffix(""))  # .nii beside .nii.gz
    with pytest.raises(InputError, match=f"case b has more than one {kind}"):
        open_dataset(tmp_path)


def test_many_lacking_cases_are_counted(tmp_path):
    for index in range(9):
        touch(tmp_path / f"case_{index}" / "imaging.nii.gz")
    with pytest.raises(InputError, match="no mask for case_0, case_1, case_2, case_3, case_4 and 4 more"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("folder", ["imagesTr", "COVID-19-CT-Seg_20cases"])
def test_layout_without_cases_is_refused(tmp_path, folder):
    (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match=f"{folder}: no file CASE"):
        open_dataset(tmp_path)


def test_found_cases_can_be_read(tmp_path):
    folder_per_case(tmp_path, "a")
    for stem in ("imaging", "segmentation"):
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tmp_path / "a" / f"{stem}.nii.gz")
    image, mask = open_dataset(tmp_path).case("a").read_pair(4)
    assert image.array.sum() == mask.array.sum() == 8


def test_real_cases_are_found(real_data):
    dataset = open_dataset(real_data / "covid_ct_seg_8bit")
    assert len(dataset) == 10
    assert {case.source for case in dataset} == {"coronacases", "radiopaedia"}
