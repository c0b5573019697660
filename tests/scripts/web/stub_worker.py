"""A worker without networks: the mask of a job is what was uploaded, after as many seconds as its last line says."""

import sys
import time

from pneumoseg.evaluation.jobs.job import ResultFile
from pneumoseg.evaluation.jobs.worker import WorkerOptions, run


def stub(options, store):
    def do(job):
        folder = store.folder_of(job.id)
        uploaded = (folder / "upload" / "0000").read_bytes()
        until = time.monotonic() + float(uploaded.splitlines()[-1])
        with open(folder / "begun", "a", encoding="ascii") as begun:
            begun.write("x")
        while time.monotonic() < until:
            if not store.report(job.id, options.name, stage="segmenting", progress=0.5):
                store.release(options.name)
                return
            time.sleep(0.05)
        with store.arriving() as made:
            (made / "mask.nii.gz").write_bytes(uploaded)
            file = ResultFile("mask.nii.gz", "Mask", "application/gzip", len(uploaded))
            store.finish(job.id, options.name, made, [file])

    return do


if __name__ == "__main__":
    run(WorkerOptions.from_json(sys.argv[1]), stub)
