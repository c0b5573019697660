"""What a file or a folder of slices holds, as a number: it changes when the content does."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pneumoseg.data_io.formats.nrrd_metaimage import voxel_files


def sha256_of(path: str | Path) -> str:
    """SHA-256, in hexadecimal, of a file's bytes; of several files, that of their hashes: those in a folder by name
    (hidden files do not count), a header that has its voxels elsewhere and then the files with the voxels."""
    path = Path(path)
    if path.is_dir():
        return _of_all(part for part in sorted(path.iterdir()) if part.is_file() and not part.name.startswith("."))
    elsewhere = voxel_files(path)
    return _of_all([path, *elsewhere]) if elsewhere else _of_bytes(path)


def _of_all(files: Iterable[Path]) -> str:
    return hashlib.sha256("".join(map(_of_bytes, files)).encode()).hexdigest()


def _of_bytes(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
