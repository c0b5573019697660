"""NRRD and MetaImage files (.nrrd, .nhdr, .mha, .mhd) to scans.

Both place voxels in LPS millimetres unless they say otherwise (x to the patient's left, y to the back, z up), as ITK
does; here they lie in RAS+. Header and voxels are read here and not by ITK, which a damaged header can crash and which
gives memory that no file filled where voxels are missing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import metaimage_header, nrrd_header
from pneumoseg.data_io.formats.detached_voxels import beside, named_files
from pneumoseg.data_io.formats.image_header import ImageHeader
from pneumoseg.data_io.volumes.lazy_volume import Scan, checked, slab_thickness, three_axes
from pneumoseg.data_io.volumes.volume import Grid

HEADERS: dict[str, Callable[[Path], ImageHeader]] = {
    ".nrrd": nrrd_header.read_nrrd_header, ".nhdr": nrrd_header.read_nrrd_header,
    ".mha": metaimage_header.read_metaimage_header, ".mhd": metaimage_header.read_metaimage_header,
}  # fmt: skip
SUFFIXES = tuple(HEADERS)
NRRD_SUFFIXES = (".nrrd", ".nhdr")


def is_itk_image(path: str | Path) -> bool:
    """Whether the name of `path` is that of a NRRD or MetaImage file."""
    return Path(path).suffix.lower() in HEADERS


def open_itk_image(path: str | Path) -> Scan:
    """Opens a 3D NRRD or MetaImage; the header is read at once, the voxels when the scan's slabs are asked for.

    Stored order is ITK's index order. Integers keep their own data type; floats become float32. Slabs are read from the
    files as they are asked for, compressed ones too.

    Raises InputError, at once or when the voxels are read, for a file that is missing, truncated, of another format,
    not 3D, colour, vector or complex, without an invertible finite geometry, or that holds NaN or infinite voxels; and
    for a header whose data files are too few, too short, no regular files or outside its folder.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    header = HEADERS[path.suffix.lower()](path)
    shape = three_axes(header.shape, path)
    header.voxels.check()
    return Scan(Grid(shape, header.affine), lambda: _stored_slabs(header, shape))


def voxel_files(path: str | Path) -> list[Path]:
    """The files beside the header `path` that hold its voxels, in its order; none where they follow the header itself,
    where the header cannot be understood, or where `path` is of another format.

    Files that do not exist are left out, and those that are not read: outside the header's folder, no regular files.
    """
    path = Path(path)
    if not is_itk_image(path):
        return []
    read_text = nrrd_header.read_text if path.suffix.lower() in NRRD_SUFFIXES else metaimage_header.read_text
    try:
        files = named_files(read_text(path))
        paths = [beside(path, name) for name in files.names] if files else []
    except InputError:
        return []
    return [file for file in paths if file.is_file()]


def _stored_slabs(header: ImageHeader, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    plane = shape[0] * shape[1]
    thickness = slab_thickness(shape, header.voxels.dtype.itemsize)
    for values in header.voxels.slabs(thickness * plane):
        yield checked(values.reshape((*shape[:2], -1), order="F"), header.voxels.path)
