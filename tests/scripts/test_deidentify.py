"""The command: flags, refusals, processes, key file."""

import json
import stat

import pytest

from tests.data_io.formats.dicom.dicom_files import write_series


@pytest.fixture
def series(tmp_path):
    write_series(tmp_path / "in", PatientID="A17-4711", StudyDate="20200301", SeriesDescription="Thorax Mrs Zyxwvut")
    (tmp_path / "in" / "notes.txt").write_text("Zyxwvut")
    return tmp_path / "in"


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_key_gives_the_same_files_again_also_by_several_processes(pneumoseg, series, tmp_path):
    key = tmp_path / "secret.key"
    done = pneumoseg(
        "deidentify", series, "-o", tmp_path / "one", "--key", key, "--dates", "shift", "--keep-descriptors"
    )
    assert done.stdout.strip() == "6 files, 5 released, 1 held back"
    assert "keep it apart" in done.stderr
    assert "1 file held back: neither DICOM nor NIfTI" in done.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = pneumoseg(
        *("deidentify", series, "-o", tmp_path / "two", "--key", key, "--dates", "shift", "--keep-descriptors"),
        *("--processes", 2, "--json"),
    )
    assert json.loads(again.stdout) == {
        **{"files": 6, "released": 5, "held_back": 1},
        "reasons": {"neither DICOM nor NIfTI": 1},
    }
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_without_a_key_nothing_links_two_results(pneumoseg, series, tmp_path):
    for name in ("one", "two"):
        pneumoseg("deidentify", series, "-o", tmp_path / name, "--quiet")
    names = [{path for path in files_of(tmp_path / name) if path.suffix == ".dcm"} for name in ("one", "two")]
    assert not names[0] & names[1]


def test_what_cannot_be_is_refused_in_one_line(pneumoseg, series, tmp_path):
    for arguments, said in (
        ((series, "-o", series / "out"), "must lie outside the input"),
        ((series, "-o", tmp_path / "out", "--release", "reports"), "did you mean report?"),
        ((series, "-o", tmp_path / "out", "--key", series / "key"), "the key must lie outside"),
        ((tmp_path / "none", "-o", tmp_path / "out"), "no such file or folder"),
    ):
        done = pneumoseg("deidentify", *arguments, code=2)
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not (series / "key").exists()
    pneumoseg("deidentify", series, "-o", tmp_path / "out", "--quiet")
    done = pneumoseg("deidentify", series, "-o", tmp_path / "out", code=2)
    assert "(--overwrite)" in done.stderr
    pneumoseg("deidentify", series, "-o", tmp_path / "out", "--overwrite")
