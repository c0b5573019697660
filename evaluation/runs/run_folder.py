"""The folder of an experiment: what lies where, who may write, and whether it may go on.

RUN/settings.yaml, environment.json, splits.json, log.txt; RUN/fold_K/ with model.keras, history.csv, network.txt (its
layers), predictions/ and metrics.csv, which is written last and says that the fold is finished.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pneumoseg.data_io.console import listed, log, recent
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.public_text import PublicFormatter
from pneumoseg.data_io.storage.atomic import (
    LOCK_NAME,
    folder_aside,
    remove_folder,
    remove_leftovers,
    write_json,
    write_text,
)
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.storage.text_files import read_text
from pneumoseg.data_io.storage.yaml_text import parse_yaml
from pneumoseg.evaluation.runs.run_environment import fingerprints_of, run_environment
from pneumoseg.evaluation.runs.run_marks import (
    MARKS,
    METRICS,
    is_begun,
    is_fold,
    is_remains,
    is_run,
    missing_marks,
    others_in,
    visible_names,
)
from pneumoseg.pipeline.settings.loading import with_defaults

REMOVED = "removed"
WITHOUT_EFFECT = ("training.workers", "evaluation.splits", "evaluation.folds", "evaluation.stratify_by_source")
"""Settings that may be others when a run goes on: they change no result, or only the splits, which are compared."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    root: Path

    def fold(self, index: int) -> Path:
        """The folder of fold `index`."""
        return self.root / f"fold_{index}"

    def finished(self, index: int) -> bool:
        """Whether fold `index` has all its files."""
        return (self.fold(index) / METRICS).is_file()

    def prediction(self, index: int, file_name: str) -> Path:
        """The file of what was predicted for a test case."""
        return self.fold(index) / "predictions" / file_name

    @property
    def settings_yaml(self) -> str:
        """The run's settings as text. Raises InputError where they are no text."""
        return read_text(self.root / "settings.yaml", "the settings of a run")

    @property
    def splits_rule(self) -> str | None:
        """The setting that names the run's splits; None where its method has no such setting."""
        try:
            rule = _leaves(parse_yaml(self.settings_yaml, "settings of the run")).get("evaluation.splits")
        except InputError:  # text of a method of the user's, with no meaning here
            return None
        return rule if isinstance(rule, str) else None

    @property
    def environment(self) -> dict:
        """Versions, hardware, seed and data fingerprints. Raises InputError for another content."""
        path = self.root / "environment.json"
        content = read_json(path, "the environment of a run", dict)
        data, start = content.get("data"), content.get("start_from")
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            raise InputError(f'{path}: "data" holds the SHA-256 of each case; restore the file, or begin the run again')
        if start is not None and not isinstance(start, str):
            raise InputError(f'{path}: "start_from" is the SHA-256 of a model or null; restore the file')
        return content

    @property
    def summary(self) -> dict:
        """The summary of the results; nothing where there is none yet. Raises InputError for another content."""
        path = self.root / "summary.json"
        content = read_json(path, "the summary of a run", dict) if path.is_file() else {}
        if not isinstance(content.get("model choice", ""), str):
            raise InputError(f'{path}: "model choice" is text; remove the file and score the run again')
        return content

    @contextmanager
    def writing(self, fold: int | None = None) -> Iterator[None]:
        """Holds the run's lock, or one fold's. Raises InputError at once where another process holds it.

        The system releases the lock of a process that dies.
        """
        folder = self.root if fold is None else self.fold(fold)
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with _held(folder / LOCK_NAME, timeout_s=60 if fold is None else 0):
            yield


def open_run(
    root: str | Path,
    settings_yaml: str,
    splits: list[dict],
    *,
    fingerprints: dict[str, str],
    seed: int,
    start_from: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    further_files: Sequence[str] = (),
) -> RunFolder:
    """Makes the run folder, or opens it to go on. `start_from`: SHA-256 of the model that training begins with.
    `further_files`: names of the tables of the run's task, beside those of scores.

    A process that died while it made the folder, or removed it, is no obstacle to the next. Raises InputError where it
    exists without `resume` or `overwrite`, is not a run folder, or was made with other settings, splits or data.
    """
    check_output(root, resume, overwrite, further_files=further_files)
    run = RunFolder(Path(root))
    if overwrite:
        clear(run.root, further_files)
    with run.writing():
        remove_leftovers(run.root / REMOVED)
        if is_run(run.root):  # perhaps only since the check above, by another process
            if not resume:
                raise _exists_already(run.root)
            _same_experiment(run, settings_yaml, splits, fingerprints, start_from)
            return run
        write_json(run.root / "splits.json", splits)
        write_json(run.root / "environment.json", run_environment(fingerprints, seed, start_from))
        write_text(run.root / "settings.yaml", settings_yaml)
    return run


def open_finished(root: str | Path) -> RunFolder:
    """Opens a run to measure it again. Raises InputError where it is no run folder."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such run folder")
    check_output(root, resume=True)
    run = RunFolder(root)
    if not (root / "settings.yaml").is_file():
        raise InputError(f"{root}: not a run folder; it is empty")
    return run


def check_same_data(run: RunFolder, dataset: Dataset) -> None:
    """Raises InputError where the run was made with other data than `dataset`, or with the same read otherwise."""
    found = fingerprints_of(dataset)
    changed = sorted(case for case, print_ in run.environment["data"].items() if found.get(case) != print_)
    if changed:
        raise InputError(
            f"{dataset.root}: not the data that {run.root} was made with, missing or changed: {', '.join(changed)}"
        )


def check_flags(resume: bool, overwrite: bool) -> None:
    """Raises InputError where both are wanted."""
    if resume and overwrite:
        message = "resuming keeps what is there and overwriting removes it; give one of them"
        raise InputError(message, options=("resume", "overwrite"))


def check_output(
    root: str | Path, resume: bool = False, overwrite: bool = False, *, further_files: Sequence[str] = ()
) -> None:
    """Raises InputError where a run cannot be written to `root`; changes nothing. A run that another process is just
    making is waited for."""
    root = Path(root)
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: the output is a folder, found a file")
    visible = visible_names(root)
    if not visible:
        return
    if not (overwrite or resume):
        raise _exists_already(root)
    if visible < set(MARKS) and (root / LOCK_NAME).is_file():  # whoever holds the lock is making the run
        with _held(root / LOCK_NAME, timeout_s=60):
            pass
    if is_run(root) or is_begun(root):
        if overwrite and (others := others_in(root, further_files)):
            raise InputError(
                f"{root}: overwriting removes the whole run folder, found other things in it: {listed(others)}; move "
                "them elsewhere, or choose another output"
            )
        return
    if not is_remains(root, further_files):
        raise InputError(f"{root}: not a run folder; choose another output, or remove it yourself")
    if not overwrite:
        raise InputError(
            f"{root}: an incomplete run folder, missing {' and '.join(missing_marks(root))}; overwrite it",
            options=("overwrite",),
        )


def clear(folder: Path, further_files: Sequence[str] = ()) -> None:
    """Removes a run or fold folder, so that no process ever finds half of it as a whole one.

    Raises InputError where it holds something else or a process writes in it.
    """
    linked, folder = folder.is_symlink(), folder.resolve()
    if not is_fold(folder):
        check_output(folder, overwrite=True, further_files=further_files)
    for lock in sorted(folder.rglob(LOCK_NAME)):
        with _held(lock):
            pass
    if not visible_names(folder):
        return
    try:
        if linked or Path.cwd().is_relative_to(folder):  # the link keeps its target, this process its folder
            _empty(folder)
        else:
            remove_folder(folder)
    except OSError:  # a mount point cannot be renamed, nor a folder in one that this user must not change
        _empty(folder)


def _empty(folder: Path) -> None:
    """Removes what is in a run folder but its lock, the marks last."""
    with folder_aside(folder / REMOVED) as aside:
        kept = (LOCK_NAME, aside.name)
        others = [path for path in sorted(folder.iterdir()) if path.name not in (*kept, *MARKS)]
        for path in (*others, *(folder / name for name in reversed(MARKS) if (folder / name).exists())):
            os.rename(path, aside / path.name)


def _exists_already(root: Path) -> InputError:
    return InputError(f"{root}: exists already; resume it or overwrite it", options=("resume", "overwrite"))


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Copies the log's messages, as `PublicFormatter` writes them, to a file; also those since the last such file was
    closed. Within another block for the same file it does nothing."""
    whole = os.path.abspath(path)
    if any(isinstance(one, logging.FileHandler) and one.baseFilename == whole for one in log.handlers):
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(PublicFormatter("%(asctime)s %(levelname)s %(message)s"))
    recent.setTarget(handler)
    recent.flush()
    recent.setTarget(None)
    log.addHandler(handler)
    try:
        yield
    finally:
        recent.buffer.clear()
        log.removeHandler(handler)
        handler.close()


@contextmanager
def _held(lock: Path, timeout_s: float = 0) -> Iterator[None]:
    try:
        held = FileLock(lock).acquire(timeout=timeout_s)
    except Timeout as error:
        raise InputError(f"{lock.parent}: another process writes here; wait or choose another fold") from error
    with held:
        yield


def changed_settings(before: str, now: str) -> list[str]:
    """The settings that differ between two texts as of a run's settings.yaml, by name; "remarks" where the comments do.

    Those that change no result do not count. What one lacks, as a run of an earlier version does, has its default.
    """
    ours, theirs = (_leaves(with_defaults(parse_yaml(text, "settings of the run"))) for text in (before, now))
    names = [name for name in {**ours, **theirs} if ours.get(name, ...) != theirs.get(name, ...)]
    remarks, others = ([line for line in text.splitlines() if line.startswith("#")] for text in (before, now))
    return [name for name in names if name not in WITHOUT_EFFECT] + (["remarks"] if remarks != others else [])


def _leaves(content: object, name: str = "") -> dict[str, object]:
    """Nested settings as names such as training.epochs with their values."""
    if not isinstance(content, dict):
        return {name: content}
    leaves: dict[str, object] = {}
    for key, value in content.items():
        leaves |= _leaves(value, f"{name}.{key}" if name else f"{key}")
    return leaves


def _same_experiment(
    run: RunFolder, settings_yaml: str, splits: list[dict], fingerprints: dict[str, str], start_from: str | None
) -> None:
    changed = []
    if names := changed_settings(run.settings_yaml, settings_yaml):
        changed.append(f"settings ({listed(names)})")
    if read_json(run.root / "splits.json", "the splits of a run", list) != splits:
        changed.append("splits")
    if run.environment["data"] != fingerprints:
        changed.append("data")
    if run.environment.get("start_from") != start_from:
        changed.append("start model")
    if changed:
        raise InputError(
            f"{run.root}: {' and '.join(changed)} differ from those the run began with; give the same ones, or start "
            "again in another folder, or overwrite this one with all its folds",
            options=("overwrite",),
        )
