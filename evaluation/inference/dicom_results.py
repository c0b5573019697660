"""Results of a segmented DICOM series as DICOM: segmentation, structured report, pictures."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.results.origin import Origin
from pneumoseg.data_io.formats.dicom.results.secondary_capture import write_captures
from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.formats.dicom.results.structured_report import Measurements, Predicted, write_report
from pneumoseg.data_io.formats.writing import is_dicom_segmentation
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.captures import captures
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.measures.lung_sides import SIDES
from pneumoseg.evaluation.measures.severity import severity
from pneumoseg.pipeline.settings.schema import Settings


@dataclass(frozen=True, eq=False)
class SegmentedSeries:
    """A CT, its mask (class numbers of `table`), and what is known of it."""

    scan: Scan
    mask: Volume
    table: LabelTable
    measurements: Measurements


def measured(scan: Scan, mask: Volume, settings: Settings, statistics: Mapping, trust: Mapping) -> SegmentedSeries:
    """A segmented CT with `statistics` of `volumetry` and `trust` of `calibration.verdict_of`, and the infected share
    of each lung, where the settings have two lungs."""
    table, lungs = settings.labels.table, settings.lung_labels
    infection = settings.postprocessing.infection
    by_lung = severity(mask, None, table, lungs=lungs, infection=infection) if len(lungs) == len(SIDES) else {}
    known = {name: value for name, value in by_lung.items() if isinstance(value, float)}
    classes = trust.get("classes") or {}
    measurements = Measurements(
        volumes_ml={name: statistics[f"{name}_ml"] for name in table.names[1:]},
        lungs_ml={side: known[f"lung_{side}_ml"] for side in SIDES if f"lung_{side}_ml" in known},
        infected_percent={
            side: known[f"infected_percent_{side}"] for side in SIDES if f"infected_percent_{side}" in known
        },
        verdict=trust["verdict"],
        predicted={
            name: Predicted(one["predicted_dice"], one["low"], one["high"])
            for name, one in classes.items()
            if one is not None and name in table.names
        },
    )
    return SegmentedSeries(scan, mask, table, measurements)


def write_dicom(
    mask: Path, output: Output, series: SegmentedSeries, source: Source, *, recipe: Mapping, options: PredictionOptions
) -> None:
    """Writes what `options` ask for of a segmented CT: to `mask`, where the mask lies until it takes its name, the mask
    itself where that is a DICOM segmentation; then report and pictures. `recipe`: all that decides how the mask looks.
    Raises UnfaithfulFile where a file read back is not what was written, InputError where the CT's headers allow none.
    """
    try:
        _write(mask, output, series, source, recipe=recipe, options=options)
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # as highdicom raises over headers
        if isinstance(error, InputError):
            raise
        raise InputError(  # the text of the error may hold values of the headers
            f"results in DICOM cannot be made with the headers of this series ({type(error).__name__}); write the mask "
            "as nii.gz or seg.nrrd",
            options=("mask_format",),
        ) from error


def _write(
    mask: Path, output: Output, series: SegmentedSeries, source: Source, *, recipe: Mapping, options: PredictionOptions
) -> None:
    encoding = options.dicom_encoding
    content = np.ascontiguousarray(series.mask.array), encoding, asdict(series.measurements)
    origin = Origin(" and ".join(recipe["models"]), _digest(recipe), _digest(*content))
    if is_dicom_segmentation(mask):
        write_segmentation(mask, series.mask, series.table, source=source, origin=origin, encoding=encoding)
    if options.report:
        write_report(output.report, mask, series.measurements, source=source, origin=origin)
    if options.captures:
        lines = capture_lines(series.measurements)
        pictures = captures(series.scan.read(), series.mask, series.table, lines=lines)
        write_captures(output.captures, pictures, source=source, origin=origin)


def _digest(*parts: object) -> str:
    """SHA-256 of arrays, and of what JSON holds."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.data if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


def capture_lines(measurements: Measurements) -> list[str]:
    """What is written into the pictures.

    >>> volumes = {"lung_left": 1800.0, "lung_right": 2100.0, "infection": 100.0}
    >>> lungs, percents = {"left": 1900.0, "right": 2100.0}, {"left": 5.26, "right": 0.0}
    >>> measured = Measurements(volumes_ml=volumes, lungs_ml=lungs, infected_percent=percents, verdict="use")
    >>> print("\\n".join(capture_lines(measured)))
    lungs 4000 ml, infection 100 ml
    infected: right lung 0.0 %, left lung 5.3 %
    verdict: use
    """
    volumes = dict(measurements.volumes_ml)
    if measurements.lungs_ml:
        volumes = {"lungs": sum(measurements.lungs_ml.values())} | {
            name: volume for name, volume in volumes.items() if not name.startswith("lung_")
        }
    lines = [", ".join(f"{name} {volume:.0f} ml" for name, volume in volumes.items())]
    if shares := measurements.infected_percent:
        sides = [side for side in reversed(SIDES) if side in shares]
        lines.append("infected: " + ", ".join(f"{side} lung {shares[side]:.1f} %" for side in sides))
    if measurements.verdict is not None:
        lines.append(f"verdict: {measurements.verdict}")
    lines += [
        f"{name}: predicted Dice {one.dice:.2f} ({one.low:.2f} to {one.high:.2f})"
        for name, one in measurements.predicted.items()
    ]
    return lines
