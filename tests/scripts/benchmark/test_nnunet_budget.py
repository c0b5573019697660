"""What nnU-Net is given: cases, voxels that do not count, and the size of a run."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.scripts.benchmark.nnunet_budget import IGNORE, size_of, write_raw
from pneumoseg.scripts.benchmark.nnunet_train import shrink


def test_cases_are_written_as_nnunet_wants_them(tmp_path):
    first, second = write_phantoms(tmp_path / "data", 2, shape=(32, 32, 24), seed=1)
    mask = nib.load(first / "segmentation.nii.gz")
    valid = np.ones(mask.shape, np.uint8)
    valid[:8] = 0
    nib.save(nib.Nifti1Image(valid, mask.affine), first / "valid.nii.gz")
    dataset = open_dataset(tmp_path / "data")
    write_raw(tmp_path / "work" / "raw" / "Dataset001_ct", dataset.select([first.name]), dataset.select([second.name]))
    folder = tmp_path / "work" / "raw" / "Dataset001_ct"
    labels = np.asarray(nib.load(folder / "labelsTr" / f"{first.name}.nii.gz").dataobj)
    assert (labels == IGNORE).sum() == (valid == 0).sum()
    image = nib.load(folder / "imagesTr" / f"{first.name}_0000.nii.gz")
    assert image.shape == labels.shape
    assert [path.name for path in folder.joinpath("imagesTs").iterdir()] == [f"{second.name}_0000.nii.gz"]
    assert [case.name for case in open_dataset(tmp_path / "work" / "references")] == [second.name]
    described = json.loads((folder / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "lung_left": 1, "lung_right": 2, "infection": 3, "ignore": 4}


def test_a_case_without_some_classes_is_refused(tmp_path):
    for case in write_phantoms(tmp_path / "data", 1, shape=(32, 32, 24), seed=1):
        (tmp_path / "data" / "patients.csv").write_text(f"case,patient,labels_present\n{case.name},p,infection\n")
    dataset = open_dataset(tmp_path / "data")
    with pytest.raises(InputError, match="masks of all classes, found labels_present of phantom_001"):
        write_raw(tmp_path / "work" / "raw" / "Dataset001_ct", dataset, dataset.select([]))


def test_the_size_of_a_run_is_given_along_z_y_x(tmp_path):
    settings = "preprocessing: {spacing_mm: [2.8, 2.6, 3]}\npatches: {shape: [128, 64, 16]}\n"
    (tmp_path / "settings.yaml").write_text(settings + "network: {filters: [16, 32, 64]}\n")
    assert size_of(Path(tmp_path)) == {
        "spacing": [3, 2.6, 2.8],
        "patch_size": [16, 64, 128],
        "features_per_stage": [16, 32, 64],
    }


def test_a_smaller_plan_halves_long_axes():
    plan = {"patch_size": [16, 64, 128], "architecture": {"arch_kwargs": {"features_per_stage": [32] * 6}}}
    shrink(plan, {"features_per_stage": [16, 32, 64]})
    network = plan["architecture"]["arch_kwargs"]
    assert network["n_stages"] == 3
    assert network["strides"] == [[1, 1, 1], [2, 2, 2], [1, 2, 2]]
    assert network["n_conv_per_stage_decoder"] == pytest.approx([2, 2])
