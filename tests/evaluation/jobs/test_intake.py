"""Uploads that become inputs, and those that are refused."""

import gzip
import io
import zlib

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.evaluation.jobs import archives
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.intake import CARD, TakenIn, look, take_in
from tests.evaluation.jobs.uploads import (
    declared_nifti,
    mha_bytes,
    nifti_bytes,
    nrrd_bytes,
    patient,
    png,
    zip_of,
    zip_of_folder,
)

KEY = fresh_key()


@pytest.fixture
def upload(tmp_path):
    """A function that makes a folder of uploaded files."""

    def send(*contents: bytes):
        folder = tmp_path / "job" / "upload"
        folder.mkdir(parents=True)
        for number, content in enumerate(contents):
            (folder / f"{number}").write_bytes(content)
        return folder

    return send


def taken(folder, key=KEY):
    return take_in(folder, folder.parent / "input", key=key)


def refusal(folder, key=KEY) -> str:
    with pytest.raises(InputError) as refused:
        take_in(folder, folder.parent / "input", key=key)
    assert [path.name for path in folder.parent.iterdir()] == ["upload"]  # nothing half-made
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (nifti_bytes(), "ct.nii.gz"),
        (nifti_bytes(packed=False), "ct.nii"),
        (nrrd_bytes(), "ct.nrrd"),
        (mha_bytes(), "ct.mha"),
    ],
)
def test_volumes(upload, content, name):
    folder = upload(content)
    assert taken(folder) == TakenIn("ct", name, is_dicom=False)
    np.testing.assert_array_equal(np.sort(read_volume(folder.parent / "input" / name).array, None)[:40], -900)
    assert not folder.exists()


def test_a_header_of_nifti_names_no_one_afterwards(upload):
    folder = upload(nifti_bytes(descrip=b"Sylvia Doe", db_name=b"Doe"))
    taken(folder)
    read = nib.load(folder.parent / "input/ct.nii.gz")
    assert bytes(read.header["descrip"]).strip(b"\0") == b""
    np.testing.assert_array_equal(np.asarray(read.dataobj), patient().array)


def test_identities_stay_where_that_is_asked_for(upload):
    folder = upload(nifti_bytes(descrip=b"Sylvia Doe"))
    taken(folder, key=None)
    assert b"Sylvia" in bytes(nib.load(folder.parent / "input/ct.nii.gz").header["descrip"])


def test_pictures(upload, tmp_path):
    pixels = np.arange(24 * 16, dtype=np.uint8).reshape(16, 24)
    folder = upload(png(tmp_path / "p", pixels).read_bytes())
    assert taken(folder) == TakenIn("picture", "picture.png", is_dicom=False)
    photograph = io.BytesIO()
    Image.fromarray(pixels).save(photograph, "JPEG")
    other = tmp_path / "other"
    (other / "upload").mkdir(parents=True)
    (other / "upload/0").write_bytes(photograph.getvalue())
    assert take_in(other / "upload", other / "input", key=KEY).path == "picture.jpg"


@pytest.mark.parametrize("several_files", [False, True])
def test_dicom_loses_its_identity(upload, tmp_path, several_files):
    series = write_series(tmp_path / "s", patient(), patient_id="Sylvia")
    files = [file.read_bytes() for file in sorted(series.iterdir(), reverse=True)]
    folder = upload(*files) if several_files else upload(zip_of_folder(tmp_path / "z", series).read_bytes())
    assert look(folder).is_dicom
    got = taken(folder)
    assert (got.kind, got.path, got.is_dicom) == ("ct", "ct", True)
    slices = sorted((folder.parent / "input/ct").iterdir())
    assert [file.name for file in slices] == [f"{number:05d}.dcm" for number in range(1, 17)]
    assert not any(b"Sylvia" in file.read_bytes() for file in slices)
    np.testing.assert_array_equal(read_volume(folder.parent / "input/ct").array, patient().array)


def test_the_same_patient_has_the_same_pseudonym_with_the_same_key(tmp_path):
    found = []
    for study in (1, 2):
        folder = tmp_path / f"{study}"
        (folder / "upload").mkdir(parents=True)
        for file in write_series(folder / "s", patient(), patient_id="Sylvia", study=study).iterdir():
            (folder / "upload" / file.stem).write_bytes(file.read_bytes())
        take_in(folder / "upload", folder / "input", key=KEY)
        found.append(dcmread(folder / "input/ct/00001.dcm").PatientID)
    assert found[0] == found[1] != "Sylvia"


def test_dicom_keeps_its_identity_where_that_is_asked_for(upload, tmp_path):
    series = write_series(tmp_path / "s", patient(), patient_id="Sylvia")
    folder = upload(zip_of_folder(tmp_path / "z", series).read_bytes())
    taken(folder, key=None)
    assert dcmread(folder.parent / "input/ct/00003.dcm").PatientID == "Sylvia"


def test_what_was_taken_in_stays(upload):
    folder = upload(nifti_bytes())
    first = taken(folder)
    assert (folder.parent / "input" / CARD).is_file()
    assert taken(folder) == first


def test_a_zip_of_one_volume(upload, tmp_path):
    files = {"study/ct.nii.gz": nifti_bytes(), "read me.txt": b"x", "__MACOSX/._ct.nii.gz": b"x", "p.png": b"x"}
    assert taken(upload(zip_of(tmp_path / "z", files).read_bytes())).path == "ct.nii.gz"


def test_localizers_and_pictures_of_a_study_are_left_out_with_a_warning(upload, tmp_path):
    series = write_series(tmp_path / "s", patient())
    scout = write_series(
        tmp_path / "l", patient(), series=2, elements={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    )
    files = {f"s/{file.name}": file.read_bytes() for file in series.iterdir()}
    files |= {f"l/{file.name}": file.read_bytes() for file in list(scout.iterdir())[:2]}
    got = taken(upload(zip_of(tmp_path / "z", files).read_bytes()))
    assert any("2 localizers" in warning for warning in got.warnings)


# Hostile and mistaken uploads.


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ([], "the upload is empty"),
        ([b""], "the upload is empty"),
        ([nifti_bytes(), b""], "the upload is empty"),
        ([b"text"], "the content is none of NIfTI"),
        ([b"<html>"], "the content is none of"),
        ([b"\x7fELF" + bytes(2000)], "the content is none of"),
        ([nifti_bytes(), nifti_bytes()], "several files are the DICOM slices of one CT"),
    ],
)
def test_refused_at_first_sight(upload, contents, reason):
    folder = upload(*contents)
    with pytest.raises(InputError, match=reason):
        look(folder)
    assert reason in refusal(folder)


def test_other_kinds_are_told_apart_from_bad_files(upload):
    with pytest.raises(UnknownContentError):
        look(upload(b"text"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (declared_nifti((1024, 1024, 2048)), "truncated or its header damaged"),  # 4 GB declared, 1 MB there
        (gzip.compress(declared_nifti((1024, 1024, 2048))), "truncated or its header damaged"),
        (declared_nifti((30000, 30000, 1)), "truncated or its header damaged"),
        (declared_nifti((64, 64, 64), spacing=900.0), "0.05 to 50 mm apart"),
        (declared_nifti((64, 64, 64), spacing=1e-9), "header's sform"),
        (nrrd_bytes("1024 1024 2048"), ""),
        (nrrd_bytes("99999999999999 9999999999 9999999"), ""),
        (nrrd_bytes("-1 20 16"), ""),
        (nrrd_bytes("24 20 16", extra="data file: ../../etc/passwd\n"), "header's own folder"),
        (nifti_bytes()[:-2000], "damaged or truncated"),
        (nifti_bytes()[:300], ""),
        (nifti_bytes(np.full((8, 8, 4), np.nan, np.float32)), "NaN"),
        (nifti_bytes(np.zeros((8, 8, 4, 2), np.int16)), ""),
        (nifti_bytes(np.zeros((8, 8, 4), np.complex64)), "plain numbers"),
        (nifti_bytes(np.zeros((8, 8, 4), np.int16)), "found a mask"),
        (nifti_bytes((patient().array < -500).astype(np.uint8) * 3), "found a mask"),
        (mha_bytes().replace(b"DimSize = 24 20 16", b"DimSize = 2048 2048 999"), ""),
    ],
)
def test_refused_headers_and_damage(upload, content, reason):
    assert reason in refusal(upload(content))


def test_memory_stays_flat_over_a_header_that_declares_much(upload):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(upload(declared_nifti((1024, 1024, 2048))))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_bomb_within_gzip_is_refused_by_the_number_of_its_voxels(upload, monkeypatch):
    monkeypatch.setattr("pneumoseg.evaluation.jobs.intake.MOST_VOXELS", 1000)
    assert "at most 1000 voxels here, found 7680" in refusal(upload(nifti_bytes()))


def test_refused_archives(upload, tmp_path, monkeypatch):
    inner = zip_of(tmp_path / "i", {"ct.nii.gz": nifti_bytes()}).read_bytes()
    folder = upload(zip_of(tmp_path / "z", {"inner": inner}).read_bytes())
    look(folder)  # by its name it is no archive
    assert "holds zip archives" in refusal(folder)
    (folder / "0").write_bytes(zip_of(tmp_path / "z", {"ct.zip": inner}).read_bytes())
    assert "holds zip archives" in refusal(folder)
    two = {"a.nii.gz": nifti_bytes(), "b.nii.gz": nifti_bytes()}
    (folder / "0").write_bytes(zip_of(tmp_path / "z", two).read_bytes())
    assert "taken at a time, found 2" in refusal(folder)
    (folder / "0").write_bytes(zip_of(tmp_path / "z", {"a.txt": b"text"}).read_bytes())
    assert "the zip archive holds none of" in refusal(folder)
    (folder / "0").write_bytes(zip_of(tmp_path / "z", {"a": nifti_bytes(), "a/b": b"x"}).read_bytes())
    assert "a file and a folder of one name" in refusal(folder)
    (folder / "0").write_bytes(zip_of(tmp_path / "z", {f"{'a' * 300}.nii": nifti_bytes()}).read_bytes())
    assert "names that cannot be stored" in refusal(folder)
    content = bytearray(zip_of(tmp_path / "z", {"a.nii": nifti_bytes(packed=False)}).read_bytes())
    content[100:200] = bytes(100)
    (folder / "0").write_bytes(bytes(content))
    assert "the zip archive is damaged" in refusal(folder)
    content = bytearray(zip_of(tmp_path / "z", {"a": b"text", "b": nifti_bytes(packed=False)}).read_bytes())
    content[300:400] = bytes(100)
    monkeypatch.setattr(archives, "LOOKED_AT", 1)
    (folder / "0").write_bytes(bytes(content))
    assert "not a readable zip archive" in refusal(folder)


def test_refused_series(upload, tmp_path):
    one = write_series(tmp_path / "a", patient(), patient_id="one")
    other = write_series(tmp_path / "b", patient(), patient_id="two")
    second = write_series(tmp_path / "c", patient(), patient_id="one", series=2, table_mm=7)
    mr = write_series(tmp_path / "d", patient(), elements={"Modality": "MR"})
    folder = upload()

    def refused(*series, cut=0, key=KEY):
        files = {f"{place.name}/{file.name}": file.read_bytes() for place in series for file in place.iterdir()}
        if cut:
            name = sorted(files)[3]
            files[name] = files[name][:-cut]
        (folder / "0").write_bytes(zip_of(tmp_path / "z", files).read_bytes())
        return refusal(folder, key)

    assert "of one patient, found slices of 2" in refused(one, other)
    assert "of one patient, found slices of 2" in refused(one, other, key=None)
    assert "found 2 series" in refused(one, second)
    assert "1 of 16 DICOM files are damaged" in refused(one, cut=200)
    assert "no plain CT among the DICOM files, found MR" in refused(mr)
    assert "no plain CT among the DICOM files, found MR" in refused(mr, key=None)


def test_masks_of_pictures_are_refused(upload, tmp_path):
    pixels = np.zeros((16, 24), np.uint8)
    pixels[3:5] = 255
    assert "found two at most" in refusal(upload(png(tmp_path / "p", pixels).read_bytes()))


def test_pictures_with_absurd_headers(upload, tmp_path):
    content = bytearray(png(tmp_path / "p", np.arange(256, dtype=np.uint8).reshape(16, 16)).read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    assert "at most" in refusal(upload(bytes(content)))


def test_names_of_patients_are_not_shown(upload, tmp_path):
    series = write_series(tmp_path / "s", patient(), patient_id="Sylvia")
    name = look(upload(zip_of_folder(tmp_path / "z", series).read_bytes())).name("Sylvia Doe.zip")
    assert name.startswith("CT series ")
    (tmp_path / "o").mkdir()
    (tmp_path / "o/0").write_bytes(nifti_bytes())
    assert look(tmp_path / "o").name("a/b\u202e.nii.gz") == "b.nii.gz"
