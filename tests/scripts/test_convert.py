"""`pneumoseg convert` at the command line."""

import json
import shutil

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.scripts.convert import convert

ARRAY = np.random.default_rng(0).integers(-1024, 3000, (7, 6, 5)).astype(np.int16)


def invoke(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(convert)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def tree(tmp_path):
    for number, name in enumerate(("a", "b"), start=1):
        (tmp_path / "in" / name).mkdir(parents=True)
        volume = Volume.from_source(ARRAY + np.int16(number), np.eye(4))
        write_series(tmp_path / "in" / name / "ct", volume, patient_id=name)
    return tmp_path / "in"


def test_one_series_to_a_file(tree, tmp_path):
    result = invoke(tree / "a" / "ct", "-o", tmp_path / "out.nrrd")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'out.nrrd'}: 7 x 6 x 5, HU\n")
    np.testing.assert_array_equal(read_volume(tmp_path / "out.nrrd").array, ARRAY + 1)
    assert json.loads((tmp_path / "out.nrrd.json").read_text())["file"] == "out.nrrd"


@pytest.mark.parametrize("zipped", [False, True])
def test_a_tree_to_a_folder(tree, tmp_path, zipped):
    given = shutil.make_archive(str(tmp_path / "in"), "zip", tree) if zipped else tree
    result = invoke(given, "-o", tmp_path / "out", "--format", "nii", "--json")
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["files"]) == [str(tmp_path / "out" / f"{name}_ct.nii") for name in "ab"]
    np.testing.assert_array_equal(read_volume(tmp_path / "out" / "b_ct.nii").array, ARRAY + 2)
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_bad_series_are_skipped_on_request(tree, tmp_path):
    next((tree / "a" / "ct").glob("*3.dcm")).unlink()
    assert invoke(tree, "-o", tmp_path / "out").exit_code == 2
    result = invoke(tree, "-o", tmp_path / "out", "--keep-going", "--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert list(content["failed"]) == ["a_ct.nii.gz"] and len(content["files"]) == 1
    assert invoke(tree, "-o", tmp_path / "gaps", "--allow-gaps", "--quiet").stdout == ""
    assert len(list((tmp_path / "gaps").iterdir())) == 4


def test_refusals(tree, tmp_path):
    (tmp_path / "there.nii").touch()
    (tmp_path / "b.nii.json").touch()
    (tmp_path / "no.nii.gz").touch()
    ct = tree / "a" / "ct"
    for arguments, message in (
        ((ct, "-o", tmp_path / "there.nii"), "there.nii: exists already"),
        ((ct, "-o", tmp_path / "b.nii"), "b.nii.json: exists already"),
        ((tree, "-o", tmp_path / "one.nii"), "one file is to be written for 2 series"),
        ((ct, "-o", ct / "a.nii"), "lies in the folder that is converted"),
        ((ct, "-o", ct), "lies in the folder that is converted"),
        ((tmp_path / "no.nii.gz", "-o", tmp_path / "a.nii"), "DICOM series are converted"),
        ((ct, "-o", tmp_path / "a.nii", "--series", "none"), "must name one series"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert invoke(ct, "-o", tmp_path / "there.nii", "--overwrite").exit_code == 0
