"""A DICOM CT series to one NIfTI or NRRD file in HU, and a JSON file beside it that names no person.

The JSON file holds no date, name, ID, UID, description or path of the source.
"""

from pathlib import Path
from typing import Any

from pneumoseg.data_io.formats.dicom.ct import choose_series, open_series
from pneumoseg.data_io.formats.dicom.header import number_in, read_slice_with
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.dicom.stack_geometry import StackGeometry, stack_geometry
from pneumoseg.data_io.formats.scan_writing import Written, write_scan
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.volumes.grid_limits import ORTHOGONAL_COSINE
from pneumoseg.data_io.volumes.hounsfield import is_hu, is_windowed
from pneumoseg.data_io.volumes.volume import Grid

KEYWORDS = ("KVP", "ConvolutionKernel", "SliceThickness", "ImageType", "PatientPosition")


def side_file(path: str | Path) -> Path:
    """The JSON file beside a converted CT."""
    return Path(path).with_name(f"{Path(path).name}.json")


def convert_series(
    source: str | Path, path: str | Path, *, series: str | None = None, allow_gaps: bool = False
) -> dict[str, Any]:
    """Writes the CT series in the folder `source` to `path` (.nii.gz, .nii or .nrrd) and `path`.json, whose content it
    returns. Geometry, voxels and refusals are those of `open_dicom`; memory for one slab of about 16 MiB is needed.

    Raises InputError as `open_dicom` does.
    """
    chosen = choose_series(source, series)
    scan = open_series(source, chosen, allow_gaps)
    side_file(path).unlink(missing_ok=True)
    written = write_scan(path, scan)
    facts = _facts(Path(path).name, chosen, scan.stored_grid, written)
    write_json(side_file(path), facts)
    return facts


def _facts(name: str, series: Series, grid: Grid, written: Written) -> dict[str, Any]:
    first = series.slices[0]
    found = read_slice_with(first.file, KEYWORDS)
    values = found[1] if found else dict.fromkeys(KEYWORDS, "")
    geometry = stack_geometry(series)
    return {
        "file": name,
        "voxels_sha256": written.sha256,
        "data_type": written.data_type,
        "shape": list(grid.shape),
        "spacing_mm": [round(size, 6) for size in grid.spacing_mm],
        "affine_ras_mm": grid.affine.tolist(),
        "units": _units(written),
        "range": [written.least, written.largest],
        "source": {
            "format": "DICOM",
            "modality": series.modality,
            "slices": len(series.slices),
            "image_type": values["ImageType"].split("\\"),
            "kernel": values["ConvolutionKernel"].split("\\"),
            "kvp": number_in(values["KVP"]),
            "thickness_mm": number_in(values["SliceThickness"]),
            "patient_position": values["PatientPosition"],
            "orientation": geometry.plane,
            "tilt_degrees": round(geometry.tilt_degrees, 2),
        },
        "warnings": _warnings(series, geometry, grid),
    }


def _units(written: Written) -> str:
    if is_hu(written.least, written.largest):
        return "HU"
    return "grey values of 0..255" if is_windowed(written.least, written.largest) else "unknown"


def _warnings(series: Series, geometry: StackGeometry, grid: Grid) -> list[str]:
    """What a reader must know; in words of this program alone, as those of the log name files."""
    bare = sum(one.slope is None or one.intercept is None for one in series.slices)
    warnings = {
        f"{geometry.missing} slices are missing; the others are stored as evenly spaced": geometry.missing > 0,
        f"{geometry.uneven} steps between slices are uneven; stored as even": geometry.uneven > 0,
        f"the gantry was tilted by {geometry.tilt_degrees:.1f} degrees: the grid is sheared": (
            grid.largest_cosine > ORTHOGONAL_COSINE
        ),
        f"{bare} slices have no RescaleSlope or RescaleIntercept, taken as 1 and 0": bare > 0,
        "a single slice": len(series.slices) == 1,
    }
    return [text for text, holds in warnings.items() if holds]
