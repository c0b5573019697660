"""A table of patients (number, path of the CT, COVID-19 yes or no, score) against the headers of the DICOM files.

Columns: `patient`, `path` (of the study, relative to the folder), `covid` (yes or no), `score` (0 to 100) and, where
the headers hold another number than `patient`, `reference`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.formats.dicom.studies import Studies
from pneumoseg.data_io.storage.csv_files import read_cells
from pneumoseg.data_io.storage.file_names import name_as_text

COLUMNS = ("patient", "path", "covid", "score")
REFERENCE = "reference"
YES, NO = ("yes", "1", "true"), ("no", "0", "false")
SCORES = (0.0, 100.0)


@dataclass(frozen=True)
class Finding:
    """What is wrong with one cell: its row in the file (the header is row 1; 0 where no row is to blame), column and
    value, `problem` (missing, doubled, unknown, contradicting, invalid) and a sentence."""

    row: int
    column: str
    value: str
    problem: str
    message: str


def check_reference_tag(keyword: str) -> str:
    """The DICOM keyword itself. Raises InputError where there is none of that name."""
    from pydicom.datadict import keyword_dict, tag_for_keyword

    if not keyword or tag_for_keyword(keyword) is None:
        hint = nearest(keyword, list(keyword_dict)) if keyword else ""
        raise InputError(f"an attribute is named by its DICOM keyword, found {keyword!r}{hint}")
    return keyword


def check_table(
    path: str | Path, studies: Studies, to_segment: Collection[int], reference_tag: str = "PatientID"
) -> list[Finding]:
    """What is wrong with the table at `path`, row by row, then the studies that no row names.

    `studies`: of the folder that the paths are relative to, with the values of `reference_tag`; `to_segment`: those
    with a series to segment. Raises InputError where the file is no CSV with the columns `patient`, `path`, `covid`
    and `score`.
    """
    header, *cells = read_cells(path, unique_columns=True)
    names = [name.strip().lower() for name in header]
    if lacking := [name for name in COLUMNS if name not in names]:
        raise InputError(
            f"{path}: a table has the columns {', '.join(COLUMNS)} and, if need be, {REFERENCE}, separated by commas, "
            f"found {', '.join(header)}; add {', '.join(lacking)}"
        )
    rows = [dict(zip(names, (cell.strip() for cell in row), strict=True)) for row in cells]
    studies_at = _studies_at(studies)
    named = [studies_at.get(_place_of(row["path"]), []) if row["path"] else [] for row in rows]
    findings = []
    earlier: dict[object, int] = {}
    for number, (row, found) in enumerate(zip(rows, named, strict=True), start=2):
        told = [*_values(row), *_place(row["path"], found, to_segment), *_reference(row, found, studies, reference_tag)]
        if row["path"] and (first := earlier.setdefault(tuple(found) or row["path"], number)) != number:
            told.append(("path", row["path"], "doubled", f"row {first} names the same study"))
        findings += [Finding(number, *one) for one in told]
    return findings + _patients(rows, named, studies) + _unnamed(named, studies)


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row per finding."""
    columns = list(Finding.__dataclass_fields__)
    return pd.DataFrame([[getattr(one, name) for name in columns] for one in findings], columns=columns)


Told = tuple[str, str, str, str]
"""Column, value, problem and message."""


def _values(row: Mapping[str, str]) -> list[Told]:
    told = [(name, "", "missing", "the cell is empty") for name in ("patient", "path", "covid") if not row[name]]
    covid, score = row["covid"].lower(), row["score"]
    if covid and covid not in (*YES, *NO):
        told.append(("covid", row["covid"], "invalid", "must be yes or no"))
    if not score and covid in YES:
        told.append(("score", "", "missing", "a patient with COVID-19 needs a score"))
    if score and not _is_score(score):
        told.append(("score", score, "invalid", "must be a number from 0 to 100"))
    return told


def _is_score(text: str) -> bool:
    try:
        return SCORES[0] <= float(text) <= SCORES[1]
    except ValueError:
        return False


def _studies_at(studies: Studies) -> dict[PurePosixPath, list[int]]:
    """The studies in or below each folder, relative to the tree."""
    every: dict[PurePosixPath, list[int]] = {}
    for one in studies.series:
        for folder in map(_folder, one.folders):
            for place in (folder, *folder.parents):
                if one.study not in every.setdefault(place, []):
                    every[place].append(one.study)
    return every


def _folder(path: Path) -> PurePosixPath:
    return PurePosixPath(name_as_text(path.as_posix()))


def _place_of(text: str) -> PurePosixPath:
    return PurePosixPath(text.replace("\\", "/"))


def _place(path: str, found: Sequence[int], to_segment: Collection[int]) -> list[Told]:
    if not path:
        return []
    if not found:
        return [("path", path, "missing", "no folder with DICOM files is there")]
    if len(found) > 1:
        return [("path", path, "contradicting", f"{len(found)} studies are there; name the folder of one")]
    if found[0] not in to_segment:
        return [("path", path, "missing", "the study has no CT that can be segmented")]
    return []


def _reference(row: Mapping[str, str], found: Sequence[int], studies: Studies, tag: str) -> list[Told]:
    column = REFERENCE if REFERENCE in row else "patient"
    value = row[column]
    if len(found) != 1 or (not value and column == "patient"):
        return []
    if not value:
        return [(column, "", "missing", "the cell is empty")]
    told = {one.ids[tag] for one in studies.series if one.study == found[0]}
    if told == {""}:
        return [(column, value, "unknown", f"{tag} is empty in the headers")]
    if value not in told:
        return [(column, value, "contradicting", f"{tag} in the headers is another one")]
    return []


def _patients(rows: Sequence[Mapping[str, str]], named: Sequence[list[int]], studies: Studies) -> list[Finding]:
    """Rows of one patient whose headers are of several, and the other way round."""
    of_study = {one.study: one.patient for one in studies.series}
    findings = []
    numbers: dict[str, tuple[int, int]] = {}
    names: dict[int, tuple[str, int]] = {}
    for number, (row, found) in enumerate(zip(rows, named, strict=True), start=2):
        if len(found) != 1 or not row["patient"]:
            continue
        name, patient = row["patient"], of_study[found[0]]
        before, earlier = numbers.setdefault(name, (patient, number))
        if before != patient:
            message = f"row {earlier} has the same patient, but its headers another one"
            findings.append(Finding(number, "patient", name, "contradicting", message))
        called, earlier = names.setdefault(patient, (name, number))
        if called != name:
            message = f"row {earlier} has another patient, but its headers the same one"
            findings.append(Finding(number, "patient", name, "contradicting", message))
    return findings


def _unnamed(named: Sequence[list[int]], studies: Studies) -> list[Finding]:
    known = {number for found in named for number in found}
    missing = {one.study: str(_folder(one.folders[0])) for one in studies.series if one.study not in known}
    return [Finding(0, "path", path, "unknown", "the study is in no row of the table") for path in missing.values()]
