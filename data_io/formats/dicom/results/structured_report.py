"""Measurements of a mask as a DICOM structured report (TID 1500 of PS3.16), which refers to its segmentation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import highdicom as hd
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from pneumoseg.data_io.formats.dicom.header import lenient
from pneumoseg.data_io.formats.dicom.results.origin import MANUFACTURER, Origin
from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile
from pneumoseg.data_io.formats.dicom.results.segmentation import concept
from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.formats.dicom.segmentation_frames import LARGE_VALUE_BYTES, segments_of
from pneumoseg.data_io.formats.segment_codes import LEFT, LUNG, RIGHT, Code, code_of
from pneumoseg.data_io.storage.atomic import write_aside

SCHEME = "99PNEUMOSEG"
CHEST_CT = hd.sr.CodedConcept("24627-2", "LN", "CT Chest")
MILLILITRE = hd.sr.CodedConcept("ml", "UCUM", "milliliter")
SIDES = {"left": LEFT, "right": RIGHT}
PERCENT_INFECTED = Code("infected_percent", "Share of the lung that is infected", SCHEME)
PREDICTED_DICE = Code("dice", "Predicted Dice of the segmentation", SCHEME)
LOWEST_DICE = Code("dice_low", "Lower end of the interval of the predicted Dice", SCHEME)
HIGHEST_DICE = Code("dice_high", "Upper end of the interval of the predicted Dice", SCHEME)
VERDICT = Code("verdict", "Verdict on the segmentation", SCHEME)
VERDICTS = {
    "use": Code("use", "Use", SCHEME),
    "review": Code("review", "Review", SCHEME),
    "do not trust": Code("do_not_trust", "Do not trust", SCHEME),
}


_Facts = tuple[str | None, tuple[str, int] | None, float | None, float | None]


class Predicted(NamedTuple):
    """The Dice that a class of a mask is expected to have, 0..1, and the ends of its interval."""

    dice: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What a report says of a mask.

    `volumes_ml`: of each class, by name, as the segments are (infection is no part of a lung there). `lungs_ml` and
    `infected_percent`: of the "left" and "right" lung with the infection in it. `verdict`: "use", "review" or "do not
    trust", None without; `predicted`: by class, where known.
    """

    volumes_ml: Mapping[str, float]
    lungs_ml: Mapping[str, float] = field(default_factory=dict)
    infected_percent: Mapping[str, float] = field(default_factory=dict)
    verdict: str | None = None
    predicted: Mapping[str, Predicted] = field(default_factory=dict)


def write_report(
    path: str | Path, segmentation: str | Path, measurements: Measurements, *, source: Source, origin: Origin
) -> None:
    """Writes measurements of the mask in the file `segmentation`, whole or not at all.

    A group for each segment (its volume; tracked by the UID of the segment), for each lung with its infection, and for
    the verdict. Raises UnfaithfulFile where the report read back says otherwise.
    """
    with lenient():
        header = dcmread(segmentation, defer_size=LARGE_VALUE_BYTES)
        device = hd.sr.DeviceObserverIdentifyingAttributes(
            uid=origin.uid(source, "device"), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=origin.model
        )
        context = hd.sr.ObservationContext(observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, device))
        content = hd.sr.MeasurementReport(
            observation_context=context,
            procedure_reported=CHEST_CT,
            imaging_measurements=[
                *_of_segments(header, measurements),
                *_of_lungs(measurements, source, origin),
                *_of_mask(measurements, source, origin),
            ],
            title=codes.DCM.ImagingMeasurementReport,
        )
        report = hd.sr.Comprehensive3DSR(
            evidence=[header, *source.headers],
            content=content[0],
            is_complete=True,
            **origin.equipment(source, "report"),
        )
        with write_aside(path) as aside:
            report.save_as(aside)
            _check(aside, header, measurements)


def _of_segments(segmentation: Dataset, measurements: Measurements) -> Iterator:
    """A group for each segment, tracked by its UID."""
    series = hd.sr.SourceSeriesForSegmentation(str(segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID))
    for segment in segments_of(segmentation):
        name = str(segment.SegmentLabel)
        code = code_of(name)
        values = [_measured(codes.SCT.Volume, measurements.volumes_ml[name], MILLILITRE)]
        if predicted := measurements.predicted.get(name):
            kinds = zip((PREDICTED_DICE, LOWEST_DICE, HIGHEST_DICE), predicted, strict=True)
            values += [_measured(concept(kind), value, codes.UCUM.NoUnits) for kind, value in kinds]
        side = code.modifier if code.modifier in (LEFT, RIGHT) else None
        yield hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
            referenced_segment=hd.sr.ReferencedSegment(
                segmentation.SOPClassUID, segmentation.SOPInstanceUID, int(segment.SegmentNumber), source_series=series
            ),
            finding_category=concept(code.category),
            finding_type=concept(code.type),
            finding_sites=[_lung(side)],
            measurements=values,
        )


def _of_lungs(measurements: Measurements, source: Source, origin: Origin) -> Iterator:
    """A group for each lung with the infection in it."""
    for side, volume_ml in measurements.lungs_ml.items():
        values = [_measured(codes.SCT.Volume, volume_ml, MILLILITRE)]
        if side in measurements.infected_percent:
            percent = measurements.infected_percent[side]
            values.append(_measured(concept(PERCENT_INFECTED), percent, codes.UCUM.Percent))
        name = f"lung_{side}_with_infection"
        yield hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(origin.uid(source, "tracking", name), name),
            finding_type=concept(LUNG),
            finding_sites=[_lung(SIDES[side])],
            measurements=values,
        )


def _of_mask(measurements: Measurements, source: Source, origin: Origin) -> Iterator:
    """The verdict, where there is one."""
    if measurements.verdict is not None:
        yield hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(origin.uid(source, "tracking", "mask"), "mask"),
            finding_type=concept(LUNG),
            qualitative_evaluations=[
                hd.sr.QualitativeEvaluation(concept(VERDICT), concept(VERDICTS[measurements.verdict]))
            ],
        )


def _measured(name, value: float, unit) -> hd.sr.Measurement:
    return hd.sr.Measurement(name=name, value=round(float(value), 3), unit=unit)


def _lung(side: Code | None) -> hd.sr.FindingSite:
    return hd.sr.FindingSite(concept(LUNG), laterality=None if side is None else concept(side))


def _check(path: Path, segmentation: Dataset, measurements: Measurements) -> None:
    """Raises UnfaithfulFile unless each measured volume and share stands in the file with its side and segment."""
    groups = [_facts(group) for group in _groups(dcmread(path))]
    expected: list[_Facts] = []
    for number, (name, volume_ml) in enumerate(measurements.volumes_ml.items(), start=1):
        modifier = code_of(name).modifier
        side = modifier.value if modifier in (LEFT, RIGHT) else None
        expected.append((side, (segmentation.SOPInstanceUID, number), round(volume_ml, 3), None))
    for side, volume_ml in measurements.lungs_ml.items():
        percent = measurements.infected_percent.get(side)
        expected.append((SIDES[side].value, None, round(volume_ml, 3), None if percent is None else round(percent, 3)))
    if groups[: len(expected)] != expected:
        raise UnfaithfulFile(f"the report read back has {groups}, not {expected}")


def _groups(report: Dataset) -> Iterator[Dataset]:
    """The measurement groups (125007, DCM) below the imaging measurements (126010, DCM)."""
    for container in report.ContentSequence:
        if _is(container, "126010"):
            yield from (group for group in container.ContentSequence if _is(group, "125007"))


def _facts(group: Dataset) -> _Facts:
    """Side of the finding, segment, volume and share infected, as one group gives them."""
    side, segment, volume_ml, percent = None, None, None, None
    for item in group.ContentSequence:
        if _is(item, "363698007"):  # finding site
            sides = [one.ConceptCodeSequence[0].CodeValue for one in item.get("ContentSequence", ())]
            side = sides[0] if sides else None
        elif _is(item, "121191"):  # referenced segment
            (of,) = item.ReferencedSOPSequence
            segment = (of.ReferencedSOPInstanceUID, int(of.ReferencedSegmentNumber))
        elif item.ValueType == "NUM":
            value = float(item.MeasuredValueSequence[0].NumericValue)
            if _is(item, codes.SCT.Volume.value):
                volume_ml = value
            elif _is(item, PERCENT_INFECTED.value):
                percent = value
    return side, segment, volume_ml, percent


def _is(item: Dataset, code: str) -> bool:
    return "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == code
