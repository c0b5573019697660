"""Checks of a dataset before training.

Every case is read whole, one at a time. A case with an error cannot be used; one with a warning should be looked at.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from pneumoseg.data_io.console import track, warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import Case, Dataset, names_its_patient, scan_of
from pneumoseg.data_io.datasets.near_duplicates import with_content_groups
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import nifti
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.volumes.grid_limits import FEW_SLICES, ORTHOGONAL_COSINE
from pneumoseg.data_io.volumes.hounsfield import UNIT_VALUES, is_hu, is_unit, is_windowed
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Grid, Volume, on_grid_of

THICK_SLICE_MM = 5.0


@dataclass(frozen=True)
class Finding:
    """One error or warning: `level` "error" or "warning", a sentence, and `case`: the name of the case, or of the
    volume whose slices are cases, or "dataset" for what concerns all."""

    level: Literal["error", "warning"]
    case: str
    message: str


def verify_dataset(dataset: Dataset, classes: int = 4) -> list[Finding]:
    """Reads every case and returns its errors and warnings, ordered by case.

    The masks' labels must be 0 .. classes - 1; their names are compared with those of LUNG_LABELS where there are as
    many classes.

    Errors: unreadable or truncated, not 3D, NaN or infinite voxels, values scaled to 0..1, labels outside the set or
    denied by labels_present, image and mask or `valid` on different grids, a `valid` with other values than 0 and 1.
    Warnings: all warnings of the readers (such as qform and sform that differ, or lengths that are not in mm),
    intensities that are not HU, NIfTI orientation codes missing, slices thicker than 5 mm, fewer than 10 slices, axes
    not orthogonal, no mask where other cases have one, a labelled class without voxels, one scan under two names.

    Of pictures and of slices, a class may be absent from some masks, but not from all; values of 0..255 are right, and
    images that look alike (`near_duplicates`) are warned of where no one names their patients. What is wrong with a
    stack as a whole is said once.
    """
    annotated = any(case.mask is not None for case in dataset)
    findings: list[Finding] = []
    scans: dict[str, Case] = {}
    extremes: dict[str, tuple[float, float]] = {}
    present: set[int] = set()
    readable: list[str] = []
    for case in track(dataset, "verifying", total=len(dataset)):
        image, problems = _read(case, case.image, case.read_image)
        findings += problems
        if image is not None:
            readable.append(case.name)
            values = image.array if is_picture(case.image) else image.array.reshape(*image.grid.shape, -1)[..., 0]
            found = float(values.min()), float(values.max())  # of several channels the first is the CT
            extremes[scan_of(case)] = _both(extremes.get(scan_of(case), found), found)
            if case.slice is None:
                findings += _intensity_findings(case.name, *found, picture=case.is_flat)
            warnings = _grid_warnings(image.grid, flat=case.is_flat)
            if nifti.is_nifti(case.image) and nifti.lacks_qform(case.image):
                warnings.append("no qform (qform_code 0): programs that read only the qform place the scan elsewhere")
            first = scans.setdefault(_voxel_hash(image), case)
            if first is not case:
                warnings.append(_same_scan(first, case))
            findings += [Finding("warning", case.name, message) for message in warnings]
        if case.valid is not None:
            findings += _read(case, case.valid, case.read_valid)[1]
        if case.mask is None:
            if annotated:
                findings.append(Finding("warning", case.name, "no mask, though other cases have one"))
            continue
        labels = LUNG_LABELS if classes == len(LUNG_LABELS) else classes
        mask, problems = _read(case, case.mask, partial(case.read_mask, labels))
        findings += problems
        if mask is None:
            continue
        of_case = {label for label in range(classes) if (mask.array == label).any()}
        present |= of_case
        if not case.is_flat and (absent := _labelled(case, labels) - of_case):
            findings.append(Finding("warning", case.name, _absent("the mask has", absent)))
        if image is not None:
            findings += [Finding("error", case.name, message) for message in _pair_errors(image, mask)]
    if present and len(present) < classes and all(case.is_flat for case in dataset):
        findings.append(Finding("warning", "dataset", _absent("the masks have", set(range(classes)) - present)))
    stacks = dict.fromkeys(scan_of(case) for case in dataset if case.slice is not None)
    for stack in stacks:
        findings += _intensity_findings(stack, *extremes[stack], picture=False) if stack in extremes else []
    return _each_file_once(dataset, findings) + _alike_findings(dataset.select(readable))


def _both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return min(one[0], other[0]), max(one[1], other[1])


def _labelled(case: Case, labels: int | LabelTable) -> set[int]:
    """The classes that the case's mask labels; all where their names are not known."""
    if isinstance(labels, int) or not case.labelled:
        return set(range(labels if isinstance(labels, int) else len(labels)))
    return {0, *(labels.names.index(name) for name in case.labelled)}


def _absent(masks: str, absent: set[int]) -> str:
    return f"{masks} no voxel of class {', '.join(map(str, sorted(absent)))}"


def _each_file_once(dataset: Dataset, findings: list[Finding]) -> list[Finding]:
    """The findings; of those that are the same for several slices of a volume, such as a file that cannot be read, one
    in the volume's name."""
    volumes = {case.name: case.slice.volume for case in dataset if case.slice is not None}
    slices = Counter((volumes.get(one.case), one.level, one.message) for one in findings)
    once: dict[Finding, None] = {}
    for one in findings:
        volume = volumes.get(one.case)
        shared = volume is not None and slices[volume, one.level, one.message] > 1
        once[replace(one, case=volume) if shared and volume is not None else one] = None
    return list(once)


def _alike_findings(dataset: Dataset) -> list[Finding]:
    """Warnings of pictures and slices that look alike, of those whose patient no one names."""
    unknown = tuple(case for case in dataset if case.is_flat and names_its_patient(case))
    if not unknown:
        return []
    groups: dict[str, list[str]] = {}
    for case in with_content_groups(Dataset(dataset.root, unknown, dataset.layout)):
        groups.setdefault(case.patient, []).append(case.name)
    return [Finding("warning", names[0], _alike(names)) for names in groups.values() if len(names) > 1]


def _alike(names: list[str]) -> str:
    return (
        f"{len(names)} images look alike: {', '.join(names)}; as different patients they may fall into both training "
        "and test: name the patients in patients.csv, or set evaluation.groups to content"
    )


def _read(case: Case, path: Path, read: Callable[[], Volume | None]) -> tuple[Volume | None, list[Finding]]:
    """What `read` gives, with the reader's warnings as findings; None, and an error among the findings, where it cannot
    be read. `path`: the file."""
    volume, errors = None, []
    with warnings_of_this_thread(hold_back=True) as warnings:
        try:
            volume = read()
        except (InputError, MemoryError) as error:
            message = " ".join(str(error).split()) or type(error).__name__
            message = message.removeprefix(f"case {case.name}: ")
            errors = [Finding("error", case.name, message if str(path) in message else f"{path}: {message}")]
    return volume, errors + [Finding("warning", case.name, warning) for warning in warnings]


def _pair_errors(image: Volume, mask: Volume) -> list[str]:
    try:
        on_grid_of(image, mask, "image and mask")
    except InputError as error:
        return [str(error)]
    return []


def _grid_warnings(grid: Grid, *, flat: bool) -> list[str]:
    warnings = []
    if not flat and grid.spacing_mm[2] > THICK_SLICE_MM + 1e-3:  # headers hold float32: 5 mm may read 5.0000002
        warnings.append(f"thick slices: {grid.spacing_mm[2]:.2f} mm apart (more than {THICK_SLICE_MM:g} mm)")
    if not flat and grid.shape[2] < FEW_SLICES:
        warnings.append(f"only {grid.shape[2]} slices (fewer than {FEW_SLICES})")
    if grid.largest_cosine > ORTHOGONAL_COSINE:
        degrees = np.degrees(np.arccos(grid.largest_cosine))
        warnings.append(f"the axes are not orthogonal: two meet at {degrees:.1f} degrees (a tilted gantry?)")
    return warnings


def _intensity_findings(name: str, minimum: float, maximum: float, *, picture: bool) -> list[Finding]:
    """What is wrong with the values of a scan, or of a picture, whose white is 255."""
    found = f"found {minimum:g}..{maximum:g}"
    if picture:
        dark = f"nearly black: {found} of 0..255; is it a mask, or scaled to 0..1?"
        return [Finding("warning", name, dark)] if maximum <= 1 else []
    if is_unit(minimum, maximum):
        return [Finding("error", name, UNIT_VALUES.format(minimum, maximum))]
    if is_hu(minimum, maximum):
        return []
    if is_windowed(minimum, maximum):
        return [Finding("warning", name, f"not HU: the values are already in 0..255 ({found}), windowed before")]
    if minimum >= 0:
        return [Finding("warning", name, f"not HU: no negative value ({found}); offset by 1024?")]
    return [Finding("warning", name, f"not HU: a chest CT reaches from air (about -1000) to tissue, {found}")]


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
