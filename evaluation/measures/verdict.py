"""The verdict on a mask: use, review, or do not trust, with the reasons in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pneumoseg.evaluation.measures.plausibility import Finding
from pneumoseg.evaluation.measures.trust import (
    LUNGS,
    SMALLEST_ML,
    Calibration,
    DiceCalibration,
    PredictedDice,
    of_class,
    signal_values,
)
from pneumoseg.pipeline.prediction.signals import Signals

Verdict = Literal["use", "review", "do not trust"]
VERDICTS: tuple[Verdict, ...] = ("use", "review", "do not trust")
"""From the best to the worst."""

LOWEST_DICE = {"lungs": 0.9, "lung_left": 0.8, "lung_right": 0.8}
"""Below, a class is to be reviewed. Lungs: two humans agree at 0.97 to 0.98 on the slices of COVID-19 CTs."""
LOWEST_DICE_OF_OTHERS = 0.6
"""Two humans agree at 0.70 to 0.86 on infection (Bartoli et al. 2022; the annotators of COVID-19-CT-Seg)."""
WIDEST_INTERVAL = 0.5
"""Wider, the prediction of Dice says next to nothing."""
MOST_STRAY = 0.3
"""Of a lung, lying apart from its largest piece: a lung is one, but for what infection cuts off. More of it is what
networks give for a CT that lies otherwise than its header says."""
FAR = 1.5
"""A CT this many times as far from the training cases as the farthest tested case is of another kind; one that is
farther than that case, but less so, is at the edge of what is known."""


@dataclass(frozen=True)
class Trust:
    """The verdict on a mask, its `reasons` (what speaks against it, or what it rests on), and by class the predicted
    Dice, None where none can be given."""

    verdict: Verdict
    reasons: tuple[str, ...]
    classes: Mapping[str, PredictedDice | None] = field(default_factory=dict)


def judged(calibration: Calibration, signals: Signals, findings: Sequence[Finding] = ()) -> Trust:
    """The verdict on a mask with such `signals`, whose volumes and densities gave such `findings`.

    >>> import numpy as np
    >>> tested = Calibration({}, distances=np.array([1.0, 2.0]), patients=np.array([0, 1]), coverage={})
    >>> judged(tested, Signals({}, distance=3.5)).verdict  # more than 1.5 x 2.0
    'do not trust'
    """
    classes: dict[str, PredictedDice | None] = {}
    unlike: list[tuple[Verdict, str]] = []
    for name, known in calibration.classes.items():
        one = of_class(signals, name)
        if one is None or one.predicted_ml < SMALLEST_ML:
            classes[name] = None
        else:
            values = signal_values(one, signals.distance)
            classes[name] = known.predict(values)
            unlike += _of_signals(name, known, values)
    of_lungs = _of_lungs([name for name in classes if name in LOWEST_DICE], signals)
    against = [*_of_findings(findings), *_of_distance(calibration, signals), *of_lungs, *_of_classes(classes), *unlike]
    if not any(classes.values()):
        against.append(("review", "no Dice can be predicted"))
    against.sort(key=lambda one: VERDICTS.index(one[0]), reverse=True)
    verdict = against[0][0] if against else "use"
    return Trust(verdict, (*(words for _, words in against), *_remarks(classes, signals)), classes)


def _of_findings(findings: Sequence[Finding]) -> Iterator[tuple[Verdict, str]]:
    for finding in findings:
        yield ("do not trust" if finding.grave else "review"), finding.sentence


def _of_distance(calibration: Calibration, signals: Signals) -> Iterator[tuple[Verdict, str]]:
    largest, distance = calibration.largest_distance, signals.distance
    if largest is None or distance is None or distance <= largest:
        return
    words = f"the CT is unlike the training cases: distance {distance:.2f}, at most {largest:.2f} in tested cases"
    yield ("do not trust" if distance > FAR * largest else "review"), words


def _of_signals(name: str, known: DiceCalibration, values: Mapping[str, float | None]) -> Iterator[tuple[Verdict, str]]:
    for signal, value, worst in known.beyond(values):
        if signal != "distance":  # has a rule of its own
            words = f"{name}: {signal.replace('_', ' ')} {value:.2f}, at most {worst:.2f} in tested cases"
            yield "review", f"{words}, so that its Dice can hardly be predicted"


def _of_lungs(names: Sequence[str], signals: Signals) -> Iterator[tuple[Verdict, str]]:
    for name in names:
        one = of_class(signals, name)
        if one is None or one.predicted_ml < SMALLEST_ML:
            yield "review", f"{name} was not found"
        elif name != LUNGS and one.stray is not None and one.stray > MOST_STRAY:
            yield "review", f"{one.stray:.0%} of {name} lie apart from its largest piece"


def _of_classes(classes: Mapping[str, PredictedDice | None]) -> Iterator[tuple[Verdict, str]]:
    for name, predicted in classes.items():
        if predicted is None:
            continue
        lowest = LOWEST_DICE.get(name, LOWEST_DICE_OF_OTHERS)
        words = f"{name}: predicted Dice {predicted.predicted_dice:.2f} ({predicted.low:.2f} to {predicted.high:.2f})"
        if predicted.high < lowest:
            yield "do not trust", f"{words}, even at best below {lowest:g}"
        elif predicted.predicted_dice < lowest:
            yield "review", f"{words}, below {lowest:g}"
        elif predicted.high - predicted.low > WIDEST_INTERVAL:
            yield "review", f"{words}, with a wide interval"


def _remarks(classes: Mapping[str, PredictedDice | None], signals: Signals) -> Iterator[str]:
    """What the verdict rests on where a class has no predicted Dice."""
    for name, predicted in classes.items():
        one = of_class(signals, name)
        if predicted is None and one is not None and name not in LOWEST_DICE:
            yield (
                f"{name}: {one.predicted_ml:.1f} ml found; below {SMALLEST_ML:g} ml no Dice is predicted, and the "
                "verdict rests on the rest"
            )
