"""DICOM CT series to scans: which series is read, and where its slices lie by their headers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.folders import folder_with_more
from pneumoseg.data_io.formats.dicom.pixels import check_pixels, hounsfield
from pneumoseg.data_io.formats.dicom.series import Series, find_series, read_files
from pneumoseg.data_io.public_text import Private
from pneumoseg.data_io.volumes.lazy_volume import Scan, slab_thickness
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Grid

SAME_PLACE_MM = 0.01
UNEVEN_MM = 0.05
UNEVEN_SHARE = 0.01
TILT_DEGREES = 0.1
NOT_UNIT = 0.01
GEOMETRY = {
    "position_mm": "ImagePositionPatient",
    "cosines": "ImageOrientationPatient",
    "spacing_mm": "PixelSpacing",
}
INT16 = np.iinfo(np.int16)


def open_dicom(path: str | Path, series: str | int | None = None, allow_gaps: bool = False) -> Scan:
    """Opens the CT series in a folder, or one slice where `path` is a file, to be read slab by slab.

    `series` chooses among several, as `choose_series` does. With `allow_gaps`, missing or unevenly spaced slices are
    read as if evenly spaced, with a warning. Stored axes are (column, row, slice); slices count up along columns'
    direction x rows' direction. Voxels are HU, RescaleSlope and RescaleIntercept of each slice applied to its stored
    values, however they are to be shown (MONOCHROME1, PresentationLUTShape): int16 (clipped to its range) where these
    are whole numbers throughout the series, else float32. Where PixelPaddingValue fills a corner of a slice, voxels of
    that value become air (-1000 HU, or 0 where HU cannot be negative) unless they are lower. A warning names a folder
    near by with further slices of the same series.

    Raises InputError, at once or when the voxels are read, where there is no DICOM image or no such series; for other
    modalities, colour and multi-frame files; for missing or contradicting geometry, two slices in one place, and,
    without `allow_gaps`, missing or unevenly spaced slices; for pixels that are missing, too few or cannot be decoded.
    """
    return open_series(path, choose_series(path, series), allow_gaps)


def open_series(path: str | Path, ct: Series, allow_gaps: bool = False) -> Scan:
    """Opens a series found in `path`, which is for messages, as `open_dicom` does."""
    _check_plain_ct(path, ct)
    check_pixels(path, ct.slices)
    grid = series_grid(path, ct, allow_gaps)
    if more := folder_with_more(path, ct):
        log.warning(
            "%s: %s holds other slices of the same series, which are not read: the CT may be incomplete; put all "
            "slices into one folder",
            path,
            more,
        )
    bare = sum(one.slope is None or one.intercept is None for one in ct.slices)
    if bare:
        log.warning("%s: no RescaleSlope or RescaleIntercept in %d slices, taken as 1 and 0", path, bare)
    return Scan(grid, lambda: _stored_slabs(ct))


def choose_series(path: str | Path, series: str | int | None = None) -> Series:
    """The series in `path` that `series` names: by its UID, its number or a part of its UID or description.

    Without `series`, or where one UID covers several, it is the plain CT with most slices; a warning names the
    others. Raises InputError where there is no image, or where `series` fits none or several.
    """
    return choose_among(find_series(path), path, series)


def choose_among(every: list[Series], path: str | Path, series: str | int | None = None) -> Series:
    """As `choose_series`, from what `find_series` found in `path`."""
    if not every:
        files = read_files(path)
        if files.damaged and files.has_ct:
            raise InputError(next(iter(files.damaged.values())))
        where = "is no DICOM image" if Path(path).is_file() else "holds no DICOM image (subfolders are not entered)"
        raise InputError(
            f"{path}: {where}, localizers not counted, found {files.summary}; give the folder that holds "
            "the slices of a CT"
        )
    matching = every if series is None else _matching(every, str(series).strip())
    if not matching or (series is not None and len({one.uid or one.number for one in matching}) > 1):
        details = [f"{one.summary} {one.details}" for one in every]
        log.warning("%s: the series are: %s", path, Private(listed(details, 20)))
        raise InputError(
            f"{path}: {str(series)!r} must name one series by UID, number or a part of UID or description, but fits "
            f"{len(matching) or 'none'} of: {listed([one.summary for one in every], 20)}"
        )
    ct = next((one for one in matching if one.is_plain_ct), matching[0])
    if len(matching) > 1:
        others = [one for one in matching if one is not ct]
        log.warning(
            "%s: several series; reading series %s %s, not %s %s; to read another, copy its slices to a folder of "
            "their own or, to predict, name it by UID, number or description (series)",
            path,
            ct.summary,
            Private(f"[{ct.details}]"),
            listed([one.summary for one in others]),
            Private(f"[{listed([one.details for one in others], 20)}]"),
        )
    return ct


def series_grid(path: str | Path, series: Series, allow_gaps: bool = False) -> Grid:
    """Where the slices lie: shape (columns, rows, slices); the step between slices is (last - first) / (slices - 1).

    So a tilted gantry gives a sheared affine, with a warning. The affine follows DICOM PS3.3 C.7.6.2.1.1, turned from
    LPS to RAS+. `path` is for messages. Raises InputError as `open_dicom` does for geometry.
    """
    first = series.slices[0]
    _check_geometry(path, series)
    positions = np.array([one.position_mm for one in series.slices])
    cosines = np.reshape(first.cosines or (), (2, 3))
    normal = first.normal / np.linalg.norm(first.normal)
    if len(positions) == 1:
        step = normal * (first.thickness_mm or 1.0)
        thickness = f"{first.thickness_mm:g} mm thick" if first.thickness_mm else "of unknown thickness, taken as 1 mm"
        log.warning("%s: the CT is a single slice, %s", path, thickness)
    else:
        _check_steps(path, series, positions, normal, allow_gaps)
        step = (positions[-1] - positions[0]) / (len(positions) - 1)
        tilt = np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1)))
        if tilt > TILT_DEGREES:
            log.warning("%s: the gantry was tilted by %.1f degrees; the grid is sheared accordingly", path, tilt)
    between_rows, between_columns = first.spacing_mm or ()
    affine = np.eye(4)
    affine[:3, 0] = LPS_TO_RAS @ cosines[0] * between_columns
    affine[:3, 1] = LPS_TO_RAS @ cosines[1] * between_rows
    affine[:3, 2] = LPS_TO_RAS @ step
    affine[:3, 3] = LPS_TO_RAS @ positions[0]
    return Grid((first.columns, first.rows, len(positions)), affine)


def _matching(every: list[Series], text: str) -> list[Series]:
    """By UID; where none has it, by number; where none has that either, by a part of UID or description."""
    part = text.lower()
    rules = (
        lambda one: one.uid == text,
        lambda one: str(one.number) == text,
        lambda one: part in one.uid.lower() or part in one.description.lower(),
    )
    return next((fits for rule in rules if (fits := [one for one in every if rule(one)])), []) if text else []


def _check_plain_ct(path: str | Path, series: Series) -> None:
    if series.modality != "CT":
        raise InputError(
            f"{path}: a CT is needed, found modality {series.modality or '(empty)'} in series {series.summary}; give a "
            "CT"
        )
    for one in series.slices:
        if one.frames > 1:
            raise InputError(
                f"{one.file}: one slice per file is read here, found {one.frames} frames in one (Enhanced CT); convert "
                "the series to NIfTI or to classic CT slices"
            )
        if one.slope == 0:
            raise InputError(f"{one.file}: RescaleSlope must not be 0; export the original series again")
        if not one.photometric.startswith("MONOCHROME"):
            raise InputError(
                f"{one.file}: CT slices are grey (MONOCHROME2), found {one.photometric}; this is a picture made for "
                "viewing, give the original series"
            )


def _check_geometry(path: str | Path, series: Series) -> None:
    for one in series.slices:
        missing = [tag for name, tag in GEOMETRY.items() if getattr(one, name) is None]
        if missing:
            raise InputError(
                f"{one.file}: a slice must say where it lies, but {', '.join(missing)} is missing or not a number; "
                "export the original series again"
            )
    first = series.slices[0]
    along, down = np.reshape(first.cosines or (), (2, 3))
    if max(abs(along @ along - 1), abs(down @ down - 1), abs(along @ down)) > NOT_UNIT:
        raise InputError(
            f"{first.file}: ImageOrientationPatient must be two perpendicular directions of length 1, found "
            f"{[*along.tolist(), *down.tolist()]}; export the original series again"
        )
    for one in series.slices:
        if not np.allclose(one.spacing_mm or (), first.spacing_mm or (), rtol=1e-3):
            raise InputError(
                f"{path}: the slices of a series must have one PixelSpacing, found {first.spacing_mm} mm in "
                f"{first.file.name} and {one.spacing_mm} mm in {one.file.name}; keep the slices of one reconstruction"
            )


def _check_steps(path: str | Path, series: Series, positions: np.ndarray, normal: np.ndarray, allow_gaps: bool) -> None:
    """`positions` (slices, 3) in mm, ordered along `normal`."""
    names = [file.name for file in series.files]
    steps = np.diff(positions, axis=0)
    heights, rises = positions @ normal, steps @ normal
    same = np.flatnonzero(rises < SAME_PLACE_MM)
    if same.size:
        raise InputError(
            f"{path}: each slice must lie at a place of its own, but {same.size} lie where another does, for instance "
            f"{names[same[0]]} and {names[same[0] + 1]}, both at {heights[same[0]]:.2f} mm; keep one file of each"
        )
    usual = np.median(steps, axis=0)
    spacing = float(np.median(rises))
    off = np.flatnonzero(np.linalg.norm(steps - usual, axis=1) > max(UNEVEN_MM, UNEVEN_SHARE * spacing))
    if not off.size:
        return
    worst = off[np.argsort(-np.linalg.norm(steps[off] - usual, axis=1), kind="stable")][:3]
    described = "; ".join(
        f"{rises[at]:.2f} mm from {heights[at]:.2f} mm ({names[at]}) to {heights[at + 1]:.2f} mm ({names[at + 1]})"
        + _sideways(steps[at] - usual, normal)
        for at in np.sort(worst)
    )
    kind = "slices are missing" if rises[off].max() > 1.5 * spacing else "slices are unevenly spaced"
    fault = f"{kind}: {off.size} of {len(steps)} steps between neighbours are not {spacing:.2f} mm, such as {described}"
    if not allow_gaps:
        raise InputError(
            f"{path}: a CT needs evenly spaced slices, but {fault}; add the missing files, or export the series again "
            "(a prediction that allows gaps reads the slices as if evenly spaced)",
            options=("allow_gaps",),
        )
    log.warning("%s: %s; read as if all were %.2f mm apart", path, fault, rises.mean())


def _sideways(error: np.ndarray, normal: np.ndarray) -> str:
    """Says by how much a step strays within the plane of the slices, where it does."""
    sideways_mm = np.linalg.norm(error - normal * (error @ normal))
    return f", {sideways_mm:.2f} mm sideways" if sideways_mm > UNEVEN_MM else ""


def _stored_slabs(series: Series) -> Iterator[np.ndarray]:
    first = series.slices[0]
    whole = all(float(value or 0).is_integer() for one in series.slices for value in (one.slope, one.intercept))
    dtype = np.dtype(np.int16 if whole else np.float32)
    thickness = slab_thickness((first.columns, first.rows), dtype.itemsize)
    for start in range(0, len(series.slices), thickness):
        slices = series.slices[start : start + thickness]
        slab = np.empty((first.columns, first.rows, len(slices)), dtype, order="F")
        for index, one in enumerate(slices):
            values = hounsfield(one)
            slab[..., index] = np.clip(values, INT16.min, INT16.max) if whole else values
        yield slab
