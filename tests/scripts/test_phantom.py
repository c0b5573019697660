"""The command `phantom` at the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pydicom import dcmread
from typer.testing import CliRunner

import pneumoseg
from pneumoseg.scripts.phantom import phantom

ROOT = Path(pneumoseg.__file__).parent
SMALL = ["--shape", "20", "18", "16", "--cases", "1"]


def invoke(*arguments: str):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(phantom)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_json_names_the_cases(tmp_path):
    result = invoke("-o", tmp_path / "out", *SMALL, "--seed", "4", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "folder": str(tmp_path / "out"),
        "cases": ["phantom_001"],
        "kind": "volumes",
        "format": "nifti",
        "shape": [20, 18, 16],
        "seed": 4,
    }
    assert (tmp_path / "out" / "phantom_001" / "imaging.nii.gz").is_file()


@pytest.mark.parametrize(("kind", "file"), [("pictures", "masks/{}.png"), ("stack", "tr_mask.nii.gz")])
def test_slices(tmp_path, kind, file):
    result = invoke("-o", tmp_path / "out", "--kind", kind, *SMALL, "--json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert content["kind"] == kind
    assert (tmp_path / "out" / file.format(content["cases"][0])).is_file()
    assert (tmp_path / "out" / "patients.csv").read_text().splitlines()[1] == f"{content['cases'][0]},phantom_001"


@pytest.mark.parametrize("file_format", ["nifti", "dicom"])
def test_a_cohort_has_a_table(tmp_path, file_format):
    result = invoke("-o", tmp_path / "out", "--kind", "cohort", "--format", file_format, *SMALL, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["cases"] == ["phantom_001"]
    header, row = (tmp_path / "out" / "cohort.csv").read_text().splitlines()
    assert header == "patient,path,label,score,pattern"
    assert row.split(",")[1] == {"nifti": "phantom_001/imaging.nii.gz", "dicom": "phantom_001/dicom"}[file_format]
    assert (tmp_path / "out" / row.split(",")[1]).exists()


def test_dicom_series(tmp_path):
    result = invoke(
        "-o", tmp_path / "out", "--format", "dicom", "--position", "mixed", *SMALL, "--cases", "2", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["format"] == "dicom"
    read = [dcmread(tmp_path / "out" / case / "dicom" / "IM00001.dcm") for case in ("phantom_001", "phantom_002")]
    assert [one.PatientPosition for one in read] == ["HFS", "HFP"]
    assert len(list((tmp_path / "out" / "phantom_002" / "dicom").iterdir())) == 16
    assert (tmp_path / "out" / "phantom_002" / "segmentation.nii.gz").is_file()
    assert not (tmp_path / "out" / "phantom_002" / "imaging.nii.gz").exists()


@pytest.mark.parametrize(
    "arguments", [("--kind", "stack", "--format", "dicom"), ("--position", "HFS"), ("--position", "XYZ")]
)
def test_combinations_that_make_no_sense(tmp_path, arguments):
    result = invoke("-o", tmp_path / "out", *arguments, *SMALL)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_output_is_a_flag_not_an_argument(tmp_path):
    for arguments, message in (([tmp_path / "out"], "Missing option '-o'"), ([tmp_path, "-o", tmp_path], "unexpected")):
        result = invoke(*arguments, *SMALL)
        assert result.exit_code == 2
        assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_second_run_needs_overwrite(tmp_path):
    assert invoke("-o", tmp_path, *SMALL, "--quiet").exit_code == 0
    assert invoke("-o", tmp_path, *SMALL, "--quiet").exit_code == 2
    assert invoke("-o", tmp_path, *SMALL, "--quiet", "--overwrite").exit_code == 0


def test_refusal_is_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, "-m", "pneumoseg.scripts.phantom", "-o", str(tmp_path / "out"), "--cases", "0"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: cases") and result.stderr.count("\n") == 1
