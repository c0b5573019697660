"""A folder that others drop series into: each one is segmented once it is complete, then moved to done/ or failed/.

Whatever is killed, nothing is lost or made twice: results appear whole, an input is moved after its results are there,
and a mask that is there already and belongs to the input is kept.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.writing import is_label_file
from pneumoseg.data_io.public_text import AboutFiles
from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.data_io.storage.folders import folders_in
from pneumoseg.evaluation.inference.batch import Result, predict_files
from pneumoseg.evaluation.inference.outputs import Output, place_outputs
from pneumoseg.evaluation.inference.recipe import PredictionOptions, input_sha256, recipe
from pneumoseg.pipeline.prediction.predictor import Predictor

DONE, FAILED = "done", "failed"
LOCK = ".watch.lock"
POLL_S = 1.0


@dataclass(frozen=True)
class Handled:
    """What became of one input: its `name`, where it lies now (None where it vanished), and its result or error."""

    name: str
    moved_to: Path | None
    result: Result | None = None
    error: str | None = None


def watch(
    folder: str | Path,
    output: str | Path,
    predictor: Predictor,
    *,
    options: PredictionOptions,
    mask_format: str = "dicom-seg",
    quiet_s: float = 10.0,
    once: bool = False,
) -> Iterator[Handled]:
    """Segments the series in sub-folders of `folder`, one at a time, oldest first, and yields what became of each.

    A sub-folder is complete when nothing in it has changed for `quiet_s`. It holds one input of `find_inputs`. Results
    go to `output`/NAME and so on; the input is moved to `folder`/done/NAME, or to failed/NAME with the reason beside
    it, NAME.txt. A name that is taken there, or by the mask of another CT, gets a number, NAME_2. With `once` the
    iteration ends when no sub-folder is left; else it never does.

    Raises InputError for a missing folder, an `output` within it or that is no folder, and where another process
    watches it.
    """
    folder, output = Path(folder), Path(output)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that series are dropped into")
    if output.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{output}: results must not lie in the watched folder {folder}; give another output")
    if is_label_file(output) or (output.exists() and not output.is_dir()):
        raise InputError(f"{output}: the results of many series need a folder, found the name of a file; give a folder")
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield from _handled(folder, output, predictor, options, mask_format=mask_format, quiet_s=quiet_s, once=once)
    except Timeout as error:
        raise InputError(f"{folder}: another process watches this folder; stop it first") from error


def _handled(
    folder: Path,
    output: Path,
    predictor: Predictor,
    options: PredictionOptions,
    *,
    mask_format: str,
    quiet_s: float,
    once: bool,
) -> Iterator[Handled]:
    while True:
        changed = {given: _last_change_s(given) for given in _given_in(folder)}
        complete = [given for given, at in changed.items() if time.time() - at >= quiet_s]
        for given in sorted(complete, key=lambda one: (changed[one], one)):
            yield _handle(given, output, predictor, options, mask_format=mask_format)
        if once and not changed:
            return
        if not complete:
            time.sleep(min(POLL_S, quiet_s))


def _given_in(folder: Path) -> list[Path]:
    return [one for one in folders_in(folder) if one.name not in (DONE, FAILED) and not one.is_symlink()]


def _last_change_s(given: Path) -> float:
    """When a folder or anything in it changed last; now, where it is changing. Times in the future, as copies may keep
    those of another clock, do not count."""
    latest = 0.0
    try:
        for place in (given, *given.rglob("*")):
            status = place.lstat()
            latest = max(latest, *(at for at in (0.0, status.st_mtime, status.st_ctime) if at <= time.time()))
    except OSError:
        return time.time()
    return latest


def _handle(
    given: Path, output: Path, predictor: Predictor, options: PredictionOptions, *, mask_format: str
) -> Handled:
    try:
        result = _segment(given, output, predictor, options, mask_format=mask_format)
        error = result.error
    except Exception as refusal:  # noqa: BLE001  (an input that ended the watching would do so after each start)
        kind = "" if isinstance(refusal, (InputError, OSError)) else f"{type(refusal).__name__}: "
        result, error = None, " ".join(f"{kind}{refusal}".split()) or type(refusal).__name__
    about = None if error is None else AboutFiles(error, (given,))
    if about is not None:
        log.error("%s", about)
    moved = _moved(given, DONE) if about is None else _moved(given, FAILED, about.without_folders)
    return Handled(given.name, moved, result, error)


def _segment(
    given: Path, output: Path, predictor: Predictor, options: PredictionOptions, *, mask_format: str
) -> Result:
    inputs = list(find_inputs([given]).values())
    if len(inputs) != 1:
        raise InputError(f"{given}: a folder that is dropped here holds one CT, found {len(inputs)}; drop each apart")
    (source,) = inputs
    placed = _free(given.name, source, output, predictor, options, mask_format=mask_format)
    (result,) = predict_files({source: placed}, predictor, options=options, resume=True)
    return result


def _free(
    name: str, source: Path, output: Path, predictor: Predictor, options: PredictionOptions, *, mask_format: str
) -> Output:
    """Where the results of an input go: to its name, unless the mask of another CT is there."""

    def is_free(placed: Output) -> bool:
        if placed.mask.exists():
            with suppress(InputError):
                return bool(placed.made_with(input_sha256(source, predictor), recipe(predictor, options)))
            return False
        return True

    places = (
        place_outputs({candidate: source}, output, mask_format=mask_format, resume=True)[source]
        for candidate in _names(name)
    )
    return next(filter(is_free, places))


def _moved(given: Path, to: str, reason: str | None = None) -> Path | None:
    """Moves an input into done/ or failed/ beside it, the reason beside it first; None where it is gone."""
    folder = given.parent / to
    folder.mkdir(exist_ok=True)
    target = next(path for path in map(folder.joinpath, _names(given.name)) if not path.exists())
    beside = target.with_name(f"{target.name}.txt")
    if reason is not None:
        write_text(beside, reason + "\n")
    try:
        return given.rename(target)
    except FileNotFoundError:
        beside.unlink(missing_ok=True)
        return None


def _names(name: str) -> Iterator[str]:
    """The name, then with numbers from 2."""
    yield name
    yield from (f"{name}_{number}" for number in count(2))
