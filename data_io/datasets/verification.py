"""Checks of a dataset before training.

Every case is read whole, one at a time. A case with an error cannot be used; one with a warning should be looked at.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pneumoseg.data_io.console import track, warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import nifti, reading
from pneumoseg.data_io.volumes.grid_limits import FEW_SLICES, ORTHOGONAL_COSINE
from pneumoseg.data_io.volumes.hounsfield import UNIT_VALUES, is_hu, is_unit, is_windowed
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Grid, Volume, on_grid_of

THICK_SLICE_MM = 5.0


@dataclass(frozen=True)
class Finding:
    """One error or warning: `level` "error" or "warning", the name of the case, and a sentence."""

    level: Literal["error", "warning"]
    case: str
    message: str


def verify_dataset(dataset: Dataset, classes: int = 4) -> list[Finding]:
    """Reads every case and returns its errors and warnings, ordered by case.

    The masks' labels must be 0 .. classes - 1; their names are compared with those of LUNG_LABELS where there are as
    many classes.

    Errors: unreadable or truncated, not 3D, NaN or infinite voxels, values scaled to 0..1, labels outside the set,
    image and mask on different grids. Warnings: all warnings of the readers (such as qform and sform that differ, or
    lengths that are not in mm), intensities that are not HU, NIfTI orientation codes missing, slices thicker than 5 mm,
    fewer than 10 slices, axes not orthogonal, no mask where other cases have one, a class without voxels, one scan
    under two names.
    """
    annotated = any(case.mask is not None for case in dataset)
    findings: list[Finding] = []
    scans: dict[str, Case] = {}
    for case in track(dataset, "verifying", total=len(dataset)):
        image, problems = _read(case, case.image)
        findings += problems
        if image is not None:
            extremes = float(image.array.min()), float(image.array.max())
            if is_unit(*extremes):
                findings.append(Finding("error", case.name, UNIT_VALUES.format(*extremes)))
            warnings = [*_grid_warnings(image.grid), *_intensity_warnings(*extremes)]
            if nifti.is_nifti(case.image) and nifti.lacks_qform(case.image):
                warnings.append("no qform (qform_code 0): programs that read only the qform place the scan elsewhere")
            first = scans.setdefault(_voxel_hash(image), case)
            if first is not case:
                warnings.append(_same_scan(first, case))
            findings += [Finding("warning", case.name, message) for message in warnings]
        if case.mask is None:
            if annotated:
                findings.append(Finding("warning", case.name, "no mask, though other cases have one"))
            continue
        mask, problems = _read(case, case.mask, classes)
        findings += problems
        if mask is None:
            continue
        absent = [str(label) for label in range(classes) if not (mask.array == label).any()]
        if absent:
            findings.append(Finding("warning", case.name, f"the mask has no voxel of class {', '.join(absent)}"))
        if image is not None:
            findings += [Finding("error", case.name, message) for message in _pair_errors(image, mask)]
    return findings


def _read(case: Case, path: Path, classes: int | None = None) -> tuple[Volume | None, list[Finding]]:
    """The image, or the mask where `classes` is given, with the reader's warnings as findings; None, and an error among
    the findings, where it cannot be read."""
    volume, errors = None, []
    with warnings_of_this_thread(hold_back=True) as warnings:
        try:
            if classes is None:
                volume = reading.read_volume(path, grid=case.grid)
            else:
                labels = LUNG_LABELS if classes == len(LUNG_LABELS) else classes
                volume = reading.read_labels(path, labels, label_names=case.label_names, grid=case.grid)
        except (InputError, MemoryError) as error:
            message = " ".join(str(error).split()) or type(error).__name__
            errors = [Finding("error", case.name, message if str(path) in message else f"{path}: {message}")]
    return volume, errors + [Finding("warning", case.name, warning) for warning in warnings]


def _pair_errors(image: Volume, mask: Volume) -> list[str]:
    try:
        on_grid_of(image, mask, "image and mask")
    except InputError as error:
        return [str(error)]
    return []


def _grid_warnings(grid: Grid) -> list[str]:
    warnings = []
    if grid.spacing_mm[2] > THICK_SLICE_MM + 1e-3:  # headers hold float32: 5 mm may read 5.0000002
        warnings.append(f"thick slices: {grid.spacing_mm[2]:.2f} mm apart (more than {THICK_SLICE_MM:g} mm)")
    if grid.shape[2] < FEW_SLICES:
        warnings.append(f"only {grid.shape[2]} slices (fewer than {FEW_SLICES})")
    if grid.largest_cosine > ORTHOGONAL_COSINE:
        degrees = np.degrees(np.arccos(grid.largest_cosine))
        warnings.append(f"the axes are not orthogonal: two meet at {degrees:.1f} degrees (a tilted gantry?)")
    return warnings


def _intensity_warnings(minimum: float, maximum: float) -> list[str]:
    found = f"found {minimum:g}..{maximum:g}"
    if is_hu(minimum, maximum) or is_unit(minimum, maximum):
        return []
    if is_windowed(minimum, maximum):
        return [f"not HU: the values are already in 0..255 ({found}), windowed before"]
    if minimum >= 0:
        return [f"not HU: no negative value ({found}); offset by 1024?"]
    return [f"not HU: a chest CT reaches from air (about -1000) to tissue, {found}"]


def _same_scan(first: Case, second: Case) -> str:
    message = f"the same scan as {first.name}, voxel by voxel"
    if first.patient != second.patient:
        return f"{message}: it may fall into both training and test; remove one or name one patient in patients.csv"
    return f"{message}; remove one"


def _voxel_hash(volume: Volume) -> str:
    """SHA-256 of the voxels in RAS+ order as float32, so that storage order and type do not matter."""
    digest = hashlib.sha256(repr(volume.array.shape).encode())
    for z in range(volume.array.shape[2]):
        digest.update(volume.array[:, :, z].astype(np.float32).tobytes())
    return digest.hexdigest()
