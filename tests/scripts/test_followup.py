"""`pneumoseg followup` as a person at the terminal meets it."""

import inspect
import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.phantoms.follow_up import write_follow_ups
from pneumoseg.evaluation.followup import registration, similarity
from pneumoseg.scripts.followup import followup
from tests.data_io.formats.dicom.dicom_files import write_series

app = typer.Typer()
app.command()(followup)
NAMES = ["change.nii.gz", "followup.csv", "followup.json", "followup.png"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result) -> str:
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The registration is coarser and ends sooner, with nearly the same result."""
    monkeypatch.setattr(registration, "GRID_MM", 5.0)
    monkeypatch.setattr(registration, "SAMPLES", 2000)
    monkeypatch.setattr(registration, "BSPLINE_STEPS", 10)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_follow_ups(folder, 1, shape=(64, 64, 44), seed=1)
    return folder / "phantom_001"


@pytest.fixture
def masks(pair):
    return pair / "baseline" / "segmentation.nii.gz", pair / "follow_up" / "segmentation.nii.gz"


@pytest.fixture
def cts(pair):
    return pair / "baseline" / "imaging.nii.gz", pair / "follow_up" / "imaging.nii.gz"


def test_masks(masks, tmp_path, rendered):
    result = run(*masks, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES
    assert "lung_left_lower" in result.stdout
    assert "beyond noise: not known" in result.stdout
    text = (tmp_path / "out" / "followup.json").read_text()
    assert "segmentation" not in text.replace("segmentations", "") and str(tmp_path) not in text
    assert "--overwrite" in refused(run(*masks, "-o", tmp_path / "out"))


def test_cts_with_their_masks_and_known_noise(cts, masks, tmp_path):
    flags = ("--baseline-mask", masks[0], "--follow-up-mask", masks[1], "--noise-ml", "15", "--json")
    result = run(*cts, "-o", tmp_path / "out", *flags)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content == json.loads((tmp_path / "out" / "followup.json").read_text())
    assert content["registration"]["detail_correlation"] > similarity.LEAST_CORRELATION
    assert content["noise"] == {"source": "given"}
    table = pd.read_csv(tmp_path / "out" / "followup.csv")
    beyond = table["change_ml"].abs() > 15
    assert table["beyond_noise"].tolist() == ["yes" if one else "no" for one in beyond]


def test_the_map_lies_on_the_follow_up(masks, tmp_path):
    assert run(*masks, "-o", tmp_path / "out", "--quiet").output == ""
    change, follow_up = (nib.load(path) for path in (tmp_path / "out" / "change.nii.gz", masks[1]))
    np.testing.assert_allclose(change.affine, follow_up.affine, atol=1e-5)
    infected = np.asarray(follow_up.dataobj) == 3
    np.testing.assert_array_equal(np.isin(np.asarray(change.dataobj), (1, 2)), infected)


def test_a_limit_that_no_lungs_reach(masks, tmp_path):
    error = refused(run(*masks, "-o", tmp_path / "out", "--min-similarity", "1"))
    assert "--min-similarity" in error and "Dice of at least 1" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--min-similarity", "nan"), ("--min-correlation", "2"), ("--noise-ml", "-1"), ("--noise-ml", "inf")],
)
def test_numbers_must_be_within_their_limits(masks, tmp_path, flag, value):
    assert flag in refused(run(*masks, "-o", tmp_path / "out", flag, value))


def test_missing_files_are_refused(masks, tmp_path):
    assert "no such file" in refused(run(masks[0], tmp_path / "none.nii.gz", "-o", tmp_path / "out"))


def test_a_mask_without_lungs_is_refused(masks, tmp_path):
    image = nib.load(masks[0])
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), tmp_path / "empty.nii.gz")
    assert "baseline: the mask must have voxels of a lung" in refused(
        run(tmp_path / "empty.nii.gz", masks[1], "-o", tmp_path / "out")
    )


def test_two_patients_and_exchanged_dates_of_dicom_are_refused_before_anything_is_computed(tmp_path):
    for name, values in {
        "a": {"PatientID": "one", "StudyDate": "20200401"},
        "b": {"PatientID": "two", "StudyDate": "20200501"},
        "c": {"PatientID": "one", "StudyDate": "20200301"},
    }.items():
        write_series(tmp_path / name, **values)
    assert "must be of one patient" in refused(run(tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out"))
    assert "exchange the two inputs" in refused(run(tmp_path / "a", tmp_path / "c", "-o", tmp_path / "out"))


def test_the_limit_of_the_flag_is_that_of_the_library():
    defaults = {name: one.default for name, one in inspect.signature(followup).parameters.items()}
    assert defaults["min_correlation"] == similarity.LEAST_CORRELATION


def test_the_same_mask_twice_changes_nothing(masks, tmp_path):
    shutil.copy(masks[0], tmp_path / "again.nii.gz")
    result = run(masks[0], tmp_path / "again.nii.gz", "-o", tmp_path / "out", "--json", "--noise-ml", "0")
    content = json.loads(result.stdout)
    assert content["label_map"]["new_ml"] == content["label_map"]["resolved_ml"] == 0
    assert {row["beyond_noise"] for row in content["regions"]} == {False}
