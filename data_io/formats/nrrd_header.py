"""Headers of NRRD files (.nrrd, .nhdr): what is stored, where it lies in the patient, and in which files."""

import math
import re
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.detached_voxels import voxel_paths
from pneumoseg.data_io.formats.header_text import (
    MOST_AXES,
    HeaderText,
    field_key,
    header_lines,
    millimetres,
    shown,
    unreadable,
)
from pneumoseg.data_io.formats.image_header import ImageHeader
from pneumoseg.data_io.formats.stored_voxels import FROM_THE_END, MOST_SKIPPED, StoredVoxels
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS

MAGIC = re.compile(r"NRRD000[1-6]")
PAIR = re.compile(r"([^:]*[^:=]):=(.*)")
VECTOR = re.compile(r"none|\([^()]*\)", re.IGNORECASE)
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
ENCODINGS = {
    "raw": "raw", "gz": "deflate", "gzip": "deflate", "hex": "hex", "txt": "text", "text": "text", "ascii": "text",
}  # fmt: skip
FIELDS = {
    "content", "number", "type", "blocksize", "dimension", "space", "spacedimension", "sizes", "spacings",
    "thicknesses", "axismins", "axismaxs", "centers", "centerings", "labels", "units", "kinds", "min", "max", "oldmin",
    "oldmax", "endian", "encoding", "lineskip", "byteskip", "sampleunits", "datafile", "spacedirections",
    "spaceorigin", "spaceunits", "measurementframe",
}  # fmt: skip
DOMAIN_KINDS = ("domain", "space", "time", "???", "none")
TO_LPS = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip
SCANNER_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
NOWHERE = (
    "the header has no space directions: the orientation is unknown, left and right may be exchanged; copy them from "
    "the original scan"
)


def read_text(path: Path) -> HeaderText:
    """Splits the header into its fields. Raises InputError where it is no NRRD header or has a field twice."""
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    with open(path, "rb") as file:
        lines = header_lines(file, path)
        if not MAGIC.fullmatch(next(lines, "").strip()):
            raise unreadable(path, "the first line is not NRRD000 and a digit")
        for line in lines:
            if not line:
                break
            if line.startswith("#"):
                continue
            if pair := PAIR.fullmatch(line):
                pairs[pair[1]] = pair[2].replace("\\n", "\n")
                continue
            name, separator, value = line.partition(":")
            key = field_key(name)
            if not separator:
                raise unreadable(path, f"a line must be FIELD: VALUE, found {shown(line)}")
            if key not in FIELDS:
                raise unreadable(path, f"unknown field {shown(name)}")
            if key in fields:
                raise unreadable(path, f"{name} is given twice")
            fields[key] = value.strip()
            if key == "datafile" and value.strip().upper().startswith("LIST"):
                return HeaderText(path, fields, fields[key], tuple(lines), file.tell(), pairs=pairs)
        return HeaderText(path, fields, fields.get("datafile"), (), file.tell(), pairs=pairs)


def read_nrrd_header(path: Path) -> ImageHeader:
    """Reads the header of a NRRD. Geometry as ITK reads it, in RAS+; without space directions the axes are taken for
    left, back, up, and a warning says so.

    Raises InputError for a header that is damaged, for axes beyond four, more than one number a voxel, and files that
    are missing, too short or outside the header's folder.
    """
    text = read_text(path)
    axes = text.integer("dimension", least=1, most=MOST_AXES)
    shape = text.sizes("sizes", axes)
    directions = _directions(text, axes)
    spatial = [axis for axis in range(axes) if _is_spatial(text, directions, axis, axes)]
    values = math.prod(size for axis, size in enumerate(shape) if axis not in spatial)
    if values != 1:
        kinds = text.value("kinds", "no kinds given")
        raise InputError(f"{path}: voxels must be plain numbers, found {values} each ({shown(kinds)})")
    voxels = StoredVoxels(
        path,
        voxel_paths(text, shape),
        dtype=_dtype(text),
        count=math.prod(shape),
        encoding=_encoding(text),
        start=text.end_byte if text.data_file is None else 0,
        skip_lines=text.integer("line skip", "0", least=0, most=MOST_SKIPPED),
        skip_bytes=text.integer("byte skip", "0", least=FROM_THE_END, most=MOST_SKIPPED),
    )
    if voxels.skip_bytes == FROM_THE_END and voxels.encoding != "raw":
        raise unreadable(path, "byte skip: -1 is read for encoding: raw alone")
    return ImageHeader(tuple(shape[axis] for axis in spatial), _affine(text, directions, spatial), voxels)


def _dtype(text: HeaderText) -> np.dtype:
    name = " ".join(text.value("type").lower().split())
    dtype = next((np.dtype(code) for code, names in TYPES.items() if name in names), None)
    if dtype is None:
        raise unreadable(text.path, f"type must be that of a number, such as short or float, found {shown(name)}")
    endian = text.value("endian", "").lower()
    binary = _encoding(text) != "text" and dtype.itemsize > 1
    if (binary or endian) and endian not in ("little", "big"):
        raise unreadable(text.path, f"endian must be little or big, found {shown(endian)}")
    return dtype.newbyteorder(">" if endian == "big" else "<")


def _encoding(text: HeaderText):
    name = text.value("encoding").lower()
    if name not in ENCODINGS:
        raise unreadable(text.path, f"encoding must be among {', '.join(ENCODINGS)}, found {shown(name)}")
    return ENCODINGS[name]


def _vector(word: str, name: str, path: Path) -> tuple[float, ...]:
    """ "(1,0,0)" as three numbers, or four where the space has time, too."""
    inner = word.strip().removeprefix("(").removesuffix(")")
    return millimetres(inner.replace(",", " "), inner.count(",") + 1, name, path=path)


def _directions(text: HeaderText, axes: int) -> list[tuple[float, ...] | None] | None:
    """The vector of each axis, None for one that does not lie in space; None where the header has no directions."""
    given = text.fields.get("spacedirections")
    if given is None:
        return None
    words = VECTOR.findall(given)
    if len(words) != axes or VECTOR.sub("", given).strip():
        raise unreadable(text.path, f"space directions must give {axes} vectors, found {shown(given)}")
    return [None if word.lower() == "none" else _vector(word, "space directions", text.path) for word in words]


def _is_spatial(text: HeaderText, directions: list[tuple[float, ...] | None] | None, axis: int, axes: int) -> bool:
    if directions is not None:
        return directions[axis] is not None
    kinds = text.value("kinds", "domain " * axes).lower().split()
    return axis >= len(kinds) or kinds[axis] in DOMAIN_KINDS


def _affine(text: HeaderText, directions: list[tuple[float, ...] | None] | None, spatial: list[int]) -> np.ndarray:
    """RAS+; of a fourth axis of space (time) nothing is kept."""
    affine = np.eye(4)
    count = min(len(spatial), 3)
    if directions is None:
        if "space" in text.fields:
            raise unreadable(text.path, "a header that names a space needs space directions")
        log.warning("%s: %s", text.path, NOWHERE)
        spacing_mm, origin_mm = _unplaced(text, spatial[:3])
        affine[:count, :count], affine[:count, 3] = np.diag(spacing_mm), origin_mm
    else:
        vectors = [vector for vector in directions if vector is not None]
        origin = _vector(text.value("space origin", f"({','.join('0' * len(vectors))})"), "space origin", text.path)
        if any(len(vector) != len(vectors) for vector in (*vectors, origin)):
            raise unreadable(text.path, f"{len(vectors)} axes in space need vectors of as many numbers")
        affine[:count, :count] = np.array(vectors)[:count, :count].T
        affine[:count, 3] = origin[:count]
        affine[:3] = np.diag(_to_lps(text)) @ affine[:3]
    affine[:3] = LPS_TO_RAS @ affine[:3]
    return affine


def _to_lps(text: HeaderText) -> tuple[int, int, int]:
    space = text.value("space", "").lower().removesuffix("-time")
    if not space and "spacedimension" not in text.fields:
        raise unreadable(text.path, "space directions need a space or a space dimension")
    if not space or space in SCANNER_SPACES:
        log.warning("%s: the space (%s) does not say which side is left; read as LPS", text.path, space or "unnamed")
        return TO_LPS["lps"]
    space = space if space in TO_LPS else space.removesuffix("t")
    if space not in TO_LPS:
        raise unreadable(
            text.path, f"space must be among {', '.join((*TO_LPS, *SCANNER_SPACES))}, found {shown(space)}"
        )
    return TO_LPS[space]


def _unplaced(text: HeaderText, spatial: list[int]) -> tuple[list[float], list[float]]:
    """Spacing and origin of axes without directions: "spacings" and "axis mins", which of a cell is the edge."""
    spacing_mm = _per_axis(text, "spacings", spatial, 1.0)
    if 0.0 in spacing_mm:
        raise unreadable(text.path, f"spacings must not be 0, found {shown(text.fields['spacings'])}")
    if "axismins" not in text.fields:
        return spacing_mm, [0.0] * len(spatial)
    origin_mm = _per_axis(text, "axismins", spatial, 0.0)
    centers = text.fields.get("centers", text.fields.get("centerings", "")).lower().split()
    node = [axis < len(centers) and centers[axis] == "node" for axis in spatial]
    return spacing_mm, [
        low if at_node else low + size / 2 for low, size, at_node in zip(origin_mm, spacing_mm, node, strict=True)
    ]


def _per_axis(text: HeaderText, name: str, spatial: list[int], default: float) -> list[float]:
    axes = len(text.fields["sizes"].split())
    words = text.value(name, f"{default} " * axes).lower().replace("nan", str(default))
    values = millimetres(words, axes, name, path=text.path)
    return [values[axis] for axis in spatial]
