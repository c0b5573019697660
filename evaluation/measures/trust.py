"""Predicted Dice of a mask from the signals of its prediction, calibrated on cases whose Dice is known.

The calibration is a table of tested cases, from which all else follows: a linear model on logit scale in which every
signal can only lower the Dice, and an interval around its prediction by the jackknife+ of Barber et al. (Predictive
inference with the jackknife+, Annals of Statistics 49, 2021) with whole patients left out. If new cases come from where
the calibration's do, the interval holds the true Dice in at least 1 - 2 * 0.2 of them by their theorem, and in about
80 % as a rule.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals

SIGNALS = ("entropy", "doubt", "disagreement", "distance", "mirror_disagreement")
"""Each is worse the higher it is."""
LUNGS = "lungs"
"""Both lungs and infection together: all classes but the background."""
SMALLEST_ML = 1.0
"""Below, Dice says nothing: a few voxels decide it. Of the reference for calibration, of the mask for prediction."""
COVERAGE = 0.8
"""Of the intervals: a higher one would rest on the worst case alone, as calibrations have 10 to 30."""
RIDGE = 0.3
"""Weight of the squares of the coefficients for each case, signals and logits being of standard deviation 1: signals
that say the same share the weight, and few cases do not make large coefficients."""
FEWEST_PATIENTS = 3
BEYOND = 1.0
"""A signal is far worse than in all cases of a calibration where it is so by this many standard deviations of theirs:
there the model only continues a line."""
EDGE = 0.01
"""Shares are kept this far from 0 and 1 for their logit."""


@dataclass(frozen=True)
class PredictedDice:
    """Predicted Dice, and the interval that should hold the true one."""

    predicted_dice: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class DiceCalibration:
    """Tested cases of one class: `values` (cases, signals), the signals called `names`; their `dice` (cases,); the
    numbers of their `patients` (cases,)."""

    names: tuple[str, ...]
    values: np.ndarray
    dice: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.dice)

    def without(self, patient: int) -> "DiceCalibration":
        """The cases of all other patients."""
        return self._of(self.patients != patient)

    def _of(self, chosen: np.ndarray) -> "DiceCalibration":
        return DiceCalibration(self.names, self.values[chosen], self.dice[chosen], self.patients[chosen])

    def with_signals(self, names: Sequence[str]) -> "DiceCalibration":
        """The same cases with some of the signals."""
        columns = [self.names.index(name) for name in names]
        return DiceCalibration(tuple(names), self.values[:, columns], self.dice, self.patients)

    def predict(self, signals: Mapping[str, float | None]) -> PredictedDice | None:
        """The Dice of a mask with such signals, by those of them that the calibration has; None where there are none,
        or too few patients."""
        common = [name for name in self.names if signals.get(name) is not None]
        if not common or len(set(self.patients.tolist())) < FEWEST_PATIENTS:
            return None
        part = self if tuple(common) == self.names else self.with_signals(common)
        return part.interval(np.array([signals[name] for name in common], float))

    def beyond(self, signals: Mapping[str, float | None]) -> Iterator[tuple[str, float, float]]:
        """The signals that are far worse than in all cases, with their value and the worst of the cases."""
        scaled = _scaled(self.names, self.values)
        for column, name in enumerate(self.names):
            value = signals.get(name)
            if value is not None:
                limit = scaled[:, column].max() + BEYOND * scaled[:, column].std()
                if _scaled((name,), np.array([value], float))[0] > limit:
                    yield name, value, float(self.values[:, column].max())

    def interval(self, values: np.ndarray) -> PredictedDice:
        """Prediction and jackknife+ interval at `values` (signals,)."""
        dice = self._whole.at(values)
        others = np.array([model.at(values) for model in self._left_out])
        rank = math.ceil(COVERAGE * (len(self) + 1))  # of the sorted values, from 1
        if rank > len(self):
            return PredictedDice(dice, 0.0, 1.0)
        low = np.sort(others - self._residuals)[len(self) - rank]
        high = np.sort(others + self._residuals)[rank - 1]
        return PredictedDice(dice, float(np.clip(min(low, dice), 0, 1)), float(np.clip(max(high, dice), 0, 1)))

    @cached_property
    def _whole(self) -> "_Model":
        return _Model.fitted(self.names, self.values, self.dice)

    @cached_property
    def _left_out(self) -> list["_Model"]:
        """For each case the model of the other patients."""
        of_patient = {}
        for patient in set(self.patients.tolist()):
            rest = self.without(patient)
            of_patient[patient] = _Model.fitted(rest.names, rest.values, rest.dice)
        return [of_patient[patient] for patient in self.patients.tolist()]

    @cached_property
    def _residuals(self) -> np.ndarray:
        pairs = zip(self._left_out, self.values, self.dice, strict=True)
        return np.array([abs(dice - model.at(values)) for model, values, dice in pairs])


@dataclass(frozen=True, eq=False)
class _Model:
    """logit(Dice) = `mean_logit` - sum of `slopes` * (signal - its mean); `slopes` are not negative."""

    names: tuple[str, ...]
    means: np.ndarray
    slopes: np.ndarray
    mean_logit: float

    @classmethod
    def fitted(cls, names: tuple[str, ...], values: np.ndarray, dice: np.ndarray) -> "_Model":
        scaled = _scaled(names, values)
        logits = _logit(dice)
        means, spreads = scaled.mean(axis=0), np.maximum(scaled.std(axis=0), 1e-6)
        spread = max(float(logits.std()), 1e-6)
        ridge = math.sqrt(RIDGE * len(dice)) * np.eye(len(names))
        rows = np.vstack([(scaled - means) / spreads, ridge])
        targets = np.concatenate([(logits.mean() - logits) / spread, np.zeros(len(names))])
        slopes = nnls(rows, targets)[0] * spread / spreads
        return cls(names, means, slopes, float(logits.mean()))

    def at(self, values: np.ndarray) -> float:
        logit = self.mean_logit - float(self.slopes @ (_scaled(self.names, values) - self.means))
        return 1.0 / (1.0 + math.exp(-min(max(logit, -50.0), 50.0)))


def _scaled(names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Signals (..., names) on scales on which they are linear in the logit of Dice: shares their logit, the distance
    its logarithm."""
    columns = [
        np.log(np.maximum(values[..., number], EDGE)) if name == "distance" else _logit(values[..., number])
        for number, name in enumerate(names)
    ]
    return np.stack(columns, axis=-1)


def _logit(shares: np.ndarray) -> np.ndarray:
    inner = np.clip(shares, EDGE, 1.0 - EDGE)
    return np.log(inner / (1.0 - inner))


@dataclass(frozen=True, eq=False)
class Calibration:
    """`classes`: by name, those with enough cases; `distances`: of all tested cases; `patients`: of these.

    `coverage`: the share of the cases of a class whose Dice lies in the interval that the others give; of classes for
    which the others are enough.
    """

    classes: Mapping[str, DiceCalibration]
    distances: np.ndarray
    patients: np.ndarray
    coverage: Mapping[str, float]

    def without(self, patient: int) -> "Calibration":
        """The calibration on all other patients."""
        return Calibration(
            {name: one.without(patient) for name, one in self.classes.items()},
            self.distances[self.patients != patient],
            self.patients[self.patients != patient],
            {},
        )

    @property
    def largest_distance(self) -> float | None:
        """Of the tested cases; None where none is known."""
        known = self.distances[np.isfinite(self.distances)]
        return float(known.max()) if known.size else None


def of_class(signals: Signals, name: str) -> ClassSignals | None:
    """The signals of a class; `LUNGS`, where there is no such class, are all but the background.

    >>> signals = Signals({"foreground": ClassSignals(predicted_ml=4000.0, expected_ml=4010.0)})
    >>> of_class(signals, "lungs").predicted_ml, of_class(signals, "infection")
    (4000.0, None)
    """
    return signals.classes.get(name) or (signals.classes.get(FOREGROUND) if name == LUNGS else None)


def signal_values(one: ClassSignals, distance: float | None) -> dict[str, float | None]:
    """The signals of a class that a calibration takes, by name.

    >>> signal_values(ClassSignals(predicted_ml=20.0, expected_ml=22.0, entropy=0.25), distance=1.5)
    {'entropy': 0.25, 'doubt': None, 'disagreement': None, 'distance': 1.5, 'mirror_disagreement': None}
    """
    return {
        "entropy": one.entropy,
        "doubt": one.doubt,
        "disagreement": one.disagreement,
        "distance": distance,
        "mirror_disagreement": one.mirror_disagreement,
    }
