import math

import numpy as np
import pytest

from pneumoseg.evaluation.measures.trust import (
    COVERAGE,
    Calibration,
    DiceCalibration,
    of_class,
    signal_values,
)
from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals


def calibration(count: int = 20, noise: float = 0.0, seed: int = 0) -> DiceCalibration:
    """Cases whose Dice falls with the disagreement; the entropy is chance."""
    rng = np.random.default_rng(seed)
    disagreement = rng.uniform(0.05, 0.7, count)
    dice = np.clip(1 - disagreement + rng.normal(0, noise, count) if noise else 1 - disagreement, 0, 1)
    values = np.column_stack([rng.uniform(0.2, 0.6, count), disagreement])
    return DiceCalibration(("entropy", "disagreement"), values, dice, np.arange(count))


def test_dice_falls_with_what_tells_and_not_with_chance():
    known = calibration()
    low, high, chance = (
        known.predict({"entropy": entropy, "disagreement": disagreement})
        for entropy, disagreement in ((0.4, 0.6), (0.4, 0.1), (0.55, 0.1))
    )
    assert low.predicted_dice < 0.5
    assert high.predicted_dice - chance.predicted_dice < 0.05
    assert high.predicted_dice == pytest.approx(0.9, abs=0.06)


def test_a_signal_that_would_raise_the_dice_has_no_weight():
    rng = np.random.default_rng(0)
    entropy = rng.uniform(0.1, 0.9, 15)
    known = DiceCalibration(("entropy",), entropy[:, None], entropy, np.arange(15))
    assert known.predict({"entropy": 0.1}).predicted_dice == known.predict({"entropy": 0.9}).predicted_dice


def test_intervals_hold_about_as_many_cases_as_they_say():
    inside = []
    for seed in range(30):
        known = calibration(15, noise=0.08, seed=seed)
        new = calibration(20, noise=0.08, seed=1000 + seed)
        for values, dice in zip(new.values, new.dice, strict=True):
            found = known.interval(values)
            assert 0 <= found.low <= found.predicted_dice <= found.high <= 1
            inside.append(found.low <= dice <= found.high)
    assert np.mean(inside) == pytest.approx(COVERAGE, abs=0.08)


def test_with_too_few_cases_an_interval_is_everything_and_below_that_there_is_none():
    known = calibration(3)
    found = known.predict({"entropy": 0.4, "disagreement": 0.3})
    assert (found.low, found.high) == (0.0, 1.0)
    assert known.without(0).predict({"entropy": 0.4, "disagreement": 0.3}) is None


def test_the_interval_by_hand():
    """One signal without weight: the models are means of logits, so all follows from the Dice of the others."""
    dice = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    known = DiceCalibration(("entropy",), np.full((5, 1), 0.3), dice, np.arange(5))
    logits = np.log(dice / (1 - dice))
    means = [1 / (1 + math.exp(-np.delete(logits, case).mean())) for case in range(5)]
    residuals = np.abs(dice - means)
    found = known.predict({"entropy": 0.3})
    assert found.predicted_dice == pytest.approx(1 / (1 + math.exp(-logits.mean())))
    assert found.low == pytest.approx(np.sort(means - residuals)[0])  # rank 0.8 * 6, rounded up: the last of five
    assert found.high == pytest.approx(min(np.sort(means + residuals)[4], 1.0))


def test_a_patient_is_left_out_whole():
    known = DiceCalibration(("entropy",), np.full((4, 1), 0.3), np.array([0.2, 0.3, 0.8, 0.9]), np.array([0, 0, 1, 2]))
    assert known.without(0).dice.tolist() == [0.8, 0.9]
    assert len(known) == 4


def test_signals_that_a_mask_lacks_are_not_used_and_others_change_nothing():
    known = calibration()
    alone = known.with_signals(["disagreement"]).predict({"disagreement": 0.3})
    assert known.predict({"entropy": None, "disagreement": 0.3, "distance": 5.0}) == alone
    assert known.predict({"distance": 5.0}) is None


def test_signals_far_beyond_those_of_the_cases_are_named():
    known = calibration()
    worst = known.values.max(axis=0)
    assert not list(known.beyond({"entropy": worst[0], "disagreement": worst[1] + 0.02}))
    assert list(known.beyond({"entropy": None, "disagreement": 0.99})) == [("disagreement", 0.99, worst[1])]


def test_the_largest_distance_is_that_of_all_tested_cases():
    distances = np.array([1.0, np.nan, 2.0])
    found = Calibration({}, distances, np.array([0, 1, 2]), {})
    assert found.largest_distance == 2.0
    assert found.without(2).largest_distance == 1.0
    assert Calibration({}, distances[1:2], np.array([0]), {}).largest_distance is None


def test_lungs_are_all_but_the_background():
    one, every = ClassSignals(1.0, 1.0), ClassSignals(2.0, 2.0, 0.1, 0.2, 0.3)
    signals = Signals({"infection": one, FOREGROUND: every}, 1.5)
    assert of_class(signals, "infection") is one
    assert of_class(signals, "lungs") is every
    assert of_class(signals, "lung_left") is None
    known = {"entropy": 0.1, "doubt": 0.2, "disagreement": 0.3, "distance": 1.5, "mirror_disagreement": None}
    assert signal_values(every, 1.5) == known
