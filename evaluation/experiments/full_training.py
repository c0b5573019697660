"""The model for use: fitted on every case, so that nothing is left to measure it on.

A method may hold some of them back to choose the epoch by, as `Segmenter` does with training.monitor validation.
"""

from pathlib import Path

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.evaluation.figures.fitting_curves import draw_history
from pneumoseg.evaluation.runs import run_folder
from pneumoseg.evaluation.runs.run_environment import fingerprints_of
from pneumoseg.pipeline.methods.protocol import Method
from pneumoseg.pipeline.models.model_file import TrainedModel


def train_final_model(
    dataset: Dataset,
    method: Method,
    output: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    start_from: TrainedModel | None = None,
) -> Path:
    """Fits `method` on all cases and returns `output`/model.keras; the folder also gets settings, environment and the
    fitting curve. Raises InputError as `run_folder.open_run`."""
    run_folder.check_flags(resume, overwrite)
    run_folder.check_output(output, resume, overwrite)
    method.prepare(dataset)
    fingerprints = fingerprints_of(dataset)
    start = start_from.sha256 if start_from else None
    run = run_folder.open_run(
        output,
        method.describe(),
        [],
        fingerprints=fingerprints,
        seed=method.seed,
        start_from=start,
        resume=resume,
        overwrite=overwrite,
    )
    with run_folder.logged_to(run.root / "log.txt"), run.writing():
        method.fit(dataset, run.root, resume=resume, start_from=start_from)
        draw_history(run.root)
    return run.root / "model.keras"
