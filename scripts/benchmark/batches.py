"""Training batches against MIScnn 1.4.0: the same CTs, patches, batch size, transforms and probabilities.

    python scripts/benchmark/batches.py WORK --json batches.json [--skip miscnn] [--repeats 3]

WORK is a folder for what is made once: two phantom CTs of 512 x 512 x 301 voxels of 0.7 x 0.7 x 1.0 mm with masks, the
prepared cases, and the environment of MIScnn 1.4.0. Patches per CPU second of one process with one thread, after one
batch that is not counted; preparing the cases and loading programs are not counted either. Patches per second by number
of worker processes is wall-clock. Both programs take turns, medians over the repeats.
"""

import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.machine import report

SPACING_MM = (0.7, 0.7, 1.0)
SLICES, CASES = 301, 2
BATCHES, BATCHES_ALL_FIRING = 40, 5
WORKERS = (1, 2)


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for CTs, prepared cases and environments.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="miscnn or workers; may be repeated.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 3,
) -> None:
    """Measures how fast pneumoseg and MIScnn make training batches."""
    from pneumoseg.pipeline.runtime.executors import reusable_processes

    work = work.resolve()
    skip = skip or []
    data = cts_with_masks(work)
    measured: dict[str, list[dict[str, float]]] = {"pneumoseg": [], "miscnn": []}
    for seed in range(repeats):
        alone = reusable_processes(1)
        measured["pneumoseg"].append(alone.submit(_pneumoseg, work, seed).result())
        alone.shutdown()
        if "miscnn" not in skip:
            measured["miscnn"].append(_miscnn(data, work, seed))
    figures: dict[str, dict] = {
        program: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        for program, rounds in measured.items()
        if rounds
    }
    if "workers" not in skip:
        figures["pneumoseg"]["patches_per_second_by_workers"] = {
            str(workers): statistics.median(_by_workers(work, seed, workers) for seed in range(repeats))
            for workers in WORKERS
        }
    report(figures, json_file)


def _pneumoseg(work: Path, seed: int) -> dict[str, float]:
    from pneumoseg.pipeline.sampling import batches
    from pneumoseg.pipeline.settings.loading import load_settings

    figures = {}
    for name, probability, count in (
        ("patches_per_second_per_core", 0.15, 4 * BATCHES),
        ("patches_per_second_per_core_all_firing", 1.0, 4 * BATCHES_ALL_FIRING),
    ):
        settings = load_settings("covid-3d-unet", [f"seed={seed}", f"augmentation.probability={probability}"])
        cases = prepared_cases(work, settings)
        batches.make_batch(cases, settings, 0, step=0)
        started = time.process_time()
        for step in range(1, count + 1):
            batches.make_batch(cases, settings, 0, step=step)
        figures[name] = settings.patches.batch * count / (time.process_time() - started)
    return figures


def _by_workers(work: Path, seed: int, workers: int) -> float:
    """Patches per second that reach this process, from the third batch of each worker on."""
    from pneumoseg.pipeline.sampling import batches
    from pneumoseg.pipeline.settings.loading import load_settings

    first = 3 * workers
    settings = load_settings("covid-3d-unet", [f"seed={seed}", f"training.steps_per_epoch={first + BATCHES}"])
    cases = prepared_cases(work, settings)
    made = batches.training_batches(cases, settings, 0, workers=workers)
    for _ in range(first):
        next(made)
    started = time.perf_counter()
    count = sum(len(batch.images) for batch in made)
    return count / (time.perf_counter() - started)


def _miscnn(data: Path, work: Path, seed: int) -> dict[str, float]:
    from pneumoseg.pipeline.methods.miscnn.environment import environment
    from pneumoseg.pipeline.runtime.executors import ONE_THREAD

    script = Path(__file__).with_name("miscnn_batches.py")
    command = [environment(work / "miscnn"), script, data, seed, BATCHES, BATCHES_ALL_FIRING]
    variables = os.environ | ONE_THREAD | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True, env=variables)
    return json.loads(done.stdout.strip().splitlines()[-1])


def prepared_cases(work: Path, settings):
    """The phantom CTs, preprocessed as the settings say."""
    from pneumoseg.data_io.datasets.dataset import Case
    from pneumoseg.pipeline.preprocessing.case_store import CaseStore
    from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor

    store = CaseStore(work / "batches_store", Preprocessor(settings.preprocessing), settings.labels.table)
    folders = sorted(cts_with_masks(work).iterdir())
    return [
        store.get(Case(folder.name, folder / "imaging.nii.gz", folder / "segmentation.nii.gz", folder.name))
        for folder in folders
    ]


def cts_with_masks(work: Path) -> Path:
    """The folder of the phantom CTs, drawn at half the resolution in the slice and doubled."""
    data = work / f"batches_data_{SLICES}"
    for index in range(CASES):
        folder = data / f"phantom_{index}"
        if not (folder / "segmentation.nii.gz").is_file():
            import nibabel as nib
            import numpy as np

            from pneumoseg.data_io.phantoms.generate import make_phantom

            folder.mkdir(parents=True, exist_ok=True)
            image, labels = make_phantom(seed=1, index=index, shape=(256, 256, SLICES))
            for name, volume in (("imaging", image), ("segmentation", labels)):
                large = volume.array.repeat(2, axis=0).repeat(2, axis=1)
                nib.save(nib.Nifti1Image(large, np.diag([*SPACING_MM, 1.0])), folder / f"{name}.nii.gz")
    return data


if __name__ == "__main__":
    typer.run(benchmark)
