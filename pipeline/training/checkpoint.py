"""Where a training stands, in one file: weights, optimiser state, best weights and the epochs so far.

A NumPy archive of plain arrays, written aside and renamed: after a crash at any moment it holds the last whole epoch.
"""

import json
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_aside

DAMAGED = (OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
Arrays = tuple[np.ndarray, ...]
BEGIN_AGAIN = ("overwrite", "folds")
"""The arguments with which a training begins again."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """`model`: its weights and all other state; `optimizer`: its state, with the averages of the weights. `best`: the
    network's weights after the best epoch so far, empty where none is chosen. `history`: one row per finished epoch.
    `fingerprint`: of settings and cases."""

    model: Arrays
    optimizer: Arrays
    best: Arrays
    history: tuple[dict, ...]
    fingerprint: str


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the checkpoint, whole or not at all."""
    arrays = {
        f"{group}_{index}": array
        for group in ("model", "optimizer", "best")
        for index, array in enumerate(getattr(checkpoint, group))
    }
    facts = json.dumps({"history": checkpoint.history, "fingerprint": checkpoint.fingerprint})
    with write_aside(path) as aside, open(aside, "wb") as file:
        np.savez(file, facts=np.array(facts), **arrays)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint. Raises InputError where it is damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            facts = json.loads(str(archive["facts"]))
            groups = {
                group: tuple(archive[name] for name in sorted(_members(archive, group), key=_number))
                for group in ("model", "optimizer", "best")
            }
            history, fingerprint = facts["history"], facts["fingerprint"]
            if not isinstance(history, list) or not all(map(_is_epoch, history)):
                raise ValueError("no history of epochs")
    except DAMAGED as error:
        raise InputError(
            f"{path}: a damaged checkpoint ({error}); {begin_again(path.parent.parent)}", options=BEGIN_AGAIN
        ) from error
    return Checkpoint(**groups, history=tuple(history), fingerprint=fingerprint)


def check_fingerprint(checkpoint: Checkpoint, known: Collection[str], path: Path) -> None:
    """Raises InputError where the checkpoint at `path` has none of the `known` fingerprints: it is that of another
    training."""
    if checkpoint.fingerprint not in known:
        folder = path.parent.parent
        raise InputError(
            f"{folder}: settings, precision, cases or own code changed since the checkpoint; {begin_again(folder)}",
            options=BEGIN_AGAIN,
        )


def check_numbers(loss: float, weights: Sequence[np.ndarray], epoch: int) -> None:
    """Raises InputError where the loss or a weight after `epoch`, from 0, is NaN or infinite, and not to be kept."""
    if not (np.isfinite(loss) and all(np.isfinite(array).all() for array in weights)):
        raise InputError(
            f"loss or weights are no longer numbers after epoch {epoch + 1}: begin again with a lower "
            "training.learning_rate, or with training.gradient_clip_norm; the checkpoint before is kept"
        )


def begin_again(folder: Path) -> str:
    """How the training in `folder` is begun again, in words: of a fold alone, so that the others stay."""
    begins, _, number = folder.name.rpartition("_")
    if begins != "fold":
        return "begin again, overwriting it"
    return f"begin this fold again: overwrite fold {number} alone (overwriting without a fold removes all folds)"


def _is_epoch(row: object) -> bool:
    """Whether a row of the history holds numbers by name, the loss among them."""
    return isinstance(row, dict) and "loss" in row and all(isinstance(value, int | float) for value in row.values())


def _members(archive, group: str) -> list[str]:
    return [name for name in archive.files if name.startswith(f"{group}_")]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
