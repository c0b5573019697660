"""Learning rate, best epoch and early stop as functions of the epochs so far: nothing to save, nothing to forget."""

import math
from collections.abc import Sequence

from pneumoseg.pipeline.settings.schema import PlateauSettings, TrainingSettings

# As nnU-Net (Isensee et al. 2021).
POLYNOMIAL_POWER = 0.9

DECAY_SHARE = 0.2
"""The last share of a training with schedule constant-decay, in which the rate falls in a straight line to zero: the
cooldown of Hägele et al., "Scaling laws and compute-optimal training beyond fixed training durations" (2024)."""


def learning_rate(settings: TrainingSettings, epoch: int, progress: float, *, monitored: Sequence[float]) -> float:
    """The learning rate within `epoch` (from 0), `progress` (0..1) of its steps done, after the `monitored` losses of
    the epochs before it.

    >>> settings = TrainingSettings(epochs=10, learning_rate=0.1, schedule="cosine")
    >>> [round(learning_rate(settings, epoch, 0.0, monitored=[]), 4) for epoch in (0, 5, 10)]
    [0.1, 0.05, 0.0]
    """
    start = settings.learning_rate
    done = min(1.0, (epoch + progress) / settings.epochs)
    if settings.schedule == "cosine":
        return 0.5 * start * (1.0 + math.cos(math.pi * done))
    if settings.schedule == "polynomial":
        return start * (1.0 - done) ** POLYNOMIAL_POWER
    if settings.schedule == "constant-decay":
        return start * min(1.0, (1.0 - done) / DECAY_SHARE)
    if settings.schedule == "plateau":
        return plateau(start, settings.plateau, monitored)
    return start


def plateau(start: float, settings: PlateauSettings, monitored: Sequence[float]) -> float:
    """The rate after `monitored` losses: times `factor` whenever `patience` epochs brought no `min_delta`.

    The rule of Keras's ReduceLROnPlateau, which counts no epochs while cooling down.

    >>> plateau(0.1, PlateauSettings(factor=0.5, patience=2), monitored=[1.0, 1.0, 1.0])
    0.05
    """
    rate, best, waited, cooling = start, math.inf, 0, 0
    for loss in monitored:
        if cooling > 0:
            cooling -= 1
            waited = 0
        if loss < best - settings.min_delta:
            best, waited = loss, 0
        elif cooling == 0:
            waited += 1
            if waited >= settings.patience and rate > settings.min_learning_rate:
                rate = max(rate * settings.factor, settings.min_learning_rate)
                cooling, waited = settings.cooldown, 0
    return rate


def best_epoch(monitored: Sequence[float], smallest: bool = True) -> int | None:
    """The first epoch (from 0) with the smallest loss, or the largest score; None where there is none.

    >>> best_epoch([3.0, 1.0, 2.0]), best_epoch([3.0, 1.0, 2.0], smallest=False)
    (1, 0)
    """
    finite = [value for value in monitored if not math.isnan(value)]
    return list(monitored).index((min if smallest else max)(finite)) if finite else None


def should_stop(settings: TrainingSettings, monitored: Sequence[float]) -> bool:
    """Whether `early_stop_patience` epochs have passed since the one with the smallest loss.

    >>> settings = TrainingSettings(early_stop_patience=2)
    >>> should_stop(settings, [1.0, 2.0]), should_stop(settings, [1.0, 2.0, 3.0])
    (False, True)
    """
    best = best_epoch(monitored)
    patience = settings.early_stop_patience
    return patience is not None and best is not None and len(monitored) - 1 - best >= patience
