"""The table of a tree of studies, with and without what identifies patients."""

import pytest

from pneumoseg.data_io.formats.dicom.studies import find_studies
from pneumoseg.data_io.formats.dicom.study_table import study_table
from pneumoseg.data_io.phantoms.dicom_series import write_series as write_phantom
from pneumoseg.data_io.phantoms.generate import make_phantom
from tests.data_io.formats.dicom.dicom_files import NEVER, write_series


@pytest.fixture
def tree(tmp_path):
    """A chest whose gantry was tilted, its localizers, and a plan of another patient beside them."""
    folder = tmp_path / "tree" / "study"
    folder.parent.mkdir()
    write_phantom(folder, make_phantom(1, 0, (64, 60, 48))[0], tilt_degrees=12, patient_id=NEVER)
    write_series(folder, uid="1.2.3", heights=(0, 1), Modality="RTDOSE", NumberOfFrames=7, PatientID="other")
    return tmp_path / "tree"


def test_rows(tree):
    table = study_table(find_studies(tree))
    first, second = table.to_dict("records")
    assert first == {
        "patient": 1,
        "study": 1,
        "series": 1,
        "number": 1,
        "path": "study",
        "modality": "CT",
        "slices": 48,
        "localizers": 0,
        "rows": 60,
        "columns": 64,
        "spacing_mm": first["spacing_mm"],
        "thickness_mm": first["thickness_mm"],
        "kernel": "B40f",
        "image_type": "ORIGINAL PRIMARY AXIAL",
        "orientation": "axial",
        "gaps": 0,
        "doubled": 0,
        "uneven": 0,
        "tilt_degrees": 12.0,
        "units": "HU",
        "whole_lung": "yes",
        "coverage": "no lung in the first and last slice",
        "segment": "yes",
        "why": "axial CT, original, 6.12 mm, soft kernel, whole lungs",
        "notes": "another patient in the same folder",
    }
    assert [float(size) for size in first["spacing_mm"].split(" x ")] == pytest.approx((5.8, 6.2, 6.12), rel=0.1)
    assert first["thickness_mm"] == pytest.approx(6.12, abs=0.01)
    assert (second["modality"], second["slices"], second["segment"], second["units"]) == ("RTDOSE", 14, "no", "unknown")
    assert NEVER not in table.to_csv()


def test_ids_on_request(tree):
    first, _ = study_table(find_studies(tree), with_ids=True).to_dict("records")
    assert first["patient_id"] == NEVER
    assert first["study_date"] == "20200101"
    assert (first["description"], first["accession_number"]) == ("Thorax", "1")
    assert first["study_uid"].startswith("2.25.") and first["series_uid"].startswith("2.25.")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_notes(tmp_path):
    for name in ("a", "b", "c"):
        heights = (0, 2.5, 5) if name != "b" else (7.5, 10)
        write_series(tmp_path / name, heights=heights, uid="1.2.3", StudyInstanceUID="1.2.04")
    (row,) = study_table(find_studies(tmp_path)).to_dict("records")
    assert row["path"] == "a | b"
    assert (row["gaps"], row["thickness_mm"], row["patient"]) == (0, 2.5, 1)
    assert all(type(row[name]) is int for name in ("gaps", "slices", "patient"))
    assert row["notes"] == "in 2 folders; 3 copies left out; UIDs are not valid"
