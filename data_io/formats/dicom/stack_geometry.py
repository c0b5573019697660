"""How the slices of a series lie, described and not refused: plane, spacing, tilt, missing and repeated slices."""

from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.formats.dicom.ct import SAME_PLACE_MM, UNEVEN_MM, UNEVEN_SHARE
from pneumoseg.data_io.formats.dicom.series import Series

PLANES = ("sagittal", "coronal", "axial")
"""By the axis (LPS) along which slices follow one another."""

OBLIQUE_DEGREES = 15.0
"""From here on a plane is called oblique."""


@dataclass(frozen=True)
class StackGeometry:
    """`plane`: axial, coronal, sagittal, oblique or unknown. `spacing_mm`: between columns, rows and slices.
    `tilt_degrees`: between the slices' normal and the line on which they lie. `missing`: slices that fit into the gaps;
    `doubled`: slices where another lies; `uneven`: other steps that are not the usual one."""

    plane: str = "unknown"
    spacing_mm: tuple[float, float, float] | None = None
    tilt_degrees: float = 0.0
    missing: int = 0
    doubled: int = 0
    uneven: int = 0


def stack_geometry(series: Series) -> StackGeometry:
    """The geometry by the slices' headers, ordered as in `series`; unknown where one does not say where it lies."""
    first = series.slices[0]
    if not all(one.has_geometry for one in series.slices) or first.spacing_mm is None:
        return StackGeometry()
    normal = first.normal
    if not np.linalg.norm(normal) > 0:
        return StackGeometry()
    normal = normal / np.linalg.norm(normal)
    between_rows, between_columns = first.spacing_mm
    positions = np.array([one.position_mm for one in series.slices])
    along, steps = positions[-1] - positions[0], np.diff(positions, axis=0)
    rises = steps @ normal
    apart = rises >= SAME_PLACE_MM
    if not apart.any():
        thickness_mm = first.thickness_mm or 1.0
        return StackGeometry(_plane(normal), (between_columns, between_rows, thickness_mm), doubled=len(positions) - 1)
    along /= np.linalg.norm(along)
    usual, usual_rise = np.median(steps[apart], axis=0), float(np.median(rises[apart]))
    off = apart & (np.linalg.norm(steps - usual, axis=1) > max(UNEVEN_MM, UNEVEN_SHARE * usual_rise))
    missing = np.where(off, np.maximum(np.rint(rises / usual_rise).astype(int) - 1, 0), 0)
    return StackGeometry(
        plane=_plane(along),
        spacing_mm=(between_columns, between_rows, float(np.linalg.norm(usual))),
        tilt_degrees=float(np.degrees(np.arccos(np.clip(abs(along @ normal), 0, 1)))),
        missing=int(missing.sum()),
        doubled=int((~apart).sum()),
        uneven=int((off & (missing == 0)).sum()),
    )


def _plane(direction: np.ndarray) -> str:
    """Of slices that follow one another in this direction (LPS, length 1)."""
    axis = int(np.argmax(np.abs(direction)))
    return PLANES[axis] if abs(direction[axis]) > np.cos(np.radians(OBLIQUE_DEGREES)) else "oblique"
