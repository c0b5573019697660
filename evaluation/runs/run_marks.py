"""What a folder is, by the names of its files: a run, the beginning of one, what is left of one, or none."""

import re
from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.storage.atomic import LOCK_NAME

METRICS = "metrics.csv"
"""The scores of a fold, or of an evaluation: written last."""
DETAILED, FINAL = "cv_results.detailed.csv", "cv_results.final.csv"
"""The scores of all folds: of each case, and their means."""
BY_SOURCE = "cv_results.by_source.csv"
"""The means by source, and the false positives of cases without lesions."""

MARKS = ("splits.json", "environment.json", "settings.yaml")
"""What makes a folder a run, in the order in which it is written."""
SUBMISSION, LOGS = "submission", "logs"
"""Folders of a submission to a cluster in the folder of its results: they are there before these, and are none."""
WRITTEN = re.compile(
    r"submission|logs|"
    r"splits\.json|environment\.json|settings\.yaml|log\.txt|fold_\d+|predictions|figures|tensorboard|model\.(keras|hdf5)|"
    r"history\.csv|network\.txt|fitting_curve\.png|miscnn\.log|models\.json|report\.html|summary\.json|"
    r"trust\.(csv|json)|(training_)?predictions\.csv|(classification|agreement|categories_off|accuracy)\.csv|lesions\.csv|confusion\.csv|pooled\.csv|probability_histograms\.csv|cv_results\.(detailed|final|by_source)\.csv|openvino-\d+-[0-9a-f]+"
)
"""Names of all that lies in a run folder."""
HIDDEN = re.compile(r"\.lock|\.training|\.openvino\.lock|\.(partial|replaced)-.*|\.DS_Store|\.nfs.*")
"""Names of all that is hidden in one."""


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's, by the files that mark one."""
    return not missing_marks(folder)


def missing_marks(folder: Path) -> list[str]:
    """The marks of a run that a folder lacks."""
    return [name for name in MARKS if not (folder / name).is_file()]


def visible_names(folder: Path) -> set[str]:
    """The names in a folder but the hidden ones and those of a submission; none where there is no folder."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names - {SUBMISSION, LOGS} if not name.startswith(".")}


def others_in(folder: Path, further_files: Sequence[str] = ()) -> list[str]:
    """The names of what lies in a folder but is no part of a run. `further_files`: of its task."""
    names = sorted(path.name for path in folder.iterdir() if path.name not in further_files)
    return [name for name in names if not (WRITTEN.fullmatch(name) or HIDDEN.fullmatch(name))]


def is_begun(folder: Path) -> bool:
    """Whether a process died while it made a run there: under the run's lock lie its first marks and nothing else."""
    visible = visible_names(folder)
    return (folder / LOCK_NAME).is_file() and any(visible == set(MARKS[:count]) for count in range(1, len(MARKS)))


def is_remains(folder: Path, further_files: Sequence[str] = ()) -> bool:
    """Whether a folder holds what is left of a run and nothing else: its lock, files by their names, and of these two
    marks or a fold with a lock of its own. `further_files`: of its task."""
    visible = visible_names(folder) - set(further_files)
    ours = {name for name in visible if WRITTEN.fullmatch(name)}
    folds = {name for name in ours if name.startswith("fold_") and (folder / name / LOCK_NAME).is_file()}
    known = bool(folds) or len(visible & set(MARKS)) > 1
    return (folder / LOCK_NAME).is_file() and visible == ours and known


def is_fold(folder: Path) -> bool:
    """Whether a folder is, or would be, that of a run's fold."""
    whole = folder.resolve()
    return whole.name.startswith("fold_") and is_run(whole.parent)  # a run may be named like a fold
