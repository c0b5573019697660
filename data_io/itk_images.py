"""NRRD and MetaImage files (.nrrd, .nhdr, .mha, .mhd) to scans, through SimpleITK.

ITK places voxels in LPS millimetres (x to the patient's left, y to the back, z up); here they lie in RAS+.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from data_io.errors import InputError
from data_io.nifti import DEFLATE_MOST
from data_io.scan import Scan, checked, slab_thickness, three_axes
from data_io.volume import LPS_TO_RAS, Grid

READERS = {".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO", ".mha": "MetaImageIO", ".mhd": "MetaImageIO"}
COMPRESSED = re.compile(rb"^\s*CompressedData\s*=\s*[Tt1]", re.MULTILINE)


def is_itk_image(path: str | Path) -> bool:
    """Whether the name of `path` is that of a NRRD or MetaImage file."""
    return Path(path).suffix.lower() in READERS


def open_itk_image(path: str | Path) -> Scan:
    """Opens a 3D NRRD or MetaImage; the header is read at once, the voxels when the scan's slabs are asked for.

    Stored order is ITK's index order. Integers keep their own data type; floats become float32. An uncompressed
    MetaImage is read slab by slab; compressed ones and NRRD, which ITK decodes from the start for every slab, are
    decoded once as a whole, beside the slabs that leave this function.

    Raises InputError, at once or when the voxels are read, for a file that is missing, truncated, of another format,
    not 3D, colour, vector or complex, without an invertible finite geometry, or that holds NaN or infinite voxels.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    header = _reader(path)
    try:
        header.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable NRRD or MetaImage file ({_reason(error)})") from error
    shape = three_axes(header.GetSize(), path)
    if header.GetNumberOfComponents() != 1:
        kind = sitk.GetPixelIDValueAsString(header.GetPixelID())
        raise InputError(f"{path}: voxels must be plain numbers, found {header.GetNumberOfComponents()} each ({kind})")
    _check_size(path, shape)
    grid = Grid(shape, affine_of(header.GetSpacing(), header.GetDirection(), header.GetOrigin()))
    return Scan(grid, lambda: _stored_slabs(path, header.GetSize()))


def affine_of(spacing_mm: tuple[float, ...], direction: tuple[float, ...], origin_mm: tuple[float, ...]) -> np.ndarray:
    """ITK's geometry (LPS) as a 4x4 affine to RAS+ millimetres; a fourth axis is left out."""
    axes = math.isqrt(len(direction))
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ np.reshape(direction, (axes, axes))[:3, :3] * spacing_mm[:3]
    affine[:3, 3] = LPS_TO_RAS @ origin_mm[:3]
    return affine


def place(image: sitk.Image, grid: Grid) -> None:
    """Gives a 3D SimpleITK image the geometry of `grid`, sheared grids included; the inverse of `affine_of`."""
    axes = LPS_TO_RAS @ grid.affine[:3, :3]
    image.SetSpacing(grid.spacing_mm)
    image.SetDirection((axes / grid.spacing_mm).ravel().tolist())
    image.SetOrigin((LPS_TO_RAS @ grid.affine[:3, 3]).tolist())


def _reader(path: Path) -> sitk.ImageFileReader:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's warnings would go to stderr, past the log
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[path.suffix.lower()])
    reader.SetFileName(str(path))
    return reader


def _reason(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if not line.startswith("Reason:")]
    return next((line for line in reversed(lines) if line), "no reason given")


def _check_size(path: Path, shape: tuple[int, int, int]) -> None:
    """Refuses a damaged size before ITK asks for as much memory; the voxels of .nhdr and .mhd lie elsewhere."""
    most = path.stat().st_size * DEFLATE_MOST
    if path.suffix.lower() in (".nrrd", ".mha") and math.prod(shape) > most:
        raise InputError(
            f"{path}: the file is truncated or its header damaged: {shape} voxels of one byte or more, the file holds "
            f"at most {most}; copy or download it again"
        )


def _stored_slabs(path: Path, size: tuple[int, ...]) -> Iterator[np.ndarray]:
    thickness = slab_thickness(size[:3], itemsize=4)
    at_once = thickness if _streams(path) else size[2]
    for first in range(0, size[2], at_once):
        image = _read(path, size, first, min(at_once, size[2] - first))
        planes = sitk.GetArrayViewFromImage(image)
        planes = planes.reshape(planes.shape[-3:])
        for start in range(0, len(planes), thickness):
            # A copy: the view dies with the image.
            yield checked(planes[start : start + thickness].copy().T, path)


def _streams(path: Path) -> bool:
    if READERS[path.suffix.lower()] != "MetaImageIO":
        return False
    with path.open("rb") as file:
        return COMPRESSED.search(file.read(4096)) is None


def _read(path: Path, size: tuple[int, ...], first: int, count: int) -> sitk.Image:
    reader = _reader(path)
    if count < size[2]:
        reader.SetExtractIndex([0, 0, first] + [0] * (len(size) - 3))
        reader.SetExtractSize([size[0], size[1], count] + [1] * (len(size) - 3))
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{path}: the voxels cannot be read, the file is truncated or damaged or the data file it names is missing "
            f"({_reason(error)}); copy it again"
        ) from error
