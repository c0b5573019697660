"""Which patient a case is of, where it comes from, and which classes its mask labels."""

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.errors import InputError

PATIENTS_FILE = "patients.csv"
LABELS_PRESENT = "labels_present"
RADIOPAEDIA_SCAN = re.compile(r"(radiopaedia_\d+)_\d+_\d+")


def patient_of(name: str) -> str:
    """The patient of a case name: `radiopaedia_10` for `radiopaedia_10_85902_1`, else the name itself."""
    match = RADIOPAEDIA_SCAN.fullmatch(name)
    return match[1] if match else name


def source_of(name: str) -> str:
    """Where a case comes from: the letters that begin its name ("coronacases" for `coronacases_001`), or ""."""
    match = re.match(r"[A-Za-z]+", name)
    return match[0] if match else ""


@dataclass(frozen=True)
class CaseRow:
    """What is known of a case: its patient, and the names of the classes that its mask labels, none for all."""

    patient: str
    labelled: tuple[str, ...] = ()


def read_case_table(root: Path, names: Collection[str]) -> dict[str, CaseRow]:
    """What `patients.csv` in `root` says of each case name: columns case,patient, and perhaps labels_present with names
    of classes, separated by spaces; an empty cell stands for all classes. Without the file the names tell the patient.

    Raises InputError for a file without these columns or with one of nearly that name, where its cases are not just
    those of `names`, and for a class that is named twice.
    """
    path = root / PATIENTS_FILE
    if not path.is_file():
        return {name: CaseRow(patient_of(name)) for name in names}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lines = list(table)
            columns = table.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table ({error})") from error
    if "case" not in columns or "patient" not in columns:
        raise InputError(f"{path}: the columns must be case,patient, found {','.join(columns)}")
    if LABELS_PRESENT not in columns and (alike := [one for one in columns if one.lower().startswith("label")]):
        raise InputError(f"{path}: the column of the labelled classes is {LABELS_PRESENT}, found {', '.join(alike)}")
    rows: dict[str, CaseRow] = {}
    for number, line in enumerate(lines, start=2):
        case, patient, labelled = line["case"], line["patient"], (line.get(LABELS_PRESENT) or "").split()
        if not case or not patient:
            raise InputError(f"{path}: line {number} needs a case and a patient, found {case!r} and {patient!r}")
        if case in rows:
            raise InputError(f"{path}: case {case} is named twice; keep one line")
        if len(set(labelled)) != len(labelled):
            raise InputError(f"{path}: line {number} names a class twice: {' '.join(labelled)}; keep one")
        rows[case] = CaseRow(patient, tuple(labelled))
    known = set(names)
    if unknown := sorted(rows.keys() - known):
        raise InputError(f"{path}: no such case in {root}: {listed(unknown)}; correct or remove the lines")
    if lacking := sorted(known - rows.keys()):
        raise InputError(f"{path}: no patient for {listed(lacking)}; add a line for each case")
    return rows
