"""NIfTI files to volumes; CTs, label masks and maps to NIfTI files."""

import gzip
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast
from xml.sax.saxutils import escape

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import Opener
from nibabel.spatialimages import HeaderDataError

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti_placement import GridForm, NiftiPlacement, place
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.storage.compression import DEFLATE_MOST
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan, checked, slab_thickness, three_axes
from pneumoseg.data_io.volumes.volume import Grid, Volume

SUFFIXES = (".nii.gz", ".nii")
INTENT_LABEL = 1002
EXTENSION_CARET = 30
EXTENSION_FLAG_BYTES = 4  # behind the header


def is_nifti(path: str | Path) -> bool:
    """Whether the name of `path` is that of a NIfTI file."""
    return str(path).lower().endswith(SUFFIXES)


def open_nifti(path: str | Path, form: GridForm = "sform") -> Scan:
    """Opens a 3D image to be read slab by slab, with the file's scaling (`scl_slope`, `scl_inter`) applied in float32.

    `form`: which of the header's forms says where the voxels lie, where both do (see `formats.nifti_placement`); a
    warning says so where they differ. Lengths in metres and microns are converted to mm. Unscaled integers keep their
    own data type, so that an int16 CT costs two bytes a voxel; floats become float32.

    Raises InputError, at once or when the voxels are read, for a file that is missing, truncated, not NIfTI, not 3D,
    colour or complex, without an invertible finite affine, or that holds NaN or infinite voxels.
    """
    path = Path(path)
    image = _open(path)
    shape = three_axes(image.shape, path)
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"{path}: voxels must be plain numbers, found {image.get_data_dtype()} (colour or complex)")
    _check_size(path, image, shape)
    placement = NiftiPlacement(_stored_header(path, image))
    for warning in placement.warnings(shape, form):
        log.warning("%s: %s", path, warning)
    try:
        stored_grid = placement.grid(shape, form)
    except InputError as error:
        raise InputError(f"{path}: {error}", options=error.options) from error
    return Scan(stored_grid, lambda: _stored_slabs(path, image, shape))


def lacks_qform(path: str | Path) -> bool:
    """Whether a readable file says where its voxels lie by its sform alone."""
    placement = NiftiPlacement(_stored_header(Path(path), _open(Path(path))))
    return placement.effective_form("qform") == "sform"


def _stored_header(path: Path, image: nib.Nifti1Image) -> nib.Nifti1Header:
    """The header as it is in the file: nibabel repairs the one it returns, other programs do not."""
    with Opener(str(path), "rb") as file:
        content = file.read(image.header.sizeof_hdr)
    return type(image.header)(content, image.header.endianness, check=False)


def _check_size(path: Path, image: nib.Nifti1Image, shape: tuple[int, int, int]) -> None:
    least = image.header.sizeof_hdr + EXTENSION_FLAG_BYTES
    if (offset := cast(ArrayProxy, image.dataobj).offset) < least:
        raise InputError(f"{path}: vox_offset must be at least {least}, found {offset}; correct the header")
    needed = math.prod(shape) * image.get_data_dtype().itemsize
    most = path.stat().st_size * (DEFLATE_MOST if path.name.lower().endswith(".gz") else 1)
    if needed > most:
        raise InputError(
            f"{path}: the file is truncated or its header damaged: {shape} voxels are {needed} bytes, the file "
            f"holds at most {most}; copy or download it again"
        )


def _stored_slabs(path: Path, image: nib.Nifti1Image, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    stored = cast(ArrayProxy, image.dataobj)
    thickness = slab_thickness(shape, stored.dtype.itemsize)
    with Opener(str(stored.file_like), "rb") as file:
        for start in range(0, shape[2], thickness):
            count = min(thickness, shape[2] - start)
            needed = shape[0] * shape[1] * count * stored.dtype.itemsize
            try:
                if start == 0:
                    file.seek(stored.offset)
                content = file.read(needed)
                if start + count == shape[2]:
                    _check_end(file)
            except (OSError, EOFError, ValueError, zlib.error) as error:
                raise InputError(f"{path}: the file is truncated or damaged ({error}); copy it again") from error
            if len(content) < needed:
                raise InputError(f"{path}: the file is truncated in slices {start}..{start + count - 1}; copy it again")
            array = np.frombuffer(content, stored.dtype).reshape((*shape[:2], count), order="F")
            yield _scaled(array, stored, path)


def _check_end(file: Opener) -> None:
    """Reads beyond the last byte: only there does gzip compare the checksum. What is no gzip behind it is ignored."""
    try:
        file.read(1)
    except gzip.BadGzipFile as error:
        if not str(error).startswith("Not a gzipped file"):
            raise


def _scaled(array: np.ndarray, stored: ArrayProxy, path: Path) -> np.ndarray:
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if (stored.slope, stored.inter) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is refused by the check
            array = array.astype(np.float32) * np.float32(stored.slope) + np.float32(stored.inter)
    return checked(array, path)


def write_label_nifti(path: str | Path, labels: Volume, table: LabelTable) -> None:
    """Writes a mask on its source grid, as other programs expect it.

    uint8; intent code 1002 (label); names and colours as a label table in a Caret extension. A mask of a NIfTI file
    keeps the file's qform, sform, codes, spacings and unit as they are stored, so that any program shows both in one
    place; only a qform that is damaged, or absent where the axes are sheared, is replaced by the nearest rigid one,
    with a warning. Other masks get sform = the source's affine, qform = the nearest rigid one, both coded 1 (scanner).
    The file appears whole or not at all.
    """
    if not is_nifti(path):
        raise InputError(f"{path}: a mask is written as .nii or .nii.gz; change the name")
    header, warning = _header(labels.stored_grid, np.uint8)
    if warning:
        log.warning("%s: %s", Path(path), warning)
    header.set_intent(INTENT_LABEL, name="pneumoseg labels", allow_unknown=True)
    header.extensions.append(nib.nifti1.Nifti1Extension(EXTENSION_CARET, _caret_table(table)))
    _write(path, header, labels.restore().astype(np.uint8, copy=False))


def write_ct_nifti(path: str | Path, volume: Volume) -> None:
    """Writes a CT on its source grid: int16 HU, sform = the source's affine, qform the nearest rigid one, both coded 1.

    Values are rounded and kept within int16. The file appears whole or not at all. Raises InputError where the name is
    not that of a NIfTI file.
    """
    if not is_nifti(path):
        raise InputError(f"{path}: a CT is written as .nii or .nii.gz; change the name")
    array = volume.restore()
    if array.dtype != np.int16:
        limits = np.iinfo(np.int16)
        array = np.clip(np.rint(array), limits.min, limits.max).astype(np.int16)
    header, _ = _header(volume.stored_grid, np.int16)
    _write(path, header, array)


def write_slabs_nifti(path: str | Path, grid: Grid, dtype: np.dtype, slabs: Iterable[np.ndarray]) -> None:
    """Writes a CT whose voxels come in slabs along the third axis of `grid`; the forms as of `write_ct_nifti`."""
    header, _ = _header(grid, dtype)
    with write_aside(path) as aside, Opener(str(aside), "wb") as file:
        header.write_to(file)
        for slab in slabs:
            file.write(slab.astype(dtype, copy=False).tobytes(order="F"))


def write_scaled_nifti(path: str | Path, array: np.ndarray, scan: Scan, *, slope: float) -> None:
    """Writes a map on the grid of the scan's file: uint8 `array` (x, y, z) as RAS+, to be read as value x slope."""
    header, _ = _header(scan.stored_grid, np.uint8)
    header.set_slope_inter(slope, 0)
    _write(path, header, Volume(array, scan.grid, scan.stored_grid).restore())


def _header(grid: Grid, dtype: type[np.integer] | np.dtype) -> tuple[nib.Nifti1Header, str | None]:
    """The header of a file on `grid`, and a warning where its qform is not exact."""
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(grid.shape)
    header.set_slope_inter(1, 0)
    return header, place(header, grid)


def _write(path: str | Path, header: nib.Nifti1Header, array: np.ndarray) -> None:
    """Plane by plane, so that no second copy of the array is made; the values go to the file as they are."""
    with write_aside(path) as aside, Opener(str(aside), "wb") as file:
        header.write_to(file)
        for index in range(array.shape[2]):
            file.write(array[:, :, index].tobytes(order="F"))


def _open(path: Path) -> nib.Nifti1Image:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    name = path.name[-len(".nii.gz") :]
    if not name.endswith((".nii", ".nii.gz", ".NII", ".NII.GZ", ".nii.GZ", ".NII.gz")):
        raise InputError(f"{path}: a NIfTI file ends in .nii or .nii.gz, in small letters or capitals; rename the file")
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: not a readable NIfTI file ({' '.join(str(error).split())})") from error
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(f"{path}: not a NIfTI file but {type(image).__name__}")
    return image


def _caret_table(table: LabelTable) -> bytes:
    rows = "".join(
        f'<Label Key="{key}" Red="{red / 255:.6f}" Green="{green / 255:.6f}" Blue="{blue / 255:.6f}" '
        f'Alpha="{0 if key == 0 else 1}">{escape(name)}</Label>'
        for key, (name, (red, green, blue)) in enumerate(zip(table.names, table.colours, strict=True))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{rows}</LabelTable><VolumeType>Label</VolumeType></VolumeInformation></CaretExtension>"
    ).encode()
