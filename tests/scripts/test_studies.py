"""`pneumoseg studies` at the command line."""

import csv
import json
import shutil
import zipfile

import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.scripts.studies import studies


def invoke(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(studies)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    (folder / "one").mkdir()
    write_series(folder / "one" / "ct", make_phantom(1, 0, (64, 60, 48))[0], patient_id="Smith^John")
    (folder / "one" / "empty.dcm").touch()
    (folder / "readme.txt").write_text("made for a test")
    return folder


def test_a_folder(tree, tmp_path):
    result = invoke(tree, "-o", tmp_path / "studies.csv")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "study 1: series 1 in one/ct (48 slices): axial CT, original, 6.12 mm, soft kernel, whole lungs",
        f"1 patients, 1 studies, 1 series, 1 to segment: {tmp_path / 'studies.csv'}",
    ]
    assert "skipped 1 empty files, such as one/empty.dcm" in result.stderr
    (row,) = csv.DictReader((tmp_path / "studies.csv").read_text().splitlines())
    assert (row["patient"], row["path"], row["segment"]) == ("1", "one/ct", "yes")
    assert "Smith" not in (tmp_path / "studies.csv").read_text()


def test_a_zip_archive_gives_the_same_table(tree, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "export"), "zip", tree)
    assert invoke(archive, "-o", tmp_path / "zip.csv", "--quiet").exit_code == 0
    assert invoke(tree, "-o", tmp_path / "folder.csv", "--quiet").exit_code == 0
    assert (tmp_path / "zip.csv").read_text() == (tmp_path / "folder.csv").read_text()


def test_hostile_archives_are_refused(tmp_path):
    for name, entries in {"out": {"../evil.dcm": b"1"}, "bomb": {"a.dcm": bytes(10_000_000)}}.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in entries.items():
                archive.writestr(entry, content)
    for name, message in (("out", "outside the folder"), ("bomb", "more than 100 times as much")):
        result = invoke(tmp_path / f"{name}.zip", "-o", tmp_path / "studies.csv")
        assert result.exit_code == 2
        assert message in result.stderr and result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bomb.zip", "out.zip"]


def test_ids_and_json(tree, tmp_path):
    result = invoke(tree, "-o", tmp_path / "studies.csv", "--with-ids", "--json")
    content = json.loads(result.stdout)
    assert content["summary"] == {
        "patients": 1,
        "studies": 1,
        "series": 1,
        "to_segment": 1,
        "skipped": {"files that are no DICOM": 1, "empty files": 1},
    }
    assert content["series"][0]["patient_id"] == "Smith^John"


def test_refusals(tree, tmp_path):
    (tmp_path / "there.csv").touch()
    for arguments, message in (
        ((tree, "-o", tmp_path / "there.csv"), "--overwrite"),
        ((tree, "-o", tmp_path), "found a folder"),
        ((tmp_path / "nothing", "-o", tmp_path / "a.csv"), "found nothing"),
        ((tree / "readme.txt", "-o", tmp_path / "a.csv"), "found a file"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr and result.stderr.count("\n") == 1
    assert invoke(tree, "-o", tmp_path / "there.csv", "--overwrite", "--quiet").exit_code == 0


def test_checking_a_table(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "export")
    table = tmp_path / "export" / "table.csv"
    table.write_text("patient,path,covid,score\nSmith^John,one/ct,yes,40\n")
    assert invoke("--table", table, "--quiet").stdout == ""
    result = invoke("--table", table)
    assert (result.exit_code, result.stdout) == (0, f"0 findings in {table}\n")

    table.write_text("patient,path,covid,score\nSmith^John,one/ct,yes,140\nMiller,two,no,\n")
    result = invoke("--table", table, "-o", tmp_path / "findings.csv")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "invalid       row 2, score '140': must be a number from 0 to 100",
        "missing       row 3, path 'two': no folder with DICOM files is there",
        f"2 findings in {table}",
    ]
    assert (tmp_path / "findings.csv").read_text().splitlines()[0] == "row,column,value,problem,message"
    result = invoke(tree, "--table", table, "--json", "--reference-tag", "AccessionNumber")
    content = json.loads(result.stdout)
    assert (result.exit_code, content["studies"]) == (1, 1)
    assert [one["problem"] for one in content["findings"]] == ["invalid", "contradicting", "missing"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("TREE",), "give FOLDER and -o, or --table"),
        (("-o", "a.csv"), "give FOLDER and -o, or --table"),
        (("TREE", "-o", "OUT", "--reference-tag", "PatientID"), "is for --table"),
        (("TREE", "--table", "t.csv", "--with-ids"), "not for --table"),
        (("TREE", "--table", "t.csv", "--reference-tag", "Patient"), "found 'Patient'"),
        (("TREE", "--table", "no.csv"), "no such file"),
    ],
)
def test_combinations_that_make_no_sense(tree, tmp_path, arguments, message):
    result = invoke(
        *(str(tree) if one == "TREE" else str(tmp_path / "a.csv") if one == "OUT" else one for one in arguments)
    )
    assert result.exit_code == 2
    assert message in result.stderr
