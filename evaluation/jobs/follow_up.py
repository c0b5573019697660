"""The change between the CTs of two finished jobs."""

import os
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.comparison import compare
from pneumoseg.evaluation.followup.examination import check_one_patient, read_examination
from pneumoseg.evaluation.followup.output_folder import CONTENT, FIGURE, TABLE, follow_up_content, write_follow_up
from pneumoseg.evaluation.jobs.progress import Progress
from pneumoseg.evaluation.jobs.results import write_classes

NAMES = {CONTENT: "change.json", FIGURE: "figure.png", TABLE: "change.csv"}


def follow_up(cts: tuple[Path, Path], masks: tuple[Path, Path], made: Path, *, progress: Progress) -> list[str]:
    """Compares two CTs with their masks, the baseline's first; writes the results to `made` and gives the warnings.
    Raises InputError as `compare`."""
    with warnings_of_this_thread() as warnings:
        baseline = read_examination(cts[0], masks[0], "baseline")
        later = read_examination(cts[1], masks[1], "follow-up")
        check_one_patient(baseline, later)
        progress.begin("comparing")
        comparison = compare(baseline, later)
        progress.begin("writing")
        content = follow_up_content(comparison, models={}, warnings=warnings)
        write_follow_up(comparison, content, made, overwrite=True)
    for name, shown in NAMES.items():
        os.rename(made / name, made / shown)
    write_classes(made / "labels.json", CHANGE_LABELS)
    shown_part = comparison.shown
    for name, array in (("baseline", shown_part.baseline), ("follow-up", shown_part.follow_up)):
        write_ct_nifti(made / f"{name}.nii.gz", Volume.from_source(np.asarray(array), shown_part.grid.affine))
    return warnings
