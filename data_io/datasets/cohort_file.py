"""The cohort file: an HDF5 file of prepared studies, with what is known of each and how all were prepared.

`images`, int16 (studies, z, y, x): HU, resized, axes nearest to the patient's back to front, x to the right, y to the
front, z up; `lungs`, uint8 of the same shape: 1 within the lung mask. One chunk holds one study, compressed by gzip and
with a checksum, so that reading a study takes the memory of one. Further arrays have one entry a study (see
`CohortEntry`); attributes hold the version of the format, the settings of the preparation and the versions of the
software as JSON. No path is in it.
"""

import importlib.metadata
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.datasets.study_names import patient_problem, study_problem
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.storage.json_files import parse_json

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "pneumoseg cohort", 1
PACKAGES = ("pneumoseg", "numpy", "scipy", "h5py", "pydicom", "nibabel")
"""Whose versions are on record: they read, resize and write."""

SUFFIXES = (".h5", ".hdf5")
"""By which commands tell a cohort file from other data."""

LARGEST_AXIS = 1024
MOST_VOXELS = 2**26
"""Of one study: 134 MB of HU."""
MOST_STUDIES = 1_000_000
LONGEST_TEXT_BYTES = 4096
MOST_LETTERS = LONGEST_TEXT_BYTES // 6
"""Of a problem: a byte that is no UTF-8 is written as six, \\\\udcff."""
LARGEST_JSON_BYTES = 60_000
SPACING_LIMITS_MM = (1e-4, 1000.0)
"""Of a resized image: the largest CT at the fewest voxels, and the smallest at the most."""
COMPRESSION_LEVEL = 4
FILTERS = (1, 2, 3)
"""HDF5's numbers of gzip, shuffle and the checksum; others may need libraries that run when a file is read."""

UNKNOWN = -1
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CohortEntry:
    """What a cohort file says of one study.

    `diseased`, `score` (0 to 100): from the table, None where unknown. `content`: SHA-256 of the CT's voxels; `source`:
    of the bytes of its files. `lung_ml`, `lung_mean_hu`: of the lung mask on the CT, the mean NaN without a voxel.
    `slices`: of the CT. `spacing_mm`: between the voxels of the resized image along x, y, z. `problem`: why the study
    is not valid, "" where it is.
    """

    name: str
    patient: str
    diseased: bool | None
    score: float | None
    content: str
    source: str
    lung_ml: float
    lung_mean_hu: float
    slices: int
    spacing_mm: tuple[float, float, float]
    problem: str = ""


@dataclass(frozen=True)
class CohortHeader:
    """All but the images: `shape` (z, y, x) of each, the `entries` in the order of the studies, the settings of the
    `preparation` and the versions of the `software`."""

    shape: tuple[int, int, int]
    entries: tuple[CohortEntry, ...]
    preparation: dict
    software: dict


TEXTS = {"names": "name", "patients": "patient", "content": "content", "sources": "source", "problems": "problem"}
NUMBERS: dict[str, np.dtype] = {
    "diseased": np.dtype("int8"),
    "scores": np.dtype("float64"),
    "lung_ml": np.dtype("float64"),
    "lung_mean_hu": np.dtype("float64"),
    "slices": np.dtype("int32"),
}
SPACING: np.dtype = np.dtype("float64")
ARRAYS = {"images": np.dtype("int16"), "lungs": np.dtype("uint8")}


def write_cohort(
    path: str | Path,
    entries: Sequence[CohortEntry],
    arrays: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    shape: tuple[int, int, int],
    preparation: Mapping,
) -> None:
    """Writes a cohort file, whole or not at all; one study is in memory at a time.

    `arrays`: for each entry the image (int16, HU) and the lungs (uint8, 0 and 1), both of `shape` (z, y, x).
    `preparation`: its settings, as JSON can hold them. Raises InputError for no study, for entries as `read_header`
    does, and ValueError for arrays of another shape or number.
    """
    import h5py

    if not entries:
        raise InputError(f"{path}: a cohort file needs at least one study, found none")
    _check_entries(path, entries)
    software = {name: importlib.metadata.version(name) for name in PACKAGES}
    with write_aside(path) as aside, h5py.File(aside, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["preparation"] = json.dumps(preparation, allow_nan=False)
        file.attrs["software"] = json.dumps(software)
        for name, field in TEXTS.items():
            encoded = [getattr(entry, field).encode("utf-8", "backslashreplace") for entry in entries]
            file[name] = np.array(encoded, dtype=f"S{max(1, *map(len, encoded))}")
        for name, values in _columns(entries).items():
            file[name] = values
        made = {
            name: file.create_dataset(
                name,
                (len(entries), *shape),
                kind,
                chunks=(1, *shape),
                compression="gzip",
                compression_opts=COMPRESSION_LEVEL,
                shuffle=True,
                fletcher32=True,
            )
            for name, kind in ARRAYS.items()
        }
        for index, (_, (image, lungs)) in enumerate(zip(entries, arrays, strict=True)):
            for name, array in (("images", image), ("lungs", lungs)):
                if array.shape != tuple(shape) or array.dtype != ARRAYS[name]:
                    raise ValueError(f"{name}: {ARRAYS[name]} {shape} is needed, found {array.dtype} {array.shape}")
                made[name][index] = array


def read_study(path: str | Path, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The image (int16, HU) and the lungs (uint8, 0 and 1) of the study at `index` of a cohort file, both (z, y, x).

    Nothing else is read. Raises InputError where the file cannot be read or has no such study.
    """
    with _opened(path) as file:
        shape = _shape(path, file)
        if not 0 <= index < shape[0]:
            raise InputError(f"{path}: study {index} is needed, counted from 0, found {shape[0]} studies")
        image, lungs = (_checked_array(path, file, name, shape)[index] for name in ARRAYS)
    if lungs.max() > 1:
        raise InputError(f"{path}: the lungs of study {index} must be 0 and 1, found {lungs.max()}; prepare it again")
    return image, lungs


def read_header(path: str | Path) -> CohortHeader:
    """What a cohort file holds besides the images; sizes are checked before memory is taken.

    Raises InputError where the file is missing, cut, no cohort file or of another version, where an array is missing
    or has another shape or type, where images were never written, and where an entry is impossible: names that are not
    unique or no file names, labels other than yes, no and unknown, scores outside 0..100, hashes that are none.
    """
    with _opened(path) as file:
        count, *shape = _shape(path, file)
        for name in ARRAYS:
            array = _checked_array(path, file, name, (count, *shape))
            if array.id.get_num_chunks() != count:
                raise InputError(
                    f"{path}: {name} of {count} studies are needed, found {array.id.get_num_chunks()} written; "
                    "prepare the cohort again"
                )
        texts = {field: _texts(path, file, name, count) for name, field in TEXTS.items()}
        numbers = {name: _numbers(path, file, name, (count,), kind).tolist() for name, kind in NUMBERS.items()}
        spacing_mm = _numbers(path, file, "spacing_mm", (count, 3), SPACING).tolist()
        notes = {name: _note(path, file, name) for name in ("preparation", "software")}
    if wrong := sorted({value for value in numbers["diseased"] if value not in (UNKNOWN, 0, 1)}):
        raise InputError(f"{path}: diseased is 1, 0 or {UNKNOWN} (unknown), found {wrong[0]}; prepare the cohort again")
    entries = tuple(
        CohortEntry(
            **{field: values[index] for field, values in texts.items()},
            diseased={UNKNOWN: None, 0: False, 1: True}[numbers["diseased"][index]],
            score=None if math.isnan(score := numbers["scores"][index]) else score,
            lung_ml=numbers["lung_ml"][index],
            lung_mean_hu=numbers["lung_mean_hu"][index],
            slices=numbers["slices"][index],
            spacing_mm=tuple(spacing_mm[index]),
        )
        for index in range(count)
    )
    _check_entries(path, entries)
    return CohortHeader((shape[0], shape[1], shape[2]), entries, **notes)


def _columns(entries: Sequence[CohortEntry]) -> dict[str, np.ndarray]:
    values: dict[str, list] = {
        "diseased": [UNKNOWN if entry.diseased is None else int(entry.diseased) for entry in entries],
        "scores": [math.nan if entry.score is None else entry.score for entry in entries],
        "lung_ml": [entry.lung_ml for entry in entries],
        "lung_mean_hu": [entry.lung_mean_hu for entry in entries],
        "slices": [entry.slices for entry in entries],
        "spacing_mm": [entry.spacing_mm for entry in entries],
    }
    kinds: dict[str, np.dtype] = NUMBERS | {"spacing_mm": SPACING}
    return {name: np.array(column, kinds[name]) for name, column in values.items()}


def _check_entries(path: str | Path, entries: Sequence[CohortEntry]) -> None:
    """Raises InputError for entries that no preparation writes, naming the study."""
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"{path}: names of studies must be unique, found {listed(twice)} more than once")
    least, most = SPACING_LIMITS_MM
    for entry in entries:
        name, patient = study_problem(entry.name), patient_problem(entry.patient)
        problems = {
            f"its name {name}": name,
            f"the name of its patient {patient}": patient,
            f"its problem is told in {MOST_LETTERS} letters at most": len(entry.problem) > MOST_LETTERS,
            f"a score is 0 to 100, found {entry.score}": entry.score is not None and not 0 <= entry.score <= 100,
            "a label or a score is needed, found neither": entry.diseased is None and entry.score is None,
            "hashes are SHA-256 in hexadecimal, found others": not (
                HASH.fullmatch(entry.content) and HASH.fullmatch(entry.source)
            ),
            f"a spacing is {least:g} to {most:g} mm, found {entry.spacing_mm}": not all(
                least <= value <= most for value in entry.spacing_mm
            ),
            f"slices are 1 or more, found {entry.slices}": entry.slices < 1,
            f"a lung volume is 0 ml or more, found {entry.lung_ml}": not 0 <= entry.lung_ml < math.inf,
            "a mean HU is finite, or NaN without lungs, found inf": math.isinf(entry.lung_mean_hu),
        }
        if found := [problem for problem, holds in problems.items() if holds]:
            study = f"study {entry.name[:60]}"
            raise InputError(f"{path}: {study}: {found[0]}; correct the table or prepare the cohort again")


@contextmanager
def _opened(path: str | Path) -> Iterator["h5py.File"]:
    """An open cohort file of this version; what HDF5 raises over it within becomes an InputError."""
    import h5py

    if not Path(path).is_file():
        raise InputError(f"{path}: no such cohort file; make one with: pneumoseg prepare TABLE -o {Path(path).name}")
    try:
        with h5py.File(path, "r") as file:
            form, version = file.attrs.get("format"), file.attrs.get("version")
            if form != FORMAT:
                raise InputError(f"{path}: not a cohort file; make one with: pneumoseg prepare TABLE -o cohort.h5")
            if version != VERSION:
                raise InputError(
                    f"{path}: a cohort file of version {VERSION} is needed, found {version}; prepare the cohort again"
                )
            yield file
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: the cohort file is cut or damaged ({reason}); copy it again, or prepare the cohort again"
        ) from error


def _array(path: str | Path, file: "h5py.File", name: str) -> "h5py.Dataset":
    """A plain array of the file itself. Raises InputError for links, arrays elsewhere and other filters."""
    import h5py

    link, array = file.get(name, getlink=True), None
    if isinstance(link, h5py.HardLink):
        array = file[name]
    if not isinstance(array, h5py.Dataset) or array.shape is None:
        raise InputError(f"{path}: a cohort file has an array {name}, found none; prepare the cohort again")
    made = array.id.get_create_plist()
    filters = [made.get_filter(number)[0] for number in range(made.get_nfilters())]
    if array.is_virtual or array.external or not set(filters) <= set(FILTERS):
        raise InputError(f"{path}: {name} must be stored in the file itself, by gzip; prepare the cohort again")
    return array


def _shape(path: str | Path, file: "h5py.File") -> tuple[int, ...]:
    shape = _array(path, file, "images").shape
    sizes = shape[1:]
    fits = len(shape) == 4 and 1 <= shape[0] <= MOST_STUDIES and all(1 <= size <= LARGEST_AXIS for size in sizes)
    if not fits or math.prod(sizes) > MOST_VOXELS:
        raise InputError(
            f"{path}: images are (studies, z, y, x), at most {MOST_STUDIES:,} of {MOST_VOXELS:,} voxels, found {shape}"
        )
    return shape


def _checked_array(path: str | Path, file: "h5py.File", name: str, shape: Sequence[int]) -> "h5py.Dataset":
    array, chunk = _array(path, file, name), (1, *shape[1:])
    if array.shape != tuple(shape) or array.dtype != ARRAYS[name] or array.chunks != chunk:
        raise InputError(
            f"{path}: {name} must be {ARRAYS[name]} {tuple(shape)} in chunks of one study, found {array.dtype} "
            f"{array.shape} in chunks {array.chunks}; prepare the cohort again"
        )
    return array


def _numbers(path: str | Path, file: "h5py.File", name: str, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    array = _array(path, file, name)
    if array.shape != shape or array.dtype != kind:
        raise InputError(
            f"{path}: {name} must be {kind} {shape}, found {array.dtype} {array.shape}; prepare the cohort again"
        )
    return array[:]


def _texts(path: str | Path, file: "h5py.File", name: str, count: int) -> list[str]:
    array = _array(path, file, name)
    if array.shape != (count,) or array.dtype.kind != "S" or array.dtype.itemsize > LONGEST_TEXT_BYTES:
        raise InputError(
            f"{path}: {name} must be {count} texts of at most {LONGEST_TEXT_BYTES} bytes, found {array.dtype} "
            f"{array.shape}; prepare the cohort again"
        )
    return [text.decode("utf-8") for text in array[:].tolist()]


def _note(path: str | Path, file: "h5py.File", name: str) -> dict:
    text = file.attrs.get(name)
    if not isinstance(text, str) or len(text) > LARGEST_JSON_BYTES:
        raise InputError(f"{path}: the attribute {name} must be JSON text; prepare the cohort again")
    return parse_json(text, f"{path}, {name}", "a record of settings", kind=dict)
