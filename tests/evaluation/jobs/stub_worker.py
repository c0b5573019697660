"""A worker whose jobs do what their upload says: for tests of what happens around the work, without networks."""

import sys
import time

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.job import ResultFile
from pneumoseg.evaluation.jobs.store import UPLOAD
from pneumoseg.evaluation.jobs.worker import WorkerOptions, run


def stub(options, store):
    def do(job):
        folder = store.folder_of(job.id)
        kind, _, argument = (folder / UPLOAD / "0").read_text().partition(" ")
        with open(folder / "began", "a", encoding="ascii") as began:
            began.write(f"{options.name}\n")
        made = folder / f"made-{options.name}"
        made.mkdir()
        until = time.monotonic() + float(argument or 0)
        hoard = b"1" * (300 << 20) if kind == "hoard" else None
        while time.monotonic() < until:
            if not store.report(job.id, options.name, stage="sleeping", progress=0.5) and kind != "deaf":
                store.release(options.name)
                return
            time.sleep(0.05)
        if kind == "die":
            sys.exit(3)
        if kind == "fail":
            store.fail(job.id, options.name, f"{InputError('Bad.')}")
            return
        (made / "mask.nii.gz").write_bytes(job.name.encode())
        store.finish(job.id, options.name, made, [ResultFile("mask.nii.gz", "Mask", "application/gzip", 1)])
        del hoard

    return do


if __name__ == "__main__":
    run(WorkerOptions.from_json(sys.argv[1]), stub)
