"""CTs to NIfTI or NRRD slab by slab, so that a long series needs memory for one slab alone."""

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import SUFFIXES as NIFTI_SUFFIXES
from pneumoseg.data_io.formats.nifti import write_slabs_nifti
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Grid

NRRD_SUFFIX = ".nrrd"
NRRD_TYPES = {"int16": "int16", "float32": "float"}
GZIP_LEVEL = 6


@dataclass(frozen=True)
class Written:
    """What was written: `sha256` of the voxels, little endian, the first axis fastest, which does not depend on the
    format; the least and the largest value; the data type."""

    sha256: str
    least: float
    largest: float
    data_type: str


def scan_suffix(path: str | Path) -> str | None:
    """The end of the name where it is that of a file that CTs are written to: .nii.gz, .nii or .nrrd."""
    return next((suffix for suffix in (*NIFTI_SUFFIXES, NRRD_SUFFIX) if str(path).lower().endswith(suffix)), None)


def write_scan(path: str | Path, scan: Scan) -> Written:
    """Writes a CT of one channel on its stored grid, whole or not at all: int16, or float32 where its values are.

    Raises InputError where `path` is no .nii.gz, .nii or .nrrd, and as the scan does when it is read.
    """
    suffix = scan_suffix(path)
    if suffix is None:
        raise InputError(f"{path}: a CT is written as .nii.gz, .nii or .nrrd; change the name")
    watch = _Watch(scan.read_stored())
    write: Callable[[str | Path, Grid, np.dtype, Iterable[np.ndarray]], None]
    write = _write_nrrd if suffix == NRRD_SUFFIX else write_slabs_nifti
    write(path, scan.stored_grid, watch.dtype, watch.slabs())
    return watch.written()


class _Watch:
    """Hands slabs on, and keeps their hash and extremes."""

    def __init__(self, slabs: Iterator[np.ndarray]):
        self._first, self._rest = next(slabs), slabs
        self.dtype = np.dtype("<f4" if self._first.dtype.kind == "f" else "<i2")
        self._hash = hashlib.sha256()
        self._extremes: list[float] = []

    def slabs(self) -> Iterator[np.ndarray]:
        for slab in (part for parts in ((self._first,), self._rest) for part in parts):
            stored = slab.astype(self.dtype, copy=False)
            self._hash.update(stored.tobytes(order="F"))
            self._extremes = [min([*self._extremes, stored.min()]), max([*self._extremes, stored.max()])]
            yield stored

    def written(self) -> Written:
        least, largest = map(float, self._extremes)
        return Written(self._hash.hexdigest(), least, largest, self.dtype.name)


def _write_nrrd(path: str | Path, grid: Grid, dtype: np.dtype, slabs: Iterable[np.ndarray]) -> None:
    """NRRD in LPS, as ITK writes it, compressed."""
    affine = grid.affine.copy()
    affine[:3] = LPS_TO_RAS @ affine[:3]
    fields = {
        "type": NRRD_TYPES[dtype.name],
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, grid.shape)),
        "space directions": " ".join(map(_vector, affine[:3, :3].T)),
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "gzip",
        "space origin": _vector(affine[:3, 3]),
    }
    header = "NRRD0004\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"
    with write_aside(path) as aside, open(aside, "wb") as file:
        file.write(header.encode("ascii"))
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
            for slab in slabs:
                packed.write(slab.tobytes(order="F"))


def _vector(values: np.ndarray) -> str:
    return f"({','.join(repr(float(value) + 0.0) for value in values)})"
