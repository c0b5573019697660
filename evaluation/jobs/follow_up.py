"""The change between the CTs of two finished jobs, and how much of it is noise."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log, warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.comparison import compare
from pneumoseg.evaluation.followup.examination import check_one_patient, read_examination
from pneumoseg.evaluation.followup.output_folder import CONTENT, FIGURE, TABLE, follow_up_content, write_follow_up
from pneumoseg.evaluation.followup.segmentation import VOTES, votes
from pneumoseg.evaluation.jobs.model_entry import ModelEntry
from pneumoseg.evaluation.jobs.progress import Progress
from pneumoseg.evaluation.jobs.results import MASK, write_classes
from pneumoseg.pipeline.prediction.predictor import ensemble_files

NAMES = {CONTENT: "change.json", FIGURE: "figure.png", TABLE: "change.csv"}
MANIFEST = "manifest.json"
NO_NOISE = "which change is noise is not known"


def follow_up(
    cts: tuple[Path, Path],
    results: tuple[Path, Path],
    made: Path,
    *,
    model: ModelEntry | None,
    progress: Progress,
    threads: int | None = None,
) -> list[str]:
    """Compares two CTs with the masks in the folders of `results` of their jobs, the baseline's first; writes the
    results to `made` and gives the warnings.

    `model`: that made both masks; its networks vote on what is noise, as of `pneumoseg followup`. Without it, or where
    the masks are not of this model as it is now, the noise is not known, and a warning says so. Raises InputError as
    `compare`.
    """
    with warnings_of_this_thread() as warnings:
        dates = (
            read_examination(cts[0], results[0] / MASK, "baseline"),
            read_examination(cts[1], results[1] / MASK, "follow-up"),
        )
        check_one_patient(*dates)
        models: Mapping[str, str] = {}
        if model is not None and (models := _networks(results, model)):
            progress.begin("measuring noise", counted=VOTES)
            found = votes(dates, [model.path], threads=threads)
            dates = (replace(dates[0], voters=found[0]), replace(dates[1], voters=found[1]))
        elif model is None:
            log.warning("the masks are of two models, or of one that is gone: %s", NO_NOISE)
        progress.begin("comparing")
        comparison = compare(*dates)
        progress.begin("writing")
        content = follow_up_content(comparison, models=models, warnings=warnings)
        write_follow_up(comparison, content, made, overwrite=True)
    for name, shown in NAMES.items():
        os.rename(made / name, made / shown)
    write_classes(made / "labels.json", CHANGE_LABELS)
    shown_part = comparison.shown
    for name, array in (("baseline", shown_part.baseline), ("follow-up", shown_part.follow_up)):
        write_ct_nifti(made / f"{name}.nii.gz", Volume.from_source(np.asarray(array), shown_part.grid.affine))
    return warnings


def _networks(results: tuple[Path, Path], model: ModelEntry) -> Mapping[str, str]:
    """SHA-256 of the networks of the model by fold or file name, where both masks were made by them; else none, with
    a warning."""
    made_by = [read_json(folder / MANIFEST, "how a mask was made", dict)["models"] for folder in results]
    try:
        now = {name: sha256_of(file) for name, file in ensemble_files(model.path).items()}
    except (InputError, FileNotFoundError):
        now = {}
    if made_by != [now, now]:
        log.warning("the model was changed or removed after it made the masks: %s", NO_NOISE)
        return {}
    return now
