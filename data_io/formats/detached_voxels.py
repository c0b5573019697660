"""The files that hold the voxels of a NRRD or MetaImage header, as the header names them."""

import math
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.header_text import HeaderText, integer, shown, unreadable

NUMBER = re.compile(r"%0?\d{0,3}[diu]")
MOST_FILES = 100_000
MOST_NUMBER = 10**9


@dataclass(frozen=True)
class NamedFiles:
    """`names` as the header gives them; each file holds the first `axes` axes of the image, or the whole where None."""

    names: tuple[str, ...]
    axes: int | None = None

    def check(self, shape: tuple[int, ...], path: Path) -> None:
        """Raises InputError where the header `path` names too few or too many files for an image of this shape."""
        if self.axes is None:
            return
        if not 1 <= self.axes <= len(shape):
            raise unreadable(path, f"a file holds 1 to {len(shape)} axes of the image, found {self.axes}")
        if self.axes == len(shape):  # slabs along the last axis
            fits, needed = bool(self.names) and shape[-1] % len(self.names) == 0, f"a divisor of {shape[-1]}"
        else:
            count = math.prod(shape[self.axes :])
            fits, needed = len(self.names) == count, str(count)
        if not fits:
            raise InputError(
                f"{path}: the voxels of an image of {shape} in files of {self.axes} axes are {needed} files, found "
                f"{len(self.names)} in the header; add the missing ones or correct the sizes"
            )


def voxel_paths(header: HeaderText, shape: tuple[int, ...]) -> tuple[Path, ...]:
    """The files with the voxels of an image of that shape, in their order: the header's own where they follow it.

    Raises InputError for too few or too many names, and for a name that leads out of the header's folder.
    """
    files = named_files(header, shape)
    if files is None:
        return (header.path,)
    files.check(shape, header.path)
    return tuple(beside(header.path, name) for name in files.names)


def named_files(header: HeaderText, shape: tuple[int, ...] = ()) -> NamedFiles | None:
    """The files that a header names; None where the voxels follow the header.

    One file, a list (LIST, then a name a line), or a pattern with numbers (slice%03d.raw 1 100 1: first, last, step;
    without them one for each of the last axis of `shape`). After LIST and after the step may follow the number of axes
    that each file holds, by default all but the last. Raises InputError for a malformed pattern and for more than
    100000 files.
    """
    text, path = header.data_file, header.path
    if text is None:
        return None
    words = text.split()
    if words and words[0].upper() == "LIST":
        names = tuple(line.strip() for line in header.listed if line.strip())
        return NamedFiles(names, _whole_number(words[1], path) if len(words) > 1 else len(shape) - 1)
    if not words or "%" not in words[0] or (len(words) == 1 and not NUMBER.search(text)):
        return NamedFiles((text.strip(),))
    numbers = [1, shape[-1] if shape else 1, 1, len(shape) - 1]
    given = [_whole_number(word, path) for word in words[1:5]]
    first, last, step, axes = given + numbers[len(given) :]
    files = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
    if len(NUMBER.findall(words[0])) != 1 or words[0].count("%") != 1 or not 1 <= len(files) <= MOST_FILES:
        raise unreadable(
            path,
            f"a pattern of files is NAME%03d.raw FIRST LAST STEP, of up to {MOST_FILES} files, found {shown(text)}",
        )
    return NamedFiles(tuple(words[0] % number for number in files), axes)


def _whole_number(word: str, path: Path) -> int:
    return integer(word, "a number of files or axes", path, least=-MOST_NUMBER, most=MOST_NUMBER)


def beside(path: Path, name: str) -> Path:
    """The data file `name` of the header `path`, which must be named within the header's folder.

    Raises InputError for a name that leads out of the folder. Links are followed: whoever owns the folder set them.
    """
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or ".." in parts or "\0" in name:
        raise InputError(
            f"{path}: voxels are read from the header's own folder or below it, found {shown(name)}; move the file "
            "there and correct its name in the header"
        )
    return path.parent / name


def size_of(file: Path, path: Path) -> int:
    """Bytes of a data file of the header `path`. Raises InputError where it is missing or no regular file."""
    try:
        status = file.stat()
    except OSError as error:
        raise InputError(f"{path}: the data file {file} is missing ({error.strerror}); copy it again") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: voxels are read from regular files, {file} is none; copy the voxels to a file")
    return status.st_size
