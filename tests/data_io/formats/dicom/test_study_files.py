"""Which files below a folder are read, and why others are not."""

import os
from collections import Counter

import pytest

from pneumoseg.data_io.formats.dicom import study_files as module
from pneumoseg.data_io.formats.dicom.study_files import Skipped, study_files
from tests.data_io.formats.dicom.dicom_files import STORED, header, save, write_series


def found_in(folder):
    """Names of files that are read, and reasons by the names of those that are skipped."""
    every = list(study_files(folder))
    read = [one.slice.file.relative_to(folder).as_posix() for one in every if not isinstance(one, Skipped)]
    return read, {one.path.relative_to(folder).as_posix(): one.reason for one in every if isinstance(one, Skipped)}


def test_files_at_any_depth_by_name(tmp_path):
    write_series(tmp_path / "b", names="ab")
    (tmp_path / "a" / "deep" / "er").mkdir(parents=True)
    save(header((0, 0, 0)), tmp_path / "a" / "deep" / "er" / "without_suffix", STORED[0])
    (tmp_path / ".hidden").mkdir()
    save(header((0, 0, 0)), tmp_path / ".hidden" / "a.dcm", STORED[0])
    assert found_in(tmp_path) == (["a/deep/er/without_suffix", "b/a.dcm", "b/b.dcm"], {})


def test_values_of_the_header(tmp_path):
    dataset = header(
        (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], StudyID=" 7 ", ConvolutionKernel=["Br40", "3"]
    )
    save(dataset, tmp_path / "a.dcm", STORED[0])
    (one,) = study_files(tmp_path)
    assert one.values["ImageType"] == "ORIGINAL\\PRIMARY\\AXIAL"
    assert one.values["ConvolutionKernel"] == "Br40\\3"
    assert (one.values["StudyID"], one.values["AccessionNumber"], one.values["SliceThickness"]) == ("7", "", "2.5")


def test_what_is_skipped(tmp_path):
    write_series(tmp_path / "ct", names="a")
    content = (tmp_path / "ct" / "a.dcm").read_bytes()
    (tmp_path / "DICOMDIR").write_bytes(content)
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "notes.txt").write_text("no DICOM at all")
    (tmp_path / "named.dcm").write_text("no DICOM at all")
    (tmp_path / "cut.dcm").write_bytes(content[:300])
    os.mkfifo(tmp_path / "pipe.dcm")
    read, skipped = found_in(tmp_path)
    assert read == ["ct/a.dcm"]
    assert skipped == {
        "DICOMDIR": "lists of files (DICOMDIR)",
        "empty.dcm": "empty files",
        "notes.txt": "files that are no DICOM",
        "named.dcm": "damaged DICOM files",
        "cut.dcm": "damaged DICOM files",
    }


def test_links(tmp_path):
    outside = write_series(tmp_path / "outside", names="a")
    folder = tmp_path / "in"
    folder.mkdir()
    write_series(folder / ".store", names="b")
    write_series(folder / "ct", names="c")
    (folder / "out_file").symlink_to(outside / "a.dcm")
    (folder / "out_folder").symlink_to(outside)
    (folder / "dead").symlink_to(folder / "nothing")
    (folder / "around").symlink_to(folder)
    (folder / "again.dcm").symlink_to(folder / "ct" / "c.dcm")
    (folder / "stored.dcm").symlink_to(folder / ".store" / "b.dcm")
    read, skipped = found_in(folder)
    assert read == ["stored.dcm", "ct/c.dcm"]
    assert skipped == {
        "dead": "links to files that do not exist",
        "out_file": "links to files outside the folder",
        "out_folder": "links to files outside the folder",
    }
    (tmp_path / "link").symlink_to(folder)
    assert found_in(tmp_path / "link")[0] == read


def test_files_that_are_removed_while_they_are_read(tmp_path, monkeypatch):
    write_series(tmp_path / "a", names="abc")
    write_series(tmp_path / "b", names="ab")
    reading = study_files(tmp_path)
    next(reading)
    for file in [*(tmp_path / "a").iterdir(), *(tmp_path / "b").iterdir()]:
        file.unlink()
    (tmp_path / "b").rmdir()
    assert Counter(one.reason for one in reading) == {"files removed while they were read": 3}

    write_series(tmp_path / "a", names="a")

    def vanish(file, keywords):
        file.unlink()
        raise module.InputError("cannot be read")

    monkeypatch.setattr(module, "read_slice_with", vanish)
    assert found_in(tmp_path) == ([], {"a/a.dcm": "files removed while they were read"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path):
    (write_series(tmp_path / "a", names="a") / "a.dcm").chmod(0)
    assert found_in(tmp_path) == ([], {"a/a.dcm": "files that may not be read"})
