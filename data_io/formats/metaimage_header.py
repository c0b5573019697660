"""Headers of MetaImage files (.mha, .mhd): what is stored, where it lies in the patient, and in which files."""

import math
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.detached_voxels import voxel_paths
from pneumoseg.data_io.formats.header_text import MOST_AXES, HeaderText, field_key, header_lines, shown, unreadable
from pneumoseg.data_io.formats.image_header import ImageHeader, affine_of
from pneumoseg.data_io.formats.stored_voxels import FROM_THE_END, MOST_SKIPPED, StoredVoxels

TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
SAME = {
    "position": "offset", "origin": "offset", "rotation": "transformmatrix", "orientation": "transformmatrix",
    "elementbyteordermsb": "binarydatabyteordermsb",
}  # fmt: skip
LAST = "elementdatafile"


def read_text(path: Path) -> HeaderText:
    """Splits the header into its fields. Raises InputError where it has no end or a field twice."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        lines = header_lines(file, path)
        for line in lines:
            name, separator, value = line.partition("=" if "=" in line else ":")
            key = field_key(name.strip())
            key = SAME.get(key, key)
            if not separator:
                continue
            if fields.get(key, value.strip()) != value.strip():
                raise unreadable(
                    path, f"{name.strip()} is given twice, {shown(fields[key])} and {shown(value.strip())}"
                )
            fields[key] = value.strip()
            if key == LAST:
                length = file.tell()
                listed = tuple(lines) if value.strip().upper().startswith("LIST") else ()
                data_file = None if value.strip().upper() == "LOCAL" else value.strip()
                return HeaderText(path, fields, data_file, listed, length)
    raise unreadable(path, "the header does not end with ElementDataFile")


def read_metaimage_header(path: Path) -> ImageHeader:
    """Reads the header of a MetaImage. Geometry as ITK reads it (LPS; the matrix's rows are the axes), turned to RAS.

    Raises InputError for a header that is damaged, for axes beyond four, more than one number a voxel, and files that
    are missing, too short or outside the header's folder.
    """
    text = read_text(path)
    axes = text.integer("NDims", least=1, most=MOST_AXES)
    shape = text.sizes("DimSize", axes)
    channels = text.integer("ElementNumberOfChannels", "1", least=1)
    kind = text.value("ElementType").upper()
    if channels != 1:
        raise InputError(f"{path}: voxels must be plain numbers, found {channels} each ({kind})")
    if kind not in TYPES:
        raise unreadable(path, f"ElementType must be among {', '.join(TYPES)}, found {shown(kind)}")
    msb = _flag(text, "BinaryDataByteOrderMSB", False)
    binary, compressed = _flag(text, "BinaryData", True), _flag(text, "CompressedData", False)
    if compressed and not binary:
        raise unreadable(path, "CompressedData is for binary voxels, found BinaryData = False")
    skip = text.integer("HeaderSize", "0", least=FROM_THE_END, most=MOST_SKIPPED)
    if skip == FROM_THE_END and (compressed or not binary):
        raise unreadable(path, "HeaderSize = -1 is for binary voxels that are not compressed")
    for name, identity in (("ElementToIntensityFunctionSlope", 1.0), ("ElementToIntensityFunctionOffset", 0.0)):
        if text.millimetres(name, 1, str(identity))[0] != identity:
            log.warning("%s: %s = %s is not applied, the voxels are read as stored", path, name, text.value(name))
    voxels = StoredVoxels(
        path,
        voxel_paths(text, shape),
        dtype=np.dtype(TYPES[kind]).newbyteorder(">" if msb else "<"),
        count=math.prod(shape),
        encoding="deflate" if compressed else "raw" if binary else "text",
        start=skip if skip > 0 else text.end_byte if text.data_file is None else 0,
        skip_bytes=min(skip, 0),
    )
    return ImageHeader(shape, _affine(text, axes), voxels)


def _affine(text: HeaderText, axes: int) -> np.ndarray:
    spacing = text.value("ElementSize", "1 " * axes)
    spacing_mm = text.millimetres("ElementSpacing", axes, spacing)
    if min(spacing_mm) <= 0:
        spacing = text.value("ElementSpacing", spacing)
        raise unreadable(text.path, f"ElementSpacing must be above 0, found {shown(spacing)}")
    origin_mm = text.millimetres("Offset", axes, "0 " * axes)
    identity = " ".join(str(value) for value in np.eye(axes).ravel())
    rows = text.millimetres("TransformMatrix", axes * axes, identity)
    return affine_of(spacing_mm, tuple(np.reshape(rows, (axes, axes)).T.ravel()), origin_mm)


def _flag(text: HeaderText, name: str, default: bool) -> bool:
    value = text.value(name, str(default))
    if value.lower() not in ("true", "false", "t", "f", "1", "0", "yes", "no"):
        raise unreadable(text.path, f"{name} must be True or False, found {shown(value)}")
    return value.lower() in ("true", "t", "1", "yes")
