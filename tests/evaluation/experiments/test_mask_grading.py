"""Rows of a grading, and what is written of them."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.mask_grading import check_output, grade_masks, grade_part, readable, write_grading


@pytest.fixture
def masks(tmp_path):
    """Two lungs of 10 voxels of 1 ml; 4 and 0 of the left are infected."""
    (tmp_path / "masks").mkdir()
    for name, infected in (("one", 4), ("two", 0)):
        labels = np.zeros((10, 3, 10), np.uint8)
        labels[1, 1], labels[8, 1], labels[1, 1, :infected] = 1, 2, 3
        nib.save(nib.Nifti1Image(labels, np.diag([10.0, 10, 10, 1])), tmp_path / "masks" / f"{name}.nii.gz")
    return tmp_path / "masks"


def test_one_row_per_mask(masks):
    rows = grade_masks(masks)
    assert [(row["case"], row["infected_percent"], row["category"]) for row in rows] == [
        ("one", 20.0, "Mild"), ("two", 0.0, "Low"),
    ]  # fmt: skip


def test_a_file_that_a_mask_lacks_is_a_remark(masks, tmp_path):
    (tmp_path / "cts").mkdir()
    ct = np.full((10, 3, 10), 40, np.int16)
    ct[[1, 8], 1] = -800
    nib.save(nib.Nifti1Image(ct, np.diag([10.0, 10, 10, 1])), tmp_path / "cts" / "one.nii.gz")
    one, two = grade_masks(masks, images=tmp_path / "cts")
    assert (one["infection_mean_hu"], one["remarks"]) == (-800, "")
    assert (two["infection_mean_hu"], two["remarks"]) == (None, "no CT of this name")


def test_written_and_shown(masks, tmp_path):
    rows = grade_masks(masks)
    check_output(tmp_path / "out")
    write_grading(rows, tmp_path / "out")
    assert list(pd.read_csv(tmp_path / "out" / "severity.csv")["infected_percent_left"]) == [40, 0]
    assert json.loads((tmp_path / "out" / "severity.json").read_text(encoding="utf-8"))["cases"] == rows
    assert (tmp_path / "out" / "figures" / "severity.png").is_file()
    lines = readable(rows).splitlines()
    assert lines[2].split()[:4] == ["one", "20.0", "40.0", "0.0"]
    assert "research only" in lines[-1]
    with pytest.raises(InputError, match=r"must be free for results, found severity\.csv"):
        check_output(tmp_path / "out")
    check_output(tmp_path / "out", overwrite=True)


def test_masks_that_do_not_label_all_are_left_out(masks, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.console.log.propagate", True)
    for name in ("one", "two"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for file in ("imaging", "segmentation"):
            (folder / f"{file}.nii.gz").write_bytes((masks / f"{name}.nii.gz").read_bytes())
    table = tmp_path / "data" / "patients.csv"
    table.write_text("case,patient,labels_present\none,one,\ntwo,two,lung_left lung_right\n")
    assert [row["case"] for row in grade_masks(tmp_path / "data")] == ["one"]
    assert "severity needs lung_left, lung_right, infection, not all labelled in two; left out" in caplog.text
    table.write_text("case,patient,labels_present\none,one,infection\ntwo,two,lung_left lung_right\n")
    with pytest.raises(InputError, match="not all labelled in one, two; correct labels_present"):
        grade_masks(tmp_path / "data")


def test_voxels_that_do_not_count_are_not_graded(masks, tmp_path):
    """Half of the 10 slices count: of the 4 infected ones, those above the lowest two."""
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    for file in ("imaging", "segmentation"):
        (folder / f"{file}.nii.gz").write_bytes((masks / "one.nii.gz").read_bytes())
    valid = np.zeros((10, 3, 10), np.uint8)
    valid[:, :, 2:7] = 1
    nib.save(nib.Nifti1Image(valid, np.diag([10.0, 10, 10, 1])), folder / "valid.nii.gz")
    (row,) = grade_masks(tmp_path / "data")
    assert (row["infection_ml"], row["infected_percent"]) == pytest.approx((2, 20))
    assert row["remarks"].endswith("graded by the voxels that count, of valid, alone")


def test_parts_make_the_whole(masks, tmp_path, monkeypatch):
    (tmp_path / "cts").mkdir()
    ct = np.full((10, 3, 10), -800, np.int16)
    nib.save(nib.Nifti1Image(ct, np.diag([10.0, 10, 10, 1])), tmp_path / "cts" / "one.nii.gz")
    whole = grade_masks(masks, images=tmp_path / "cts")
    grade = {"output": tmp_path / "out", "images": tmp_path / "cts"}
    assert grade_part(masks, "2/2", **grade) == whole[1:]  # none of this part has a CT
    assert grade_part(masks, "1/2", **grade) == whole[:1]
    with pytest.raises(InputError, match="exists already"):
        grade_part(masks, "1/2", **grade)
    monkeypatch.setattr("pneumoseg.evaluation.experiments.mask_grading.severity", None)  # not called again
    assert grade_masks(masks, images=tmp_path / "cts", resume_from=tmp_path / "out") == whole
    assert grade_part(masks, "1/2", **grade, resume=True) == whole[:1]
    with pytest.raises(InputError, match=r"made with other settings \(images\)"):
        grade_masks(masks, resume_from=tmp_path / "out")
    with (masks / "two.nii.gz").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="case two: its mask changed"):
        grade_masks(masks, images=tmp_path / "cts", resume_from=tmp_path / "out")


@pytest.mark.parametrize("change", [{"case": "two"}, {"category": [1]}, {"remarks": ...}])
def test_a_part_with_other_content_is_refused(masks, tmp_path, change):
    grade_part(masks, "1/2", output=tmp_path)
    file = tmp_path / "parts" / "1_of_2.json"
    content = json.loads(file.read_text())
    row = content["cases"]["one"]["results"] | change
    content["cases"]["one"]["results"] = {name: value for name, value in row.items() if value is not ...}
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="case one: its part holds no row"):
        grade_masks(masks, resume_from=tmp_path)
