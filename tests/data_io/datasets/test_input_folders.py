"""Exports, media, links and lists: what of them is a CT, and by which name."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import MediaStorageDirectoryStorage

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom import series
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.series import find_series
from pneumoseg.data_io.formats.reading import read_volume
from tests.data_io.formats.dicom.dicom_files import CORONAL, STORED, header, save, write_series


def thorax(folder, uid="1.2.3"):
    folder.mkdir(parents=True, exist_ok=True)
    return write_series(folder, uid=uid)


def scout(folder):
    folder.mkdir(parents=True, exist_ok=True)
    save(header((0, 0, 0), CORONAL, uid="1.2.4", ImageType=["ORIGINAL", "LOCALIZER"]), folder / "s.dcm", STORED[0])
    return folder


def report(folder, modality="SR", name="r.dcm"):
    folder.mkdir(parents=True, exist_ok=True)
    save(header((0, 0, 0), uid="1.2.5", Modality=modality, Rows=None), folder / name, STORED[0])
    return folder


def magnetic_resonance(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return write_series(folder, uid="1.2.6", Modality="MR")


def medium_list(folder, name="DIRFILE"):
    folder.mkdir(parents=True, exist_ok=True)
    dataset = header((0, 0, 0), SOPClassUID=MediaStorageDirectoryStorage, Modality=None, Rows=None)
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    save(dataset, folder / name, STORED[0])


def nifti(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.full((2, 2, 2), len(str(path)), np.int16), np.eye(4)), path)
    return path


def test_of_an_export_what_is_no_plain_ct_is_skipped(tmp_path, said):
    study = tmp_path / "P1" / "study"
    series = thorax(study / "thorax")
    scout(study / "scout")
    report(study / "report")
    magnetic_resonance(study / "mr")
    report(study / "lesions", "SEG")
    for given, name in ((tmp_path, "P1_study_thorax"), (tmp_path / "P1", "study_thorax"), (study, "thorax")):
        said.clear()
        assert find_inputs([given]) == {name: series}
        assert len(said.messages) == 1
        assert "skipped DICOM folders without a plain CT" in said.messages[0]
        for kind in ("lesions (SEG without image)", "mr (MR)", "report (SR without image)", "scout (localizers)"):
            assert kind in said.messages[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (scout, "holds no DICOM image .* found localizers"),
        (report, "holds no DICOM image .* found SR without image"),
        (magnetic_resonance, r"a CT is needed, found modality MR in series 1 \(MR, slices: 5 of 8 x 6\)"),
    ],
)
def test_a_folder_without_a_plain_ct_that_was_given_is_refused(tmp_path, make, message):
    folder = make(tmp_path / "P1" / "S1")
    with pytest.raises(InputError, match=f"S1: {message}"):
        open_dicom(find_inputs([folder])["S1"])
    with pytest.raises(InputError, match="P1: holds no plain CT, found S1 "):
        find_inputs([folder.parent])


@pytest.mark.parametrize("stray", [medium_list, report, scout, lambda root: report(root, "SEG", "lesions")])
def test_a_stray_file_does_not_hide_the_series_below(tmp_path, said, stray):
    series = thorax(tmp_path / "DICOM" / "ST0" / "SE1")
    stray(tmp_path / "DICOM")
    assert find_inputs([tmp_path / "DICOM"]) == {"ST0_SE1": series}
    assert find_inputs([tmp_path]) == {"DICOM_ST0_SE1": series}
    assert ("skipped" in said.text) == (stray is not medium_list)


def test_a_stray_file_beside_the_slices_changes_nothing(tmp_path, said):
    series = thorax(tmp_path / "S")
    medium_list(series)
    report(series, "SEG", "lesions")
    assert find_inputs([series]) == {"S": series}
    assert open_dicom(series).stored_grid.shape == (8, 6, 5)
    assert said.text == ""


def test_a_ct_with_one_bad_slice_is_refused_not_skipped(tmp_path):
    thorax(tmp_path / "P1", "1.2.9")
    save(header((0, 0, 90), ImagePositionPatient=None), thorax(tmp_path / "P2") / "z.dcm", STORED[0])
    found = find_inputs([tmp_path])
    with pytest.raises(InputError, match=r"z\.dcm: a slice must say where it lies"):
        open_dicom(found["P2"])


def test_a_folder_of_damaged_files_may_be_a_ct_and_is_refused_not_skipped(tmp_path):
    thorax(tmp_path / "P1")
    for file in thorax(tmp_path / "P2").iterdir():
        file.write_bytes(file.read_bytes()[:400])
    found = find_inputs([tmp_path])
    assert list(found) == ["P1", "P2"]
    with pytest.raises(InputError, match=r"P2/a\.dcm: the file has no DICOM header, or not all of it"):
        open_dicom(found["P2"])


def test_linked_files_bear_the_names_of_the_links(tmp_path):
    store = tmp_path / "annex" / "SHA256E-s352--abc.nii.gz"
    nifti(store)
    for patient in ("P1", "P2"):
        (tmp_path / "data" / patient).mkdir(parents=True)
        (tmp_path / "data" / patient / "imaging.nii.gz").symlink_to(store)
    (tmp_path / "ct.nii.gz").symlink_to("annex/SHA256E-s352--abc.nii.gz")
    assert find_inputs([tmp_path / "ct.nii.gz"]) == {"ct": tmp_path / "ct.nii.gz"}
    files = [tmp_path / "data" / patient / "imaging.nii.gz" for patient in ("P1", "P2")]
    assert find_inputs(files) == find_inputs([tmp_path / "data"]) == dict(zip(("P1", "P2"), files, strict=True))
    assert [case.name for case in open_dataset(tmp_path / "data", need_masks=False)] == ["P1", "P2"]
    assert read_volume(files[0]).array.shape == (2, 2, 2)


def test_linked_folders_bear_the_names_of_the_links(tmp_path):
    for patient in ("P1", "P2"):
        target = thorax(tmp_path / "store" / patient / "series", f"1.2.{patient[1]}")
        (tmp_path / "cohort").mkdir(exist_ok=True)
        (tmp_path / "cohort" / patient).symlink_to(target)
    expected = {patient: tmp_path / "cohort" / patient for patient in ("P1", "P2")}
    assert find_inputs([tmp_path / "cohort"]) == find_inputs(list(expected.values())) == expected
    (tmp_path / "cohort" / "P1" / "back").symlink_to(tmp_path / "cohort")
    assert find_inputs([tmp_path / "cohort"]) == expected


def test_linked_case_folders_are_cases(tmp_path):
    for patient in ("P1", "P2"):
        for stem in ("imaging", "segmentation"):
            nifti(tmp_path / "store" / f"key-{patient}" / f"{stem}.nii.gz")
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / patient).symlink_to(tmp_path / "store" / f"key-{patient}")
    assert [case.name for case in open_dataset(tmp_path / "data")] == ["P1", "P2"]
    assert list(find_inputs([tmp_path / "data"])) == ["P1", "P2"]
    assert list(find_inputs([tmp_path / "data" / "P1"])) == ["P1"]


@pytest.mark.parametrize("given", [".", "..", "../S"])
def test_a_relative_folder_has_the_name_of_the_folder_meant(tmp_path, monkeypatch, given):
    series = thorax(tmp_path / "P" / "S" if given != ".." else tmp_path / "P")
    (tmp_path / "P" / "S").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "P" / "S")
    (name,) = find_inputs([given])
    assert name == series.name


def test_the_name_of_imaging_in_the_working_folder(tmp_path, monkeypatch):
    nifti(tmp_path / "P7" / "imaging.nii.gz")
    nifti(tmp_path / "imagesTs" / "P8_0000.nii.gz")
    monkeypatch.chdir(tmp_path / "P7")
    assert list(find_inputs(["imaging.nii.gz"])) == ["P7"]
    monkeypatch.chdir(tmp_path / "imagesTs")
    assert list(find_inputs(["P8_0000.nii.gz"])) == ["P8"]


def test_links_whose_files_are_missing_are_named(tmp_path, said):
    (tmp_path / "ct.nii.gz").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"ct\.nii\.gz: the link leads to no file; fetch"):
        find_inputs([tmp_path / "ct.nii.gz"])
    series = thorax(tmp_path / "S")
    (series / "zz.dcm").symlink_to(tmp_path / "gone")
    open_dicom(series)
    assert "skipped links to files that do not exist: zz.dcm" in said.text


def test_lines_of_a_list_are_paths_to_their_end(tmp_path):
    right, wrong = nifti(tmp_path / "study #3" / "ct3.nii.gz"), nifti(tmp_path / "study")
    assert right != wrong
    text = "\ufeff# of May\r\n  # 12\r\n\r\nstudy #3/ct3.nii.gz \r\n"
    (tmp_path / "list.txt").write_bytes(text.encode())
    assert find_inputs([tmp_path / "list.txt"]) == {"ct3": right}


@pytest.mark.parametrize("line", ["a.nii.gz  # the first", "x" * 5000, "a\0.nii.gz", '"a.nii.gz"'])
def test_a_line_that_is_no_path_is_refused(tmp_path, line):
    nifti(tmp_path / "a.nii.gz")
    (tmp_path / "list.txt").write_text(line)
    hint = " (a remark is a line of its own)" if "#" in line else ""
    with pytest.raises(InputError, match=r"list\.txt: no such file or folder") as refusal:
        find_inputs([tmp_path / "list.txt"])
    assert hint in str(refusal.value)


def test_series_are_not_compared_each_with_each(tmp_path, monkeypatch):
    folder = write_series(tmp_path / "ct", heights=(0,), names="a")
    one = read_slice(folder / "a.dcm")
    slices = [replace(one, file=folder / f"{at}.dcm", uid=f"1.2.{at // 2}") for at in range(6000)]
    compared = []
    same_orientation = series.same_orientation
    monkeypatch.setattr(series, "same_orientation", lambda *two: compared.append(two) or same_orientation(*two))
    monkeypatch.setattr(series, "visible_files", lambda path: ([one.file for one in slices], []))
    monkeypatch.setattr(series, "read_slice", {one.file: one for one in slices}.get)
    assert [len(series.slices) for series in find_series(folder)] == [2] * 3000
    assert len(compared) == 3000
