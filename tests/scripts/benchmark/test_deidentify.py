"""The files that both programs get."""

from pneumoseg.scripts.benchmark.deidentify import copied
from tests.data_io.formats.dicom.dicom_files import write_series


def test_files_are_copied_in_turn(tmp_path):
    write_series(tmp_path / "ct")
    (tmp_path / "ct" / "notes.txt").write_text("no DICOM")
    copied(tmp_path / "ct", tmp_path / "data", 7)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [f"{number:05d}.dcm" for number in range(7)]
    assert (tmp_path / "data" / "00005.dcm").read_bytes() == (tmp_path / "ct" / "a.dcm").read_bytes()
