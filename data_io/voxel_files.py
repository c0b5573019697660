"""The files that hold the voxels of a NRRD or MetaImage header which has them elsewhere."""

import glob
import os
import re
from pathlib import Path

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
HEADER_BYTES = 1 << 20
NAMED = re.compile(r"^[ \t]*(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*(\S.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
NUMBER = re.compile(r"%\d*[diu]")


def voxel_files(path: str | Path) -> list[Path]:
    """The files beside the header `path` that hold its voxels, in its order; none where they follow the header itself,
    or where `path` is of another format.

    The header names one file, a list (LIST, then a name a line) or a pattern with numbers (slice%03d.raw 1 100 1), as
    "ElementDataFile" of MetaImage and "data file" of NRRD do; of a pattern, every file that fits whatever its number.
    Files that do not exist are left out: the reader will say so.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        return []
    with open(path, "rb") as file:
        header = os.fsdecode(file.read(HEADER_BYTES)).replace("\r\n", "\n")
    if header.startswith("NRRD"):
        header = header.partition("\n\n")[0]  # what follows may be voxels
    named = NAMED.search(header)
    if named is None or named[1].upper() == "LOCAL":
        return []
    names = [named[1]]
    if named[1].split()[0].upper() == "LIST":
        names = [line.strip() for line in header[named.end() :].splitlines() if line.strip()]
    elif NUMBER.search(named[1]):
        names = sorted(glob.glob(NUMBER.sub("*", glob.escape(named[1].split()[0])), root_dir=path.parent))
    return [path.parent / name for name in names if (path.parent / name).is_file()]
