"""Signals of how far a mask may be trusted: what the networks show while they segment.

Each is worse the higher it is, and none needs a reference. What they say about Dice is for a calibration to tell.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json

FOREGROUND = "foreground"
"""All classes but the background as one."""


@dataclass(frozen=True)
class ClassSignals:
    """`predicted_ml` of the class as the networks give it; `expected_ml`, the sum of its probabilities.

    `entropy`: mean over the predicted region and its border of one voxel, 0 to 1. `doubt`: 1 - the Dice that is to be
    expected if the probabilities are right, 2 * (their sum inside the region) / (the region + their sum everywhere).
    `disagreement`: 1 - Dice between voters, as all pairs of them together. `stray`: share of the region outside its
    largest connected piece. None for a class that is not found; a single network has no disagreement, but where it also
    sees mirror images `mirror_disagreement`, that of its views.
    """

    predicted_ml: float
    expected_ml: float
    entropy: float | None = None
    doubt: float | None = None
    disagreement: float | None = None
    stray: float | None = None
    mirror_disagreement: float | None = None


@dataclass(frozen=True)
class Signals:
    """`classes`: by name, all but the background, and FOREGROUND. `distance`: of the CT's deepest features from those
    of the training cases (`TrainingFeatures.distances`), mean over the tiles and voters; None where a model has none.
    """

    classes: Mapping[str, ClassSignals]
    distance: float | None = None


def write_signals(path: str | Path, signals: Signals) -> None:
    """Writes the signals as JSON."""
    write_json(path, in_json(signals))


def in_json(signals: Signals) -> dict[str, Any]:
    """The signals as JSON has them, with six digits."""
    classes = {
        name: {key: None if value is None else float(f"{value:.6g}") for key, value in asdict(one).items()}
        for name, one in signals.classes.items()
    }
    return {"distance": None if signals.distance is None else float(f"{signals.distance:.6g}"), "classes": classes}


def read_signals(path: str | Path) -> Signals:
    """Reads signals. Raises InputError for a file that holds something else."""
    content = read_json(path, "the signals of a mask", dict)
    try:
        classes = {str(name): ClassSignals(**one) for name, one in content["classes"].items()}
        found = Signals(classes, content["distance"])
        values = [found.distance, *(value for one in classes.values() for value in asdict(one).values())]
        if not all(value is None or type(value) in (int, float) for value in values):
            raise TypeError("a signal is a number")
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no signals of a mask ({error}); remove it, and predict the case again") from error
    return found
