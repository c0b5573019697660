"""The process that does the jobs: `python -m pneumoseg.evaluation.jobs.worker OPTIONS`, started by the supervisor.

It reads what strangers uploaded, so that it has no network; it ends with the process that started it.
"""

import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key, read_or_make_key
from pneumoseg.evaluation.jobs.job import Job
from pneumoseg.evaluation.jobs.model_entry import ModelEntry
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.pipeline.runtime.processes import end_with_parent

POLL_S = 0.2
KEY = "identities.key"
LOCKS = "workers"


@dataclass(frozen=True)
class WorkerOptions:
    """Of one worker: the `folder` of jobs, its `name`, the number of the process that started it, the `models`,
    whether identities in DICOM and NIfTI stay, and of networks the `threads`."""

    folder: str
    name: str
    parent: int
    models: tuple[ModelEntry, ...] = ()
    keep_identity: bool = False
    threads: int | None = None

    def to_json(self) -> str:
        """As text, for the command line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "WorkerOptions":
        """From text that `to_json` wrote."""
        content = json.loads(text)
        models = tuple(map(ModelEntry.from_dict, content["models"]))
        return cls(**(content | {"models": models}))


def run(options: WorkerOptions, prepare: Callable[[WorkerOptions, JobStore], Callable[[Job], None]]) -> None:
    """Does the jobs of the folder, one after another, without end. `prepare`: gives what does one job."""
    begin(options)
    with lock_of(Path(options.folder), options.name), JobStore(options.folder) as store:
        do = prepare(options, store)
        while True:
            job = store.claim(options.name)
            if job is None:
                time.sleep(POLL_S)
            else:
                do(job)


def begin(options: WorkerOptions) -> None:
    """Makes this process one that may read uploads: without network, ending with the one that started it."""
    from pneumoseg.evaluation.jobs.isolation import isolate

    end_with_parent(options.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which ends this process
    os.umask(0o077)
    isolate()


def key_of(options: WorkerOptions) -> Key | None:
    """The key that identities are replaced with, None where they stay; made where there is none yet."""
    return None if options.keep_identity else read_or_make_key(Path(options.folder) / KEY)[0]


def lock_of(folder: Path, name: str) -> FileLock:
    """The lock that a worker holds as long as it lives."""
    place = folder / LOCKS
    place.mkdir(exist_ok=True)
    return FileLock(place / f"{name}.lock", timeout=0)


def with_models(options: WorkerOptions, store: JobStore) -> Callable[[Job], None]:
    """What does jobs with the real models; TensorFlow and the rest are imported now, before the first job."""
    import pneumoseg.data_io.formats.dicom.results.source
    import pneumoseg.evaluation.inference.dicom_results
    import pneumoseg.evaluation.jobs.dicom_intake
    import pneumoseg.evaluation.jobs.segmentation
    import pneumoseg.pipeline.prediction.predictor  # noqa: F401
    from pneumoseg.evaluation.jobs.open_models import OpenModels, open_model
    from pneumoseg.evaluation.jobs.work import Workplace, do

    entries = {entry.name: entry for entry in options.models}
    opened = OpenModels(entries, functools.partial(open_model, threads=options.threads))
    return functools.partial(do, place=Workplace(store, options.name, opened, key_of(options), options.threads))


def main() -> None:
    """Runs a worker; the options are the one argument."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run(WorkerOptions.from_json(sys.argv[1]), with_models)


if __name__ == "__main__":
    main()
