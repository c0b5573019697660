"""What a worker does with a job: takes its upload in, makes its results, and says how it ended."""

import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import listening, log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.evaluation.jobs.intake import TakenIn, take_in
from pneumoseg.evaluation.jobs.job import Job
from pneumoseg.evaluation.jobs.open_models import OpenModels
from pneumoseg.evaluation.jobs.progress import EndedError, Progress
from pneumoseg.evaluation.jobs.results import listed_results
from pneumoseg.evaluation.jobs.sentences import failure, sentence
from pneumoseg.evaluation.jobs.store import INPUT, RESULTS, UPLOAD, JobStore

NO_PARENT = "the job that this one builds on was deleted, or is no finished segmentation"


@dataclass(frozen=True, eq=False)
class Workplace:
    """What the jobs of one worker share: `store`, the worker's name, `models`, the `key` that identities are replaced
    with, None where they stay, and of networks the `threads`."""

    store: JobStore
    worker: str
    models: OpenModels
    key: Key | None
    threads: int | None = None


@dataclass(frozen=True)
class Parent:
    """A finished segmentation that another job builds on: its `results`, its input `source`, what that is, and the name
    of the model that was used."""

    results: Path
    source: Path
    taken: TakenIn
    model: str | None


def do(job: Job, place: Workplace) -> None:
    """Does a job that the worker has claimed. Whatever happens, the job is finished, failed or given back."""
    store, worker = place.store, place.worker
    folder = store.folder_of(job.id)
    made, work = (folder / f"{name}-{worker}" for name in ("made", "work"))
    progress = Progress(lambda stage, share: store.report(job.id, worker, stage=stage, progress=share))
    try:
        for left in (*folder.glob("made-*"), *folder.glob("work-*")):  # of workers that were killed
            shutil.rmtree(left)
        for new in (made, work):
            new.mkdir()
        with listening(progress.hear):
            progress.begin("reading")
            warnings = _make(job, place, made, work, progress)
        shown = [sentence(warning, folder) for warning in dict.fromkeys(warnings)]
        if not store.finish(job.id, worker, made, listed_results(made), warnings=shown):
            store.release(worker)
        shutil.rmtree(folder / UPLOAD, ignore_errors=True)
    except EndedError:
        store.release(worker)
    except Exception as error:  # noqa: BLE001  (a job must not end the worker)
        _say(error)
        if not store.fail(job.id, worker, failure(error, folder)):
            store.release(worker)
    finally:
        for left in (made, work):
            shutil.rmtree(left, ignore_errors=True)


def _make(job: Job, place: Workplace, made: Path, work: Path, progress: Progress) -> list[str]:
    """Makes the results of a job; gives the warnings. Modules that take long to import are imported here."""
    folder = place.store.folder_of(job.id)
    if job.kind == "segmentation":
        from pneumoseg.evaluation.jobs.segmentation import segment

        taken = take_in(folder / UPLOAD, folder / INPUT, key=place.key)
        model = place.models.get(job.request.model, taken.kind)
        place.store.name_model(job.id, place.worker, model.name)
        source = folder / INPUT / taken.path
        return [*taken.warnings, *segment(source, taken, made, model, progress=progress)]
    parents = [parent_of(place.store, number) for number in job.request.parents]
    if job.kind == "scores":
        from pneumoseg.evaluation.jobs.scores import score

        (parent,) = parents
        score(folder / UPLOAD, parent.results, parent.source, made, work=work, key=place.key)
        return []
    from pneumoseg.evaluation.jobs.follow_up import follow_up

    if any(parent.taken.kind != "ct" for parent in parents):
        raise InputError("a follow-up compares two CTs, found a picture")
    first, second = parents
    return follow_up(
        (first.source, second.source),
        (first.results, second.results),
        made,
        model=place.models.entry(first.model) if first.model == second.model else None,
        progress=progress,
        threads=place.threads,
    )


def parent_of(store: JobStore, number: str) -> Parent:
    """The finished segmentation of that id. Raises InputError where there is none."""
    parent = store.get(number)
    if parent is None or parent.kind != "segmentation" or parent.state != "finished":
        raise InputError(NO_PARENT)
    folder = store.folder_of(number)
    try:
        taken = take_in(folder / UPLOAD, folder / INPUT, key=None)
    except FileNotFoundError as error:  # deleted meanwhile
        raise InputError(NO_PARENT) from error
    return Parent(folder / RESULTS, folder / INPUT / taken.path, taken, parent.request.model)


def _say(error: Exception) -> None:
    """Tells the person who runs the server where a fault is; not the error's own words, which may name patients."""
    if isinstance(error, InputError):
        return
    last = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "a job failed: %s in %s, line %s of %s", type(error).__name__, last.name, last.lineno, Path(last.filename)
    )
