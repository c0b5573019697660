"""Metrics of training by name: they are recorded in history.csv after each epoch and change no weights."""

from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.training.losses import Loss, crossentropy, dice_crossentropy, soft_dice, tversky

METRICS: dict[str, Loss] = {
    "tversky": tversky,
    "soft-dice": soft_dice,
    "dice-crossentropy": dice_crossentropy,
    "crossentropy": crossentropy,
}


def make_metric(name: str) -> Loss:
    """The metric of that name, as a function of (labels, probabilities). Raises InputError where there is none."""
    return plugins.find(name, METRICS, "metric")
