"""The process that reads uploads as they arrive: `python -m pneumoseg.evaluation.jobs.arrival OPTIONS`, started by
`reception`. It has no network, as the workers have none.

An empty line of its output says that it is ready. Then a line of its input is an order, a line of its output the
answer, both JSON.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.sentences import failure, is_disk_full
from pneumoseg.evaluation.jobs.store import INPUT, JobStore
from pneumoseg.evaluation.jobs.worker import WorkerOptions, begin, key_of, lock_of


@dataclass(frozen=True)
class Answer:
    """Why an upload is refused, by its kind, its content or the full disk, in one sentence; by default it is not."""

    reason: Literal["kind", "content", "disk"] | None = None
    sentence: str = ""

    @classmethod
    def from_json(cls, line: bytes) -> "Answer":
        """From a line of the process."""
        return cls(**json.loads(line))


def order(request: JobRequest, upload: Path) -> bytes:
    """The line that asks for the files in the folder `upload` to be read, for a job of that request."""
    return json.dumps([request.to_json(), f"{upload}"]).encode() + b"\n"


def receive(request: JobRequest, upload: Path, store: JobStore, key: Key | None) -> Answer:
    """Takes in an upload for a segmentation, to `INPUT` beside it; reads one that is a reference.

    A fault of the program is no answer here: the job meets it again, and says where it is.
    """
    try:
        if request.kind == "segmentation":
            from pneumoseg.evaluation.jobs.intake import take_in

            take_in(upload, upload.parent / INPUT, key=key)
        else:
            _read_reference(request, upload, store, key)
    except Exception as error:  # noqa: BLE001  (an upload must not end the process)
        if is_disk_full(error):
            return Answer("disk", failure(error, upload.parent))
        if isinstance(error, InputError | MemoryError):
            kind = isinstance(error, UnknownContentError)
            return Answer("kind" if kind else "content", failure(error, upload.parent))
    return Answer()


def _read_reference(request: JobRequest, upload: Path, store: JobStore, key: Key | None) -> None:
    from pneumoseg.evaluation.jobs.references import read_pair
    from pneumoseg.evaluation.jobs.work import parent_of

    (number,) = request.parents
    parent = parent_of(store, number)
    with tempfile.TemporaryDirectory(dir=upload.parent) as work:
        try:
            read_pair(upload, parent.results, parent.source, work=Path(work), key=key)
        except (InputError, OSError):
            parent_of(store, number)  # says so where it was deleted meanwhile
            raise


def main() -> None:
    """Answers orders until the input ends; the options are the one argument."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)  # what libraries print is no answer, and may name patients
        options = WorkerOptions.from_json(sys.argv[1])
        begin(options)
        import pneumoseg.data_io.formats.reading
        import pneumoseg.evaluation.jobs.dicom_intake
        import pneumoseg.evaluation.jobs.intake  # noqa: F401  (now, not with the first upload)

        key = key_of(options)
        with lock_of(Path(options.folder), options.name), JobStore(options.folder) as store:
            print(file=answers, flush=True)
            for line in sys.stdin:
                request, upload = json.loads(line)
                answer = receive(JobRequest.from_json(request), Path(upload), store, key)
                print(json.dumps(asdict(answer)), file=answers, flush=True)


if __name__ == "__main__":
    main()
