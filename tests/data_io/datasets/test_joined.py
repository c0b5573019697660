"""Datasets that are used as one."""

import os
from pathlib import Path

import numpy as np
import pytest

from pneumoseg.data_io.datasets.joined import join_datasets, source_names
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.slices import slice_cases
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs.splits import hold_out, k_fold, leave_one_out


@pytest.fixture
def write_dataset(write_nifti):
    """A function that writes a dataset of volumes with these cases, and patients.csv of those whose patient is
    given."""

    def write(root: Path, cases: dict[str, str]) -> Path:
        for name in cases:
            for file in ("imaging", "segmentation"):
                write_nifti(root / name / f"{file}.nii.gz", np.zeros((2, 2, 3), np.uint8))
        if any(cases.values()):
            lines = "".join(f"{name},{patient}\n" for name, patient in cases.items())
            (root / "patients.csv").write_text(f"case,patient\n{lines}")
        return root

    return write


def joined(*roots):
    return join_datasets([open_dataset(root) for root in roots])


def patients(dataset):
    return {case.name: case.patient for case in dataset}


def test_one_dataset_alone_stays_as_it_is(tmp_path, write_dataset):
    dataset = open_dataset(write_dataset(tmp_path / "one", {"coronacases_001": ""}))
    assert join_datasets([dataset]) is dataset


def test_names_that_collide_are_prefixed(tmp_path, write_dataset):
    one = write_dataset(tmp_path / "one", {"a": "", "b": ""})
    two = write_dataset(tmp_path / "two", {"b": "", "c": ""})
    dataset = joined(two, one)
    assert [(case.name, case.source) for case in dataset] == [
        ("a", "one"), ("c", "two"), ("one-b", "one"), ("two-b", "two"),
    ]  # fmt: skip
    assert dataset.case("one-b").image == one / "b" / "imaging.nii.gz"
    assert patients(dataset) == {"a": "a", "c": "c", "one-b": "b", "two-b": "b"}
    assert (dataset.root, dataset.layout) == (tmp_path, "folder per case")


def test_scans_whose_names_tell_one_patient_stay_together(tmp_path, write_dataset):
    one = write_dataset(tmp_path / "one", {"radiopaedia_10_85902_1": ""})
    two = write_dataset(tmp_path / "two", {"radiopaedia_10_85902_3": "P7", "radiopaedia_11_1_1": "P8"})
    assert list(patients(joined(one, two)).values()) == ["P7", "P7", "P8"]
    assert joined(one, two) == joined(two, one)  # of which an inner validation is drawn


def test_slices_of_prefixed_volumes(tmp_path, write_dataset):
    dataset = joined(*(write_dataset(tmp_path / name, {"a": ""}) for name in ("one", "two")))
    slices = slice_cases(dataset, 2, foreground=None, labels=4)
    assert [case.name for case in slices][::3] == ["one-a_000", "two-a_000"]
    assert {case.patient for case in slices} == {"a"}


def test_stacks_of_one_name(tmp_path, write_nifti):
    """All slices of a stack are prefixed, also those that the other stack does not have."""
    for name, count in (("one", 2), ("two", 3)):
        for part in ("im", "mask"):
            write_nifti(tmp_path / name / f"ct_{part}.nii.gz", np.zeros((2, 2, count), np.uint8))
    dataset = joined(tmp_path / "one", tmp_path / "two")
    assert [case.name for case in dataset] == [
        "one-ct_000", "one-ct_001", "two-ct_000", "two-ct_001", "two-ct_002",
    ]  # fmt: skip
    assert {case.slice.volume for case in dataset} == {"one-ct", "two-ct"}


def test_patients_are_linked_by_patient_and_by_name(tmp_path, write_dataset, caplog, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.console.log.propagate", True)
    caplog.set_level("INFO")
    one = write_dataset(tmp_path / "one", {"a": "P1", "b": "P1", "c": "P2", "d": "P3"})
    two = write_dataset(tmp_path / "two", {"b": "Q1", "e": "Q1", "f": "P2", "g": "Q3"})
    assert patients(joined(one, two)) == {
        "a": "P1", "one-b": "P1", "two-b": "P1", "e": "P1",  # e is of the patient of two-b, which is b of one
        "c": "P2", "f": "P2",
        "d": "P3",
        "g": "Q3",
    }  # fmt: skip
    assert "one and two: 8 cases of 4 patients; patients with cases in several of the datasets" in caplog.text
    assert "stay together: 2" in caplog.text


@pytest.mark.parametrize("again", ["one", "link", "two/../one"])
def test_a_dataset_is_given_once(tmp_path, write_dataset, again):
    for name in ("one", "two"):
        write_dataset(tmp_path / name, {"a": ""})
    (tmp_path / "link").symlink_to(tmp_path / "one")
    with pytest.raises(InputError, match="one: the dataset is given 2 times; give each folder once"):
        joined(tmp_path / "one", tmp_path / "two", tmp_path / again)


def test_names_that_collide_after_all_are_refused(tmp_path, write_dataset):
    one = write_dataset(tmp_path / "one", {"a": "", "two-a": ""})
    two = write_dataset(tmp_path / "two", {"a": ""})
    with pytest.raises(InputError, match="two cases of the datasets are called two-a; rename one of each"):
        joined(one, two)


def test_folders_of_one_name_are_called_with_those_around_them():
    assert source_names([Path("/x/a/ct"), Path("/y/a/ct"), Path("/y/b/ct"), Path("/y/pet")]) == [
        "x-a-ct", "y-a-ct", "b-ct", "pet",
    ]  # fmt: skip
    assert source_names([Path("/x/.ct"), Path("/y/pet")]) == ["ct", "pet"]  # what is named so must not be hidden


def test_cases_of_folders_of_one_name(tmp_path, write_dataset, monkeypatch):
    for name in "xy":
        write_dataset(tmp_path / name / "ct", {"a": ""})
    monkeypatch.chdir(tmp_path / "x" / "ct")
    dataset = joined(Path("."), Path("..", "..", "y", "ct"))
    assert [case.name for case in dataset] == ["x-ct-a", "y-ct-a"]


def test_copies_of_a_ct_stay_on_one_side_of_every_split():
    data = os.environ.get("PNEUMOSEG_REAL_DATA")
    if not data:
        pytest.skip("PNEUMOSEG_REAL_DATA names no folder of real CTs")
    dataset = joined(Path(data, "covid_ct_hu"), Path(data, "covid_ct_seg_8bit"))
    copies = {case.name.split("-")[-1] for case in dataset if "-" in case.name}
    assert len(copies) == 10
    assert {"coronacases_001", "radiopaedia_7_85703_0", "radiopaedia_27_86410_0", "radiopaedia_40_86625_0"} < copies
    assert len(dataset) == 24
    assert len({case.patient for case in dataset}) == 13
    for seed in range(10):
        for split in (*k_fold(dataset, 5, seed=seed), *hold_out(dataset, 0.3, seed), *leave_one_out(dataset)):
            both = [{name.split("-")[-1] for name in side} for side in (split.train, split.test)]
            assert not both[0] & both[1]
