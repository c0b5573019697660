"""Measurements as structured reports, read back by highdicom and pydicom."""

import shutil
import subprocess

import highdicom as hd
import pytest
from pydicom import dcmread

from pneumoseg.data_io.formats.dicom.results import structured_report
from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile
from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.dicom.results.structured_report import Measurements, Predicted, write_report
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from tests.data_io.formats.dicom.results.series_with_mask import ORIGIN, mask_of, series

MEASURED = Measurements(
    volumes_ml={"lung_left": 1800.25, "lung_right": 2100.0, "infection": 99.5},
    lungs_ml={"left": 1850.0, "right": 2149.75},
    infected_percent={"left": 2.688, "right": 2.314},
    verdict="do not trust",
    predicted={"infection": Predicted(0.62, 0.4, 0.81)},
)


@pytest.fixture
def report(tmp_path):
    ct = series(tmp_path / "ct", StudyDate="20200101", StudyTime="120000", StudyID="1")
    source, path = source_of(ct.stored_grid), tmp_path / "case.seg.dcm"
    write_segmentation(path, mask_of(ct), LUNG_LABELS, source=source, origin=ORIGIN)
    write_report(tmp_path / "case.sr.dcm", path, MEASURED, source=source, origin=ORIGIN)
    return tmp_path / "case.sr.dcm"


def values(group):
    return {item.name.meaning: item.value for item in group.get_measurements()}


def test_volumes_are_tracked_with_their_segments(report):
    content = hd.sr.srread(report).content
    groups = content.get_volumetric_roi_measurement_groups()
    segments = dcmread(report.with_name("case.seg.dcm")).SegmentSequence
    assert [group.tracking_uid for group in groups] == [one.TrackingUID for one in segments]
    volumes = [values(group)["Volume"] for group in groups]
    assert volumes == [1800.25, 2100.0, 99.5]
    numbers = [group.referenced_segment.referenced_segment_numbers for group in groups]
    assert [list(map(int, one)) for one in numbers] == [[1], [2], [3]]
    assert values(groups[2])["Predicted Dice of the segmentation"] == 0.62


def test_lungs_have_their_sides_and_shares(report):
    groups = hd.sr.srread(report).content.get_image_measurement_groups()
    found = {}
    for group in groups:
        for site in group.finding_sites:
            found[site.laterality.meaning] = values(group)
    assert found["Left"] == {"Volume": 1850.0, "Share of the lung that is infected": 2.688}
    assert found["Right"] == {"Volume": 2149.75, "Share of the lung that is infected": 2.314}
    (verdict,) = groups[-1].get_qualitative_evaluations()
    assert verdict.value.meaning == "Do not trust"


def test_it_refers_to_the_segmentation_in_the_same_study(report):
    header, mask = dcmread(report), dcmread(report.with_name("case.seg.dcm"))
    assert header.StudyInstanceUID == mask.StudyInstanceUID
    assert header.PatientName == "Doe^Jane"
    named = [
        one.ReferencedSOPInstanceUID
        for series in header.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    assert mask.SOPInstanceUID in named


def test_without_verdict_and_lungs_only_segments_are_reported(tmp_path):
    ct = series(tmp_path / "ct")
    source, path = source_of(ct.stored_grid), tmp_path / "case.seg.dcm"
    write_segmentation(path, mask_of(ct), LUNG_LABELS, source=source, origin=ORIGIN)
    write_report(
        tmp_path / "a.sr.dcm", path, Measurements(volumes_ml=MEASURED.volumes_ml), source=source, origin=ORIGIN
    )
    assert not hd.sr.srread(tmp_path / "a.sr.dcm").content.get_image_measurement_groups()


def test_sides_exchanged_in_the_file_are_noticed(tmp_path, monkeypatch):
    ct = series(tmp_path / "ct")
    source, path = source_of(ct.stored_grid), tmp_path / "case.seg.dcm"
    write_segmentation(path, mask_of(ct), LUNG_LABELS, source=source, origin=ORIGIN)
    lung = structured_report._lung
    exchanged = {"7771000": structured_report.RIGHT, "24028007": structured_report.LEFT}
    monkeypatch.setattr(structured_report, "_lung", lambda side: lung(exchanged[side.value] if side else None))
    with pytest.raises(UnfaithfulFile, match="the report read back"):
        write_report(tmp_path / "a.sr.dcm", path, MEASURED, source=source, origin=ORIGIN)
    assert not (tmp_path / "a.sr.dcm").exists()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_the_standard_holds(report):
    found = subprocess.run(["dciodvfy", str(report)], capture_output=True, text=True, check=False)
    assert "Error" not in found.stderr + found.stdout
