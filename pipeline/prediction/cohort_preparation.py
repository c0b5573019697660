"""From a table of studies to a cohort file: every CT prepared, checked and stored.

Finished studies wait in a hidden folder beside the cohort file, each as a cohort file of its own, named by the hash of
the CT's files; so an interrupted preparation goes on where it stopped. The folder is removed when all is written.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pneumoseg.data_io.console import listed, log, track
from pneumoseg.data_io.datasets.cohort_file import SUFFIXES, CohortEntry, read_header, read_study, write_cohort
from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.dicom.series import is_dicom
from pneumoseg.pipeline.prediction.lung_masks import lung_mask_of, with_model
from pneumoseg.pipeline.preprocessing.study_preparation import LungMask, prepare_study
from pneumoseg.pipeline.settings.preparation import PreparationSettings

Stored = tuple[Path, int]
"""A cohort file and the index of a study in it."""


@dataclass(frozen=True)
class Finding:
    """What became of one row: the study's `entry`, None where it could not be prepared; `problem`: why it is not valid,
    "" where it is; `kept`: whether it is in the cohort file."""

    row: CohortRow
    entry: CohortEntry | None
    problem: str
    kept: bool


class CohortRefused(InputError):
    """A cohort that is not written. `findings`: what became of each row, none of which is kept."""

    def __init__(self, error: InputError, findings: Sequence[Finding]) -> None:
        """The error, with the findings beside it."""
        super().__init__(str(error), options=error.options)
        contradictions = _contradictions(findings)
        problems = [one.problem or contradictions.get(one.row.name, "") for one in findings]
        self.findings = tuple(
            replace(one, problem=problem, kept=False) for one, problem in zip(findings, problems, strict=True)
        )


def prepare_cohort(
    table: CohortTable,
    output: str | Path,
    settings: PreparationSettings,
    *,
    exclude_invalid: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[Finding, ...]:
    """Prepares every study of the table and writes the cohort file `output`, whole or not at all.

    Studies that are not valid, those that do not show the whole lungs or are in expiration, are kept with a warning, or
    with `exclude_invalid` left out, as are then those without lungs and CTs that cannot be read. `resume`: takes what
    an interrupted call finished, and what is in `output` already.

    Raises InputError where `output` has not the ending of a cohort file, or exists, unless `resume` or `overwrite`,
    or where it or the finished studies were made with other settings. Raises CohortRefused, which tells what was found
    of each row, for a CT that cannot be read or shows no lungs, unless `exclude_invalid`; where none is left; and for
    two rows of one CT, found by its content, with different labels.
    """
    output = Path(output)
    _check_output(output, resume=resume, overwrite=overwrite)
    settings = with_model(settings)
    lungs_of = lung_mask_of(settings)
    parts = output.with_name(f".{output.name}.parts")
    if not resume and parts.exists():
        _discard(parts, output, overwrite=overwrite)
    finished: dict[str, tuple[CohortEntry, Stored]] = {}
    for path in (output, *sorted(parts.glob("*.h5"))) if resume else ():
        finished |= _finished(path, settings) if path.is_file() else {}
    prepared: list[tuple[CohortRow, CohortEntry | None, str, Stored | None]] = []
    for row in track(table, "studies", total=len(table)):
        try:
            entry, stored = _study(row, parts, settings, lungs_of=lungs_of, finished=finished)
            finished[entry.source] = entry, stored
            prepared.append((row, entry, entry.problem, stored))
        except InputError as error:
            prepared.append((row, None, str(error), None))
    findings = tuple(
        Finding(row, entry, problem, entry is not None and not (problem and exclude_invalid))
        for row, entry, problem, _ in prepared
    )
    try:
        _report(findings, exclude_invalid)
        _check_labels(findings)
    except InputError as error:
        raise CohortRefused(error, findings) from error
    kept = [(one.entry, stored) for one, (*_, stored) in zip(findings, prepared, strict=True) if one.kept]
    write_cohort(
        output,
        [entry for entry, _ in kept if entry is not None],
        (read_study(*stored) for _, stored in kept if stored is not None),
        shape=settings.shape,
        preparation=settings.model_dump(mode="json"),
    )
    shutil.rmtree(parts, ignore_errors=True)
    return findings


def _check_output(output: Path, *, resume: bool, overwrite: bool) -> None:
    if output.is_dir():
        raise InputError(f"{output}: a cohort is written to a file, found a folder; choose another name")
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(f"{output}: the name of a cohort file ends in {' or '.join(SUFFIXES)}; add {SUFFIXES[0]}")
    if output.exists() and not (resume or overwrite):
        message = f"{output}: exists already; choose another name, resume it or overwrite it"
        raise InputError(message, options=("resume", "overwrite"))


def _discard(parts: Path, output: Path, *, overwrite: bool) -> None:
    """Removes what an interrupted preparation finished. Raises InputError where that is not asked for."""
    if (count := len(list(parts.glob("*.h5")))) and not overwrite:
        raise InputError(
            f"{output}: an interrupted preparation finished {count} studies; resume it to keep them, or overwrite them",
            options=("resume", "overwrite"),
        )
    shutil.rmtree(parts)


def _finished(path: Path, settings: PreparationSettings) -> dict[str, tuple[CohortEntry, Stored]]:
    """The studies of a cohort file by the hash of their CTs' files. Raises InputError for other settings."""
    header = read_header(path)
    wanted = settings.model_dump(mode="json")
    if header.preparation != wanted:
        differing = [name for name in wanted if header.preparation.get(name) != wanted[name]]
        was = ", ".join(f"{name} {json.dumps(header.preparation.get(name))}" for name in differing)
        now = ", ".join(f"{name} {json.dumps(wanted[name])}" for name in differing)
        raise InputError(
            f"{path}: was prepared with other settings, {was or 'further ones'}, needed are {now or 'none of these'}; "
            "give the same settings, or overwrite it",
            options=("overwrite",),
        )
    return {entry.source: (entry, (path, index)) for index, entry in enumerate(header.entries)}


def _study(
    row: CohortRow,
    parts: Path,
    settings: PreparationSettings,
    *,
    lungs_of: LungMask,
    finished: dict[str, tuple[CohortEntry, Stored]],
) -> tuple[CohortEntry, Stored]:
    """The row's study, prepared now or before."""
    ct = _ct_of(row.path)
    with _naming(ct):
        source = sha256_of(ct)
    known = finished.get(source)
    if known is None:
        with _naming(ct):
            study = prepare_study(reading.open_scan(ct), settings, lungs_of)
        if not study.has_lungs:
            raise InputError(f"{row.path}: no lungs were found; is it a chest CT in HU?")
        entry = _entry(
            row,
            source=source,
            content=study.content,
            lung_ml=study.lung_ml,
            lung_mean_hu=study.lung_mean_hu,
            slices=study.slices,
            spacing_mm=study.spacing_mm,
            problem="; ".join(study.problems),
        )
        preparation = settings.model_dump(mode="json")
        part = parts / f"{source}.h5"
        write_cohort(part, [entry], [(study.image, study.lungs)], shape=settings.shape, preparation=preparation)
        known = entry, (part, 0)
    entry, stored = known
    return replace(entry, name=row.name, patient=row.patient, diseased=row.diseased, score=row.score), stored


def _entry(row: CohortRow, **measured) -> CohortEntry:
    return CohortEntry(name=row.name, patient=row.patient, diseased=row.diseased, score=row.score, **measured)


@contextmanager
def _naming(ct: Path) -> Iterator[None]:
    """Puts the CT's path before the InputError of what is done within, unless it names it; a CT that the system cannot
    read is an InputError, too."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{ct}: cannot be read ({error.strerror or error}); copy it again") from error
    except InputError as error:
        known = str(ct) in str(error)
        raise InputError(str(error) if known else f"{ct}: {error}", options=error.options) from error


def _ct_of(path: Path) -> Path:
    """The CT at a path: itself, or the one in or below a folder that is no DICOM series."""
    if path.is_file() or is_dicom(path):
        return path
    found = list(find_inputs([path]).values())
    if len(found) != 1:
        raise InputError(f"{path}: a study is one CT, found {len(found)}: {listed([one.name for one in found])}")
    return found[0]


def _report(findings: Sequence[Finding], exclude_invalid: bool) -> None:
    """Warns of studies that are not valid; raises InputError for those that could not be prepared, unless they are left
    out, and where none is left."""
    invalid = [f"{one.row.name} ({one.problem})" for one in findings if one.problem and one.entry is not None]
    failed = [f"{one.row.name} ({one.problem})" for one in findings if one.entry is None]
    if failed and not exclude_invalid:
        raise InputError(
            f"{len(failed)} of {len(findings)} studies cannot be prepared: {listed(failed)}; correct them, "
            "or leave out what is not valid, and resume",
            options=("resume", "exclude_invalid"),
        )
    if not any(one.kept for one in findings):
        raise InputError(f"no study of {len(findings)} is left: {listed(invalid + failed)}; correct the table")
    if invalid or failed:
        what = "left out" if exclude_invalid else "kept; leave them out with --exclude-invalid"
        log.warning("%d studies are not valid (%s): %s", len(invalid + failed), what, listed(invalid + failed))


def _check_labels(findings: Sequence[Finding]) -> None:
    """Raises InputError for one CT under two names with different labels."""
    if contradictions := _contradictions(findings):
        name, problem = next(iter(contradictions.items()))
        raise InputError(f"study {name} is {problem}; correct the table")


def _contradictions(findings: Sequence[Finding]) -> dict[str, str]:
    """What is wrong with studies whose CT has another label under an earlier name, by their names."""
    first: dict[str, CohortEntry] = {}
    found = {}
    for entry in (one.entry for one in findings if one.kept and one.entry is not None):
        if entry.diseased is None:
            continue
        before = first.setdefault(entry.content, entry)
        if before.diseased != entry.diseased:
            found[entry.name] = f"one and the same CT as {before.name}, but they have different labels"
    return found
