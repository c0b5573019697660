"""DICOM series to one file: the reader's voxels and geometry, and a side file that names nobody."""

import json

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.conversion import convert_series, side_file
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.reading import open_scan
from pneumoseg.data_io.phantoms.dicom_series import write_series as write_phantom
from pneumoseg.data_io.volumes.volume import Volume
from tests.data_io.formats.dicom.dicom_files import NEVER, write_series

ARRAY = np.random.default_rng(0).integers(-1024, 3000, (7, 6, 5)).astype(np.int16)
CT = Volume.from_source(ARRAY, np.diag([0.7, 0.8, 2.5, 1.0]))
PRIVATE = {
    **{
        name: NEVER for name in ("PatientName", "PatientID", "SeriesDescription", "StudyDescription", "InstitutionName")
    },
    **{"StudyDate": "19991231", "PatientBirthDate": "19331112", "AccessionNumber": "A77", "StationName": "CT77"},
}


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
@pytest.mark.parametrize("options", [{}, {"patient_position": "FFP"}, {"reversed_order": True}, {"tilt_degrees": 10}])
def test_same_voxels_in_the_same_place(tmp_path, suffix, options):
    source = write_phantom(tmp_path / "ct", CT, **options)
    facts = convert_series(source, tmp_path / f"ct.{suffix}")
    direct, converted = open_dicom(source), open_scan(tmp_path / f"ct.{suffix}")
    np.testing.assert_array_equal(converted.read().restore(), direct.read().restore())
    np.testing.assert_allclose(converted.stored_grid.affine, direct.stored_grid.affine, atol=1e-4)
    assert facts == json.loads((tmp_path / f"ct.{suffix}.json").read_text())


def test_the_side_file(tmp_path):
    source = write_phantom(
        tmp_path / "Smith", CT, elements={**PRIVATE, "ConvolutionKernel": ["Br40f", "3"]}, tilt_degrees=10
    )
    facts = convert_series(source, tmp_path / "ct.nrrd")
    assert facts["source"] == {
        "format": "DICOM",
        "modality": "CT",
        "slices": 5,
        "image_type": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "kernel": ["Br40f", "3"],
        "kvp": 120,
        "thickness_mm": 2.5,
        "patient_position": "HFS",
        "orientation": "axial",
        "tilt_degrees": 10,
    }
    assert (facts["shape"], facts["units"], facts["data_type"]) == ([7, 6, 5], "HU", "int16")
    assert facts["warnings"] == ["the gantry was tilted by 10.0 degrees: the grid is sheared"]
    text = (tmp_path / "ct.nrrd.json").read_text() + (tmp_path / "ct.nrrd").read_bytes().decode("latin-1")
    assert not [value for value in (*PRIVATE.values(), "Smith", "2.25.", "IM0000") if value in text]


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_values_that_json_cannot_hold_are_missing(tmp_path):
    source = write_phantom(tmp_path / "ct", CT, elements={"KVP": "nan", "SliceThickness": "inf"})
    facts = convert_series(source, tmp_path / "ct.nrrd")
    assert (facts["source"]["kvp"], facts["source"]["thickness_mm"]) == (None, None)
    assert json.loads((tmp_path / "ct.nrrd.json").read_text()) == facts


def test_the_hash_tells_the_voxels_not_the_format_or_the_patient(tmp_path):
    one = write_phantom(tmp_path / "one", CT)
    other = write_phantom(tmp_path / "other", CT, patient_id="other")
    changed = write_phantom(tmp_path / "changed", CT.with_array(ARRAY + np.int16(1)))
    hashes = [
        convert_series(source, tmp_path / name)["voxels_sha256"]
        for source, name in ((one, "a.nrrd"), (one, "a.nii"), (other, "b.nii.gz"), (changed, "c.nii"))
    ]
    assert len(set(hashes[:3])) == 1 and hashes[3] != hashes[0]


def test_gaps_and_missing_slopes(tmp_path, said):
    source = write_series(tmp_path / "ct", heights=(0, 2.5, 5, 10, 12.5), RescaleSlope=None)
    with pytest.raises(InputError, match="slices are missing"):
        convert_series(source, tmp_path / "ct.nii")
    assert not (tmp_path / "ct.nii").exists()
    facts = convert_series(source, tmp_path / "ct.nii", allow_gaps=True)
    assert facts["warnings"] == [
        "1 slices are missing; the others are stored as evenly spaced",
        "5 slices have no RescaleSlope or RescaleIntercept, taken as 1 and 0",
    ]
    assert facts["units"] == "grey values of 0..255"
    assert facts["source"]["kvp"] is None
    source = write_series(tmp_path / "uneven", heights=(0, 2.5, 5, 7.5, 10.4))
    facts = convert_series(source, tmp_path / "uneven.nii", allow_gaps=True)
    assert facts["warnings"] == ["1 steps between slices are uneven; stored as even"]


def test_a_single_slice(tmp_path, said):
    source = write_series(tmp_path / "ct", heights=(0,))
    assert convert_series(source, tmp_path / "ct.nii")["warnings"][-1] == "a single slice"


def test_two_patients_in_one_folder_are_refused(tmp_path, said):
    write_series(tmp_path / "ct", uid="1.2.3", names="abc", PatientID="one")
    write_series(tmp_path / "ct", uid="1.2.4", names="uvw", PatientID="two", SeriesNumber=2)
    with pytest.raises(InputError, match="a folder of slices is of one patient, found those of 2") as refusal:
        convert_series(tmp_path / "ct", tmp_path / "ct.nii")
    assert refusal.value.options == ("series",)
    assert convert_series(tmp_path / "ct", tmp_path / "ct.nii", series="2")["source"]["slices"] == 3
    write_series(tmp_path / "mixed", uid="1.2.3", PatientID=("one", "two", "one", "two", "one"))
    with pytest.raises(InputError, match="found those of 2"):
        convert_series(tmp_path / "mixed", tmp_path / "a.nii", series="1.2.3")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Modality": "MR"}, "a CT is needed, found modality MR"),
        ({"NumberOfFrames": 3}, "3 frames in one"),
        ({"Modality": "RTSTRUCT", "Rows": None}, "holds no DICOM image"),
    ],
)
def test_refusals_are_those_of_the_reader(tmp_path, values, message):
    source = write_series(tmp_path / "ct", **values)
    with pytest.raises(InputError, match=message):
        convert_series(source, tmp_path / "ct.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_a_study_that_is_removed_while_it_is_read_leaves_nothing(tmp_path, monkeypatch):
    source = write_phantom(tmp_path / "ct", CT)
    (tmp_path / "a.nii.json").write_text("{}")
    from pneumoseg.data_io.formats.dicom import ct as reader

    def removed(one):
        one.file.unlink(missing_ok=True)
        return original(one)

    original = reader.hounsfield
    monkeypatch.setattr(reader, "hounsfield", removed)
    with pytest.raises(InputError, match=r"IM00001\.dcm: the file cannot be read"):
        convert_series(source, tmp_path / "a.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_the_name_of_the_side_file(tmp_path):
    assert side_file(tmp_path / "ct.nii.gz") == tmp_path / "ct.nii.gz.json"


def test_real_series(real_data, tmp_path):
    for name in ("cip_ct64", "lung_pet_ct_dx_A0002"):
        convert_series(real_data / "dicom" / name, tmp_path / f"{name}.nrrd")
        direct, converted = open_dicom(real_data / "dicom" / name), open_scan(tmp_path / f"{name}.nrrd")
        np.testing.assert_array_equal(converted.read().array, direct.read().array)
        assert converted.stored_grid.matches(direct.stored_grid, 1e-3)
