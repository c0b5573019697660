"""The table of a cohort: a CSV file with one study a row, its patient, label and severity score.

Columns: `patient`, `path` (of the CT, relative to the table's folder: a NIfTI, NRRD or MetaImage file, or a folder with
a DICOM series), `label` or `covid` (yes or no) and `score` (0 to 100), in any order; others are kept as text. One of
label and score may lack as a column; an empty cell is unknown, where the other one is known.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.study_names import as_study_name, patient_problem, study_problem
from pneumoseg.data_io.datasets.volume_layouts import IMAGE_STEM, MASK_STEM
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.dicom.series import is_dicom
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.writing import case_name
from pneumoseg.data_io.storage.csv_files import read_cells
from pneumoseg.data_io.storage.file_names import name_as_text
from pneumoseg.data_io.storage.folders import folders_below

PATIENT, PATH, LABELS, SCORE = "patient", "path", ("label", "covid"), "score"
YES, NO = ("yes", "1", "true"), ("no", "0", "false")
NAMELESS = (IMAGE_STEM, "dicom")
"""Files and folders that are called by the folder they lie in."""


@dataclass(frozen=True)
class CohortRow:
    """One study: its unique `name`, the `patient`, the CT's `path`, the label and the `score`, None where unknown, and
    the `further` columns as text."""

    name: str
    patient: str
    path: Path
    diseased: bool | None
    score: float | None
    further: Mapping[str, str]


@dataclass(frozen=True)
class CohortTable:
    """The rows of the table at `path`, in its order."""

    path: Path
    rows: tuple[CohortRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[CohortRow]:
        return iter(self.rows)


def read_cohort_table(path: str | Path) -> CohortTable:
    """Reads a table of studies.

    A study is named by its file or DICOM folder, by the folder around it where that is called `imaging` or `dicom`;
    where two names are the same, by the folders above too.

    A warning lists CTs that lie among those of the table, in its folder, and that no row names. Raises InputError, with
    row (the header is row 1) and column, for a missing column, an empty patient or path, names of patients and studies
    that `study_names` does not allow, a path where no CT is, two rows of one path, a label that is not yes or no, a
    score that is not 0 to 100, a row with neither, and a patient with two labels; and for a table without rows.
    """
    path = Path(path)
    header, *cells = read_cells(path, unique_columns=True)
    names = [name.strip().lower() for name in header]
    label = _label_column(path, names)
    lines = [dict(zip(names, (cell.strip() for cell in row), strict=True)) for row in cells]
    if not lines:
        raise InputError(f"{path}: a cohort has at least one study, found no row below the header")
    known = {PATIENT, PATH, SCORE, label}
    paths, rows = [], []
    for number, line in enumerate(lines, start=2):
        for name in (PATIENT, PATH):
            if not line[name]:
                raise InputError(f"{path}, row {number}, column {name}: the cell is empty; fill it in")
        if problem := patient_problem(line[PATIENT]):
            raise InputError(
                f"{path}, row {number}, column {PATIENT}: the name of a patient is a short line of visible text, found "
                f"one that {problem}; use a pseudonym"
            )
        paths.append(_ct_path(path, number, line[PATH]))
        diseased = _diseased(path, number, label, line.get(label, "")) if label else None
        score = _score(path, number, line.get(SCORE, ""))
        if diseased is None and score is None:
            raise InputError(f"{path}, row {number}: a label or a score is needed, found neither; fill one in")
        further = {name: text for name, text in line.items() if name not in known}
        rows.append((line[PATIENT], diseased, score, further))
    _check_one_row_each(path, paths)
    _check_one_label_each(path, [(patient, diseased) for patient, diseased, *_ in rows])
    names_of_studies = _study_names(path.parent, paths)
    for number, name in enumerate(names_of_studies, start=2):
        if problem := study_problem(name):
            raise InputError(
                f"{path}, row {number}, column {PATH}: a study is named by its file or folder, whose name "
                f"{problem}; rename it"
            )
    if twice := sorted(name for name, count in Counter(names_of_studies).items() if count > 1):
        raise InputError(f"{path}, column {PATH}: names of studies must be unique, found {listed(twice)}; rename some")
    named = zip(names_of_studies, paths, rows, strict=True)
    made = [
        CohortRow(name, patient, place, diseased, score, further)
        for name, place, (patient, diseased, score, further) in named
    ]
    if unnamed := _unnamed(path.parent, paths):
        found = listed([name_as_text(one.as_posix()) for one in unnamed])
        log.warning("%s: no row names the CTs %s; add rows, or leave them out", path, found)
    return CohortTable(path, tuple(made))


def _label_column(path: Path, names: Sequence[str]) -> str | None:
    """The column of the labels; None where there is a score instead."""
    missing = [name for name in (PATIENT, PATH) if name not in names]
    labels = [name for name in LABELS if name in names]
    if not labels and SCORE not in names:
        missing.append(f"{LABELS[0]} or {SCORE}")
    if missing:
        raise InputError(
            f"{path}: a cohort's columns are {PATIENT}, {PATH}, {LABELS[0]} and {SCORE}, found {', '.join(names)}; add "
            f"{', '.join(missing)}"
        )
    if len(labels) > 1:
        raise InputError(f"{path}: the label is in one column, found {' and '.join(labels)}; remove one")
    return labels[0] if labels else None


def _ct_path(table: Path, number: int, text: str) -> Path:
    place = table.parent / text.replace("\\", "/")
    where = f"{table}, row {number}, column {PATH}"
    try:
        exists = place.exists()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise InputError(f"{where}: cannot be opened ({error.strerror}); correct the path") from error
    if not exists:
        raise InputError(f"{where}: no such file or folder: {place}; paths are relative to the table's folder")
    if place.is_file() and (is_picture(place) or not reading.is_readable(place)):
        raise InputError(f"{where}: a CT (NIfTI, NRRD, MetaImage) or a DICOM folder is needed, found {place}")
    return place


def _diseased(table: Path, number: int, column: str, text: str) -> bool | None:
    if not text:
        return None
    if text.lower() not in (*YES, *NO):
        raise InputError(f"{table}, row {number}, column {column}: must be yes or no (1 or 0), found {text[:50]}")
    return text.lower() in YES


def _score(table: Path, number: int, text: str) -> float | None:
    if not text:
        return None
    try:
        score = float(text) if "_" not in text else math.nan  # Python reads 1_0 as 10
    except ValueError:
        score = math.nan
    if not 0 <= score <= 100:
        raise InputError(f"{table}, row {number}, column {SCORE}: must be a number from 0 to 100, found {text[:50]}")
    return score


def _check_one_row_each(table: Path, paths: Sequence[Path]) -> None:
    first: dict[str, int] = {}
    for number, place in enumerate(map(os.path.realpath, paths), start=2):
        if (earlier := first.setdefault(place, number)) != number:
            raise InputError(f"{table}, rows {earlier} and {number}, column {PATH}: one study each, found the same CT")


def _check_one_label_each(table: Path, labels: Sequence[tuple[str, bool | None]]) -> None:
    first: dict[str, tuple[bool, int]] = {}
    for number, (patient, diseased) in enumerate(labels, start=2):
        if diseased is None:
            continue
        before, earlier = first.setdefault(patient, (diseased, number))
        if before != diseased:
            raise InputError(
                f"{table}, rows {earlier} and {number}: patient {patient} has one label, found yes and no; correct a "
                "row, or name the patients apart"
            )


def _study_names(folder: Path, paths: Sequence[Path]) -> list[str]:
    """A name for each path: its last part, with as many before it, seen from `folder`, as tell it from others."""
    parts = [[as_study_name(name_as_text(part)) for part in _name_parts(folder, path)] for path in paths]
    depths = [1] * len(parts)
    while True:
        names = ["_".join(own[-depth:]) for own, depth in zip(parts, depths, strict=True)]
        count = Counter(names)
        longer = [
            depth + (count[name] > 1 and depth < len(own))
            for name, own, depth in zip(names, parts, depths, strict=True)
        ]
        if longer == depths:
            break
        depths = longer
    return [f"{name}_{names[:at].count(name) + 1}" if count[name] > 1 else name for at, name in enumerate(names)]


def _name_parts(folder: Path, path: Path) -> list[str]:
    """The folders and the name that tell a study, outermost first."""
    whole = Path(os.path.abspath(path))
    *folders, last = [part for part in Path(os.path.relpath(whole, folder)).parts if part != os.pardir] or [whole.name]
    own = last if whole.is_dir() else case_name(whole)
    return folders if folders and own.lower() in NAMELESS else [*folders, own]


def _unnamed(folder: Path, named: Sequence[Path]) -> list[Path]:
    """CTs in the folder that all `named` ones lie in, relative to it, that are neither named nor below one that is.

    Where that folder is not within `folder`, that of the table, none are looked for: it may be a whole disk.
    """
    known = {os.path.realpath(path) for path in named}
    common = Path(os.path.commonpath([Path(path).parent for path in known]))
    if not common.is_relative_to(os.path.realpath(folder)):
        return []
    found: list[Path] = []
    for place in (common, *folders_below(common)):
        if known & {os.path.realpath(one) for one in (place, *place.parents)}:
            continue
        if is_dicom(place):
            found.append(place)
        else:
            found += [file for file in sorted(place.iterdir()) if _is_ct(file) and os.path.realpath(file) not in known]
    return [path.relative_to(common) for path in found if path != common and not _holds_named(path, known)]


def _is_ct(path: Path) -> bool:
    is_file = path.is_file() and reading.is_readable(path) and not is_picture(path) and not is_dicom(path)
    return is_file and case_name(path) != MASK_STEM


def _holds_named(path: Path, known: set[str]) -> bool:
    """Whether a DICOM folder holds a study that is named by a folder or file below it."""
    below = os.path.realpath(path) + os.sep
    return path.is_dir() and any(one.startswith(below) for one in known)
