"""Headers of MetaImage files (.mha, .mhd): what is stored, where it lies in the patient, and in which files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.detached_voxels import NamedFiles, beside, named_files
from pneumoseg.data_io.formats.header_text import (
    MOST_AXES,
    header_lines,
    integer,
    millimetres,
    shown,
    sizes,
    unreadable,
)
from pneumoseg.data_io.formats.image_header import ImageHeader, affine_of
from pneumoseg.data_io.formats.stored_voxels import FROM_THE_END, StoredVoxels

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


@dataclass(frozen=True)
class MetaImageText:
    """`fields`: values by name, in small letters; `lines`: those after the last field, where it lists files; `length`:
    bytes up to its end."""

    path: Path
    fields: Mapping[str, str]
    lines: tuple[str, ...]
    length: int

    def files(self, shape: tuple[int, ...] = ()) -> NamedFiles | None:
        """The files with the voxels of an image of that shape; None where the voxels follow the header."""
        named = self.fields[LAST]
        return None if named.upper() == "LOCAL" else named_files(named, self.lines, shape, path=self.path)


def read_text(path: Path) -> MetaImageText:
    """Splits the header into its fields. Raises InputError where it has no end or a field twice."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        lines = header_lines(file, path)
        for line in lines:
            name, separator, value = line.partition("=" if "=" in line else ":")
            key = name.strip().lower()
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
                return MetaImageText(path, fields, listed, length)
    raise unreadable(path, "the header does not end with ElementDataFile")


def read_metaimage_header(path: Path) -> ImageHeader:
    """Reads the header of a MetaImage. Geometry as ITK reads it (LPS; the matrix's rows are the axes), turned to RAS.

    Raises InputError for a header that is damaged, for axes beyond four, more than one number a voxel, and files that
    are missing, too short or outside the header's folder.
    """
    text = read_text(path)
    fields = text.fields
    axes = integer(_needed(text, "ndims"), "NDims", path, least=1, most=MOST_AXES)
    shape = sizes(_needed(text, "dimsize"), axes, "DimSize", path=path)
    channels = integer(fields.get("elementnumberofchannels", "1"), "ElementNumberOfChannels", path, least=1)
    kind = _needed(text, "elementtype").upper()
    if channels != 1:
        raise InputError(f"{path}: voxels must be plain numbers, found {channels} each ({kind})")
    if kind not in TYPES:
        raise unreadable(path, f"ElementType must be among {', '.join(TYPES)}, found {shown(kind)}")
    msb = _flag(text, "binarydatabyteordermsb", False)
    binary, compressed = _flag(text, "binarydata", True), _flag(text, "compresseddata", False)
    if compressed and not binary:
        raise unreadable(path, "CompressedData is for binary voxels, found BinaryData = False")
    skip = integer(fields.get("headersize", "0"), "HeaderSize", path, least=FROM_THE_END, most=1 << 62)
    if skip == FROM_THE_END and (compressed or not binary):
        raise unreadable(path, "HeaderSize = -1 is for binary voxels that are not compressed")
    for name, identity in (("elementtointensityfunctionslope", 1.0), ("elementtointensityfunctionoffset", 0.0)):
        if millimetres(fields.get(name, str(identity)), 1, name, path=path)[0] != identity:
            log.warning("%s: %s = %s is not applied, the voxels are read as stored", path, name, fields[name])
    named = text.files(shape)
    if named is not None:
        named.check(shape, path)
    files = (path,) if named is None else tuple(beside(path, name) for name in named.names)
    voxels = StoredVoxels(
        path,
        files,
        np.dtype(TYPES[kind]).newbyteorder(">" if msb else "<"),
        math.prod(shape),
        "deflate" if compressed else "raw" if binary else "text",
        start=skip if skip > 0 else text.length if named is None else 0,
        skip_bytes=min(skip, 0),
    )
    return ImageHeader(shape, _affine(text, axes), voxels)


def _affine(text: MetaImageText, axes: int) -> np.ndarray:
    path, fields = text.path, text.fields
    spacing = fields.get("elementspacing", fields.get("elementsize", "1 " * axes))
    spacing_mm = millimetres(spacing, axes, "ElementSpacing", path=path)
    if min(spacing_mm) <= 0:
        raise unreadable(path, f"ElementSpacing must be above 0, found {shown(spacing)}")
    origin_mm = millimetres(fields.get("offset", "0 " * axes), axes, "Offset", path=path)
    identity = " ".join(str(value) for value in np.eye(axes).ravel())
    rows = millimetres(fields.get("transformmatrix", identity), axes * axes, "TransformMatrix", path=path)
    return affine_of(spacing_mm, tuple(np.reshape(rows, (axes, axes)).T.ravel()), origin_mm)


def _needed(text: MetaImageText, name: str) -> str:
    if name not in text.fields:
        raise unreadable(text.path, f"the header has no {name}")
    return text.fields[name]


def _flag(text: MetaImageText, name: str, default: bool) -> bool:
    value = text.fields.get(name, str(default))
    if value.lower() not in ("true", "false", "t", "f", "1", "0", "yes", "no"):
        raise unreadable(text.path, f"{name} must be True or False, found {shown(value)}")
    return value.lower() in ("true", "t", "1", "yes")
