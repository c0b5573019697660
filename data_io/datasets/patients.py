"""Which patient a case is of, and where it comes from."""

import csv
import re
from collections.abc import Collection
from pathlib import Path

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.errors import InputError

PATIENTS_FILE = "patients.csv"
RADIOPAEDIA_SCAN = re.compile(r"(radiopaedia_\d+)_\d+_\d+")


def patient_of(name: str) -> str:
    """The patient of a case name: `radiopaedia_10` for `radiopaedia_10_85902_1`, else the name itself."""
    match = RADIOPAEDIA_SCAN.fullmatch(name)
    return match[1] if match else name


def source_of(name: str) -> str:
    """Where a case comes from: the letters that begin its name ("coronacases" for `coronacases_001`), or ""."""
    match = re.match(r"[A-Za-z]+", name)
    return match[0] if match else ""


def patients_of(root: Path, names: Collection[str]) -> dict[str, str]:
    """The patient of each case name: as `patients.csv` (columns case,patient) in `root` says, else by the name.

    Raises InputError for a file without these columns, and where its cases are not just those of `names`.
    """
    path = root / PATIENTS_FILE
    if not path.is_file():
        return {name: patient_of(name) for name in names}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows = [(row.get("case"), row.get("patient")) for row in table]
            columns = table.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table ({error})") from error
    if "case" not in columns or "patient" not in columns:
        raise InputError(f"{path}: the columns must be case,patient, found {','.join(columns)}")
    patients: dict[str, str] = {}
    for number, (case, patient) in enumerate(rows, start=2):
        if not case or not patient:
            raise InputError(f"{path}: line {number} needs a case and a patient, found {case!r} and {patient!r}")
        if case in patients:
            raise InputError(f"{path}: case {case} is named twice; keep one line")
        patients[case] = patient
    known = set(names)
    if unknown := sorted(patients.keys() - known):
        raise InputError(f"{path}: no such case in {root}: {listed(unknown)}; correct or remove the lines")
    if lacking := sorted(known - patients.keys()):
        raise InputError(f"{path}: no patient for {listed(lacking)}; add a line for each case")
    return patients
