"""nnU-Net's layout: channels, endings and its description; the other layouts of volumes are tested in test_layouts."""

import json

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.volume_layouts import folder_per_case, zenodo
from pneumoseg.data_io.errors import InputError


def touch(*paths):
    """Layouts look at names alone."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def nnunet(root, *names, ending=".nii.gz", **content):
    for name in names:
        touch(root / "imagesTr" / f"{name}_0000{ending}", root / "labelsTr" / f"{name}{ending}")
    if content:
        (root / "dataset.json").write_text(json.dumps(content))
    return root


def names(dataset):
    return [case.name for case in dataset]


def test_a_folder_of_another_layout_is_none_of_these(tmp_path):
    nnunet(tmp_path, "a")
    assert folder_per_case(tmp_path) is None
    assert zenodo(tmp_path) is None


def test_nnunet_file_ending_is_honoured(tmp_path):
    nnunet(tmp_path, "a", ending=".nii", file_ending=".nii")
    touch(tmp_path / "imagesTr" / "b_0000.nii.gz")
    assert names(open_dataset(tmp_path)) == ["a"]


def test_nnunet_without_dataset_json(tmp_path):
    assert names(open_dataset(nnunet(tmp_path, "a"))) == ["a"]


def test_nnunet_image_without_channel_number_is_refused(tmp_path):
    nnunet(tmp_path, "a")
    touch(tmp_path / "imagesTr" / "lung.nii.gz")
    with pytest.raises(InputError, match=r"lung\.nii\.gz: an nnU-Net image is called CASE_0000\.nii\.gz"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"file_ending": "nii"}', "file_ending must be like"),
        ('{"file_ending": ', "not readable as JSON"),
        ("[]", "nnU-Net's description of a dataset is an object, found a list"),
    ],
)
def test_wrong_dataset_json_is_refused(tmp_path, text, message):
    nnunet(tmp_path, "a")
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=rf"dataset\.json: {message}"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "content", [{}, {"channel_names": {"0": "CT", "1": "PET"}}, {"modality": {"0": "CT", "1": "PET"}}]
)
def test_channels_are_further_files_in_the_order_of_their_numbers(tmp_path, content):
    nnunet(tmp_path, "a", "b", **content)
    images = tmp_path / "imagesTr"
    touch(images / "a_0001.nii.gz", images / "b_0001.nii.gz")
    dataset = open_dataset(tmp_path)
    assert names(dataset) == ["a", "b"]
    assert dataset.case("b").image == images / "b_0000.nii.gz"
    assert dataset.case("b").further == (images / "b_0001.nii.gz",)


@pytest.mark.parametrize(
    ("content", "files", "message"),
    [
        ({}, ["a_0001"], r"case b needs the channels 0000 to 0001, as many as the other cases, found b_0000\.nii\.gz;"),
        (
            {},
            ["a_0002", "b_0002"],
            r"case a needs the channels 0000 to 0002, .*found a_0000\.nii\.gz, a_0002\.nii\.gz;",
        ),
        (
            {"channel_names": {"0": "CT", "1": "PET"}},
            [],
            r"case a needs the channels 0000 to 0001, as dataset\.json names 2, found a_0000",
        ),
        (
            {"modality": {"0": "CT"}},
            ["b_0001"],
            r"case b needs the channel 0000, as dataset\.json names 1, found b_0000",
        ),
    ],
)
def test_a_case_without_all_channels_is_refused(tmp_path, content, files, message):
    nnunet(tmp_path, "a", "b", **content)
    touch(*(tmp_path / "imagesTr" / f"{name}.nii.gz" for name in files))
    with pytest.raises(InputError, match=f"imagesTr: {message}"):
        open_dataset(tmp_path)


def test_channels_are_read_as_one_image(tmp_path):
    nnunet(tmp_path, "a")
    for name, value in (("imagesTr/a_0000", 1), ("imagesTr/a_0001", 2), ("imagesTr/a_0002", 3), ("labelsTr/a", 1)):
        nib.save(nib.Nifti1Image(np.full((2, 3, 4), value, np.uint8), np.eye(4)), tmp_path / f"{name}.nii.gz")
    image, mask = open_dataset(tmp_path).case("a").read_pair(4)
    assert image.array.shape == (2, 3, 4, 3)
    assert image.array[0, 0, 0].tolist() == [1, 2, 3]
    assert mask.array.shape == (2, 3, 4)
