"""Folder trees de-identified: every file is released under a clean name, or held back for a reason that is reported."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.instance import HeldBackError, Released, deidentify_instance
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.sources import Source, UnreadableError, sources_of
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES, INDEX_CLASS, is_head
from pneumoseg.data_io.formats.nifti_privacy import NotNiftiError, write_without_identity
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced
from pneumoseg.data_io.storage.csv_rows import write_rows

REPORT = "deidentification.csv"
COUNTS = ("kept", "emptied", "removed", "replaced", "uids", "dates_shifted")
COLUMNS = ("input", "output", "held_back", *COUNTS)
EMPTY, INDEX, OTHER = "an empty file", "a list of a medium's files (DICOMDIR)", "neither DICOM nor NIfTI"
UNREADABLE, DAMAGED_NIFTI = "the file cannot be read", "a NIfTI file that is damaged, or a pair of files"
CASE_FILES = frozenset(
    {"imaging", "segmentation", "valid", "image", "mask", "label", "ct", "lung_mask", "infection_mask"}
)
"""Names of NIfTI files that say what they hold, and no more: kept."""

Mapped = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class _Job:
    number: int
    source: Source
    target: Path
    key: Key
    options: Options


@dataclass(frozen=True)
class _Outcome:
    """What became of the file `number` of `folder`: where it belongs (of a NIfTI file, its name), or the reason why it
    is held back."""

    number: int
    folder: str
    target: Path
    released: Released | None = None
    nifti: str | None = None
    reason: str = ""


def deidentify_tree(
    source: Path, output: Path, *, key: Key, options: Options, overwrite: bool = False, mapped: Mapped = map
) -> list[dict[str, Any]]:
    """De-identifies all files of `source` (a folder tree, one file or a zip archive) to the new folder `output`, which
    appears whole or not at all, and gives its report, one row a file.

    DICOM files become PATIENT/STUDY/SERIES/NUMBER.dcm. NIfTI files become PATIENT/NAME.nii.gz where DICOM files of one
    patient lie beside or below them, else FOLDER/NAME.nii.gz. All names are pseudonyms and numbers; all else is held
    back. deidentification.csv is the report: files are named by their number in the order of
    their paths. `mapped`: calls a function with each item, as `map` does; another one may spread the calls over
    processes. Raises InputError where one folder lies in the other, where `output` exists, unless `overwrite` and it is
    such a folder, and as `sources_of`.
    """
    check_folders(source, output, overwrite=overwrite)
    sources = sources_of(source)
    if not sources:
        raise InputError(f"{source}: holds no file; give a folder with DICOM files")
    with folder_aside(output) as aside:
        made, staged = aside / output.name, aside / "staged"
        made.mkdir()
        staged.mkdir()
        jobs = (_Job(number, one, staged / str(number), key, options) for number, one in enumerate(sources, start=1))
        outcomes = list(track(mapped(_deidentify, jobs), "de-identifying", len(sources)))
        names = _names(outcomes, key)
        for outcome in outcomes:
            if outcome.number in names:
                target = made / names[outcome.number]
                target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(outcome.target, target)
        report = _report(outcomes, names)
        write_rows(made / REPORT, COLUMNS, [list(row.values()) for row in report])
        staged.rmdir()
        replace_folder(made, output)
    _say(report)
    return report


def check_folders(source: Path, output: Path, *, overwrite: bool = False) -> None:
    """Raises InputError where `output` is not free, or lies in `source`, or `source` in it."""
    inside, outside = source.resolve(), output.resolve()
    if outside.is_relative_to(inside) or inside.is_relative_to(outside):
        raise InputError(
            f"{output}: the output must lie outside the input and the input outside the output, found {source} as the "
            "input; choose another folder"
        )
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise InputError(f"{output}: the output is a folder, found something else; choose another name")
    restore_replaced(output)
    if not output.exists() or not any(output.iterdir()):
        return
    if not (output / REPORT).is_file():
        raise InputError(f"{output}: holds files of another kind ({REPORT} is missing); choose another folder")
    if not overwrite:
        message = f"{output}: holds de-identified files already; choose another folder or overwrite it"
        raise InputError(message, options=("overwrite",))


def _deidentify(job: _Job) -> _Outcome:
    """Called in any process: writes one file to its place in the staging folder."""
    folder = job.source.folder
    try:
        with job.source.opened() as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            if not head:
                raise HeldBackError(EMPTY)
            if INDEX_CLASS in head:
                raise HeldBackError(INDEX)
            if is_head(head):
                released = deidentify_instance(file, folder, job.target, key=job.key, options=job.options)
                return _Outcome(job.number, folder, job.target, released=released)
            return _Outcome(job.number, folder, job.target, nifti=_nifti(file, job))
    except (HeldBackError, UnreadableError) as error:
        job.target.unlink(missing_ok=True)
        return _Outcome(job.number, folder, job.target, reason=str(error) or UNREADABLE)


def _nifti(file, job: _Job) -> str:
    """Writes a NIfTI file; gives the name that it may have."""
    name = job.source.name.lower()
    suffix = next((end for end in (".nii.gz", ".nii") if name.endswith(end)), None)
    if suffix is None:
        raise HeldBackError(OTHER)
    try:
        write_without_identity(file, job.target, zipped=suffix == ".nii.gz")
    except NotNiftiError as error:
        raise HeldBackError(DAMAGED_NIFTI) from error
    stem = name.removesuffix(suffix)
    return f"{stem if stem in CASE_FILES else f'{job.number:06d}'}{suffix}"


def _names(outcomes: list[_Outcome], key: Key) -> dict[int, str]:
    """The path below the output of each file that is released: numbers count within a series, by InstanceNumber."""
    names: dict[int, str] = {}
    series: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for outcome in outcomes:
        if one := outcome.released:
            series.setdefault((one.patient, one.study, one.series), []).append((one.number, outcome.number))
    for (patient, study, of_series), members in series.items():
        folder = f"{patient}/study-{_short(study)}/series-{_short(of_series)}"
        for place, (_, number) in enumerate(sorted(members), start=1):
            names[number] = f"{folder}/{place:05d}.dcm"
    patients = _patients(outcomes)
    taken = set()
    for outcome in outcomes:
        if outcome.nifti:
            folder = patients.get(outcome.folder) or key.pseudonym("folder", outcome.folder)
            name = f"{folder}/{outcome.nifti}"
            if name in taken:  # names that differ in capitals alone, or masks of several studies
                name = f"{folder}/{outcome.number:06d}-{outcome.nifti}"
            taken.add(name)
            names[outcome.number] = name
    return names


def _patients(outcomes: list[_Outcome]) -> dict[str, str]:
    """The patient of each folder in and below which there are DICOM files of one alone: masks beside belong to it."""
    found: dict[str, set[str]] = {}
    for outcome in outcomes:
        if outcome.released:
            parts = outcome.folder.split("/")
            for count in range(1, len(parts) + 1):
                found.setdefault("/".join(parts[:count]), set()).add(outcome.released.patient)
    return {folder: next(iter(patients)) for folder, patients in found.items() if len(patients) == 1 and folder}


def _short(uid: str) -> str:
    """Ten letters and digits that stand for a UID in the names of folders."""
    return hashlib.sha256(uid.encode()).hexdigest()[:10]


def _report(outcomes: list[_Outcome], names: dict[int, str]) -> list[dict[str, Any]]:
    rows = []
    for outcome in outcomes:
        counts = outcome.released.counts if outcome.released else {}
        rows.append(
            {
                "input": outcome.number,
                "output": names.get(outcome.number, ""),
                "held_back": outcome.reason,
                **{name: counts.get(name, 0) if outcome.released else None for name in COUNTS},
            }
        )
    return rows


def _say(report: list[dict[str, Any]]) -> None:
    for reason, count in reasons_of(report).items():
        log.warning("%d %s held back: %s", count, "file" if count == 1 else "files", reason)


def reasons_of(report: list[dict[str, Any]]) -> Counter[str]:
    """How many files are held back for which reason."""
    return Counter(row["held_back"] for row in report if row["held_back"])
