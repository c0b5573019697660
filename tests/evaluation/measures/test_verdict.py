from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.evaluation.measures.plausibility import Finding
from pneumoseg.evaluation.measures.trust import Calibration, DiceCalibration
from pneumoseg.evaluation.measures.verdict import judged
from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals


def known(dice_at_half: float = 0.75) -> DiceCalibration:
    """Twelve patients, the Dice of each 1 - its disagreement."""
    disagreement = np.linspace(0.02, 0.8, 12)
    return DiceCalibration(("disagreement",), disagreement[:, None], 1 - disagreement, np.arange(12))


@pytest.fixture
def calibration() -> Calibration:
    names = ("lung_left", "lung_right", "infection", "lungs")
    return Calibration({name: known() for name in names}, np.linspace(0.5, 1.0, 12), np.arange(12), {})


def signals(infection: float = 0.1, distance: float | None = 0.9) -> Signals:
    lung = ClassSignals(1500.0, 1500.0, disagreement=0.02, stray=0.01)
    lesion = ClassSignals(100.0, 100.0, disagreement=infection)
    return Signals({"lung_left": lung, "lung_right": lung, "infection": lesion, FOREGROUND: lung}, distance)


def test_a_mask_like_the_tested_ones_is_of_use(calibration):
    found = judged(calibration, signals())
    assert (found.verdict, found.reasons) == ("use", ())
    assert found.classes["infection"].predicted_dice == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("disagreement", "verdict", "words"),
    [(0.45, "review", "below 0.6"), (0.7, "do not trust", "even at best below 0.6")],
)
def test_a_low_predicted_dice_is_a_reason(calibration, disagreement, verdict, words):
    found = judged(calibration, signals(infection=disagreement))
    assert found.verdict == verdict
    assert found.reasons[0].startswith("infection: predicted Dice 0.") and found.reasons[0].endswith(words)


def test_a_wide_interval_is_a_reason():
    three = known()._of(np.arange(12) % 4 == 0)
    found = judged(Calibration({"infection": three}, np.ones(3), np.arange(3), {}), signals())
    assert found.verdict == "review" and found.reasons[0].endswith("(0.00 to 1.00), with a wide interval")


@pytest.mark.parametrize(("distance", "verdict"), [(1.0, "use"), (1.2, "review"), (1.6, "do not trust"), (None, "use")])
def test_a_ct_unlike_the_training_cases(calibration, distance, verdict):
    found = judged(calibration, signals(distance=distance))
    assert found.verdict == verdict
    assert len(found.reasons) == (verdict != "use")


def test_what_is_not_plausible_is_a_reason(calibration):
    assert judged(calibration, signals(), [Finding("the mean is odd", grave=False)]).verdict == "review"
    found = judged(calibration, signals(), [Finding("the mean is odd", False), Finding("no lung was found", True)])
    assert (found.verdict, found.reasons) == ("do not trust", ("no lung was found", "the mean is odd"))


def test_a_signal_far_worse_than_in_all_tested_cases_is_a_reason(calibration):
    """Such as voters that find infection in other places altogether, in a CT without any."""
    few = {name: one._of(one.dice > 0.6) for name, one in calibration.classes.items()}
    found = judged(replace(calibration, classes=few), signals(infection=0.999))
    assert found.verdict != "use"
    assert "infection: disagreement 1.00, at most 0.37 in tested cases" in " ".join(found.reasons)
    assert judged(replace(calibration, classes=few), signals(infection=0.39)).verdict == "use"


def test_a_missing_lung_and_one_in_pieces_are_reasons(calibration):
    lung = signals().classes["lung_left"]
    for changed, words in (
        (ClassSignals(0.0, 0.1), "lung_left was not found"),
        (replace(lung, stray=0.5), "50% of lung_left lie apart from its largest piece"),
    ):
        found = judged(calibration, replace(signals(), classes={**signals().classes, "lung_left": changed}))
        assert (found.verdict, found.reasons) == ("review", (words,))


def test_without_infection_the_verdict_says_what_it_rests_on(calibration):
    healthy = replace(signals(), classes={**signals().classes, "infection": ClassSignals(0.2, 3.0)})
    found = judged(calibration, healthy)
    assert found.verdict == "use" and found.classes["infection"] is None
    assert found.reasons[0].startswith("infection: 0.2 ml found; below 1 ml no Dice is predicted")


def test_where_no_dice_can_be_predicted_a_mask_is_reviewed():
    found = judged(Calibration({}, np.ones(1), np.zeros(1, int), {}), signals())
    assert (found.verdict, found.reasons) == ("review", ("no Dice can be predicted",))
