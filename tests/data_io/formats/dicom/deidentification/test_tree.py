"""Folder trees: clean names, everything reported, nothing of an identity anywhere."""

import gzip
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.tree import REPORT, check_folders, deidentify_tree
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.storage.csv_files import read_table
from tests.data_io.formats.dicom.deidentification.planted import NAME, NEEDLES, found_in, planted, save_planted
from tests.data_io.formats.dicom.dicom_files import STORED, header, save, write_series

KEY = Key(b"k" * 32)


def deidentified(source, output, options=Options(), **more):  # noqa: B008
    return deidentify_tree(source, output, key=KEY, options=options, **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def export(tmp_path) -> Path:
    """An export as hospitals make them: two patients, a planted slice, a mask, and what is held back."""
    root = tmp_path / "Zyxwvut Quentin 19410307"
    root.mkdir()
    write_series(
        root / "ct",
        PatientID="1",
        PatientName="A^B",
        StudyInstanceUID="1.2.3.1",
        SOPInstanceUID=tuple(f"1.2.9.{n}" for n in range(5)),
    )
    write_series(root / "Quentin", uid="1.2.4", PatientID="2", PatientName="C^D", StudyInstanceUID="1.2.3.2")
    save_planted(planted(1), root / "Zyxwvut_86753091.dcm")
    nifti = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([1.0, 2, 3, 1]))
    nifti.header["descrip"] = NAME
    (root / "Quentin" / "nifti").mkdir()
    nib.save(nifti, root / "Quentin" / "nifti" / "Segmentation.nii.gz")
    nib.save(nifti, root / "Quentin" / "nifti" / "Zyxwvut.nii")
    (root / "notes.txt").write_text(NAME)
    (root / "empty.dcm").write_bytes(b"")
    (root / "cut.nii.gz").write_bytes(gzip.compress(b"x" * 400))
    save(header((0, 0, 0), BurnedInAnnotation="YES"), root / "burned.dcm", STORED[0])
    index = bytes(128) + b"DICM" + b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
    (root / "DICOMDIR").write_bytes(index.ljust(600, b"\0"))
    return root


def test_an_export_comes_out_without_any_identity(tmp_path, export, said):
    report = deidentified(export, tmp_path / "out")
    for name, content in contents(tmp_path / "out").items():
        unpacked = gzip.decompress(content) if name.endswith(".gz") else content
        assert found_in(unpacked + name.encode(), (*NEEDLES, "descrip")) == []
    held = [row["held_back"] for row in report if row["held_back"]]
    assert sorted(held) == [
        "a NIfTI file that is damaged, or a pair of files",
        "a list of a medium's files (DICOMDIR)",
        "an empty file",
        "annotation is burned into the pixels (0028,0301)",
        "neither DICOM nor NIfTI",
    ]
    assert len(report) == 10 + 1 + 2 + len(held)
    assert found_in((tmp_path / "out" / REPORT).read_bytes() + said.text.encode(), NEEDLES) == []
    assert read_table(tmp_path / "out" / REPORT)["input"].tolist() == list(range(1, len(report) + 1))


def test_names_are_pseudonyms_and_numbers_and_patients_stay_apart(tmp_path, export):
    deidentified(export, tmp_path / "out")
    dicom = sorted((tmp_path / "out").rglob("*.dcm"))
    patients = {path.relative_to(tmp_path / "out").parts[0] for path in dicom}
    assert len(patients) == 3
    for path in dicom:
        patient, study, series, number = path.relative_to(tmp_path / "out").parts
        assert pydicom.dcmread(path).PatientID == patient
        assert study.startswith("study-") and series.startswith("series-") and number[:5].isdigit()
    nifti = [path.name for path in sorted((tmp_path / "out").rglob("*.nii*"))]
    assert "segmentation.nii.gz" in nifti
    assert len(nifti) == 2


def test_a_series_is_the_same_ct_afterwards(tmp_path, export):
    deidentified(export, tmp_path / "out")
    before = open_dicom(export / "ct")
    (patient,) = {
        path.parent
        for path in (tmp_path / "out").rglob("*.dcm")
        if pydicom.dcmread(path).SeriesInstanceUID == KEY.uid("1.2.3") and len(list(path.parent.iterdir())) == 5
    }
    after = open_dicom(patient)
    np.testing.assert_array_equal(after.stored_grid.affine, before.stored_grid.affine)
    np.testing.assert_array_equal(after.read().restore(), before.read().restore())
    assert all(is_valid_uid(pydicom.dcmread(path).SOPInstanceUID) for path in patient.iterdir())


def test_two_runs_and_several_workers_give_the_same_bytes(tmp_path, export):
    deidentified(export, tmp_path / "one")
    with ThreadPoolExecutor(3) as pool:
        deidentified(export, tmp_path / "two", mapped=pool.map)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    other = deidentify_tree(export, tmp_path / "three", key=Key(b"o" * 32), options=Options())
    names = {row["output"] for row in other}
    assert not names & set(contents(tmp_path / "one")) - {""}


def test_an_archive_gives_what_its_folder_gives(tmp_path, export):
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(export.rglob("*")):
            archive.write(path, path.relative_to(export))
    deidentified(export, tmp_path / "folder")
    deidentified(tmp_path / "export.zip", tmp_path / "archive")
    assert contents(tmp_path / "archive") == contents(tmp_path / "folder")


def test_one_file_and_what_is_released(tmp_path, export):
    report = deidentified(export / "burned.dcm", tmp_path / "out", Options(release=frozenset({"burned-in"})))
    assert [row["held_back"] for row in report] == [""]
    assert (tmp_path / "out" / report[0]["output"]).is_file()


def test_dates_of_a_patient_move_by_the_same_days(tmp_path):
    for name, date in (("a", "20200110"), ("b", "20200301")):
        (tmp_path / "in" / name).mkdir(parents=True)
        one = header(
            (0, 0, 0), uid=f"1.2.{ord(name)}", StudyDate=date, SOPInstanceUID=f"1.3.{ord(name)}", PatientID="7"
        )
        save(one, tmp_path / "in" / name / "1.dcm", STORED[0])
    report = deidentified(tmp_path / "in", tmp_path / "out", Options(dates="shift"))
    dates = [pydicom.dcmread(tmp_path / "out" / name).StudyDate for name in (row["output"] for row in report)]
    moved = [np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}") for date in dates]
    assert (moved[1] - moved[0]).astype(int) == 51
    assert moved[1] < np.datetime64("2019-03-03")


def test_folders_within_each_other_and_results_in_the_way_are_refused(tmp_path, export):
    for source, output in ((export, export / "out"), (export / "ct", export), (export, export)):
        with pytest.raises(InputError, match="must lie outside"):
            check_folders(source, output)
    other = tmp_path / "other"
    other.mkdir()
    deidentified(export, other)
    with pytest.raises(InputError, match="already") as refused:
        deidentified(export, other)
    assert refused.value.options == ("overwrite",)
    before = contents(other)
    deidentified(export, other, overwrite=True)
    assert contents(other) == before
    (other / REPORT).unlink()
    with pytest.raises(InputError, match="another kind"):
        deidentified(export, other, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found something else"):
        check_folders(export, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no file"):
        deidentified(tmp_path / "empty", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_mask_goes_with_the_patient_whose_slices_lie_beside_or_below_it(tmp_path):
    mask = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        write_series(tmp_path / "in" / name / "dicom", uid=f"1.2.{ord(name)}", PatientID=f"4711{name}")
        nib.save(mask, tmp_path / "in" / name / "segmentation.nii.gz")
    nib.save(mask, tmp_path / "in" / "imaging.nii.gz")
    deidentified(tmp_path / "in", tmp_path / "out")
    places = {path.parent.name: path.name for path in (tmp_path / "out").rglob("*.nii.gz")}
    assert places == {
        KEY.pseudonym("id", "4711a", ""): "segmentation.nii.gz",
        KEY.pseudonym("id", "4711b", ""): "segmentation.nii.gz",
        KEY.pseudonym("folder", ""): "imaging.nii.gz",
    }


def test_names_that_differ_in_capitals_do_not_overwrite_each_other(tmp_path):
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("imaging.nii", "IMAGING.nii")):
        nib.save(nib.Nifti1Image(np.full((2, 2, 2), number, np.int16), np.eye(4)), tmp_path / "in" / name)
    report = deidentified(tmp_path / "in", tmp_path / "out")
    values = {int(nib.load(tmp_path / "out" / name).dataobj[0, 0, 0]) for name in (row["output"] for row in report)}
    assert values == {0, 1}


def test_memory_does_not_grow_with_the_pixels(tmp_path):
    one = header((0, 0, 0), Rows=4000, Columns=4000)
    (tmp_path / "in").mkdir()
    save(one, tmp_path / "in" / "large.dcm", np.zeros((4000, 4000), np.int16))
    deidentified(tmp_path / "in", tmp_path / "first")
    tracemalloc.start()
    deidentified(tmp_path / "in", tmp_path / "out")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * 2**20
