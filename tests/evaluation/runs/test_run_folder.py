"""Which changes of its settings a run that goes on allows."""

import pytest

from pneumoseg.evaluation.runs.run_folder import changed_settings

BEFORE = "# by this program\nseed: 0\ntraining: {epochs: 3, workers: null, plateau: {factor: 0.1}}\n"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (("seed: 0", "seed: 0"), []),
        (("epochs: 3", "epochs: 4"), ["training.epochs"]),
        (("factor: 0.1", "factor: 0.2"), ["training.plateau.factor"]),
        (("seed: 0", "seed: 1\nfurther: [1]"), ["seed", "further"]),
        (("seed: 0\n", ""), ["seed"]),
        (("workers: null", "workers: 1"), []),
        (("seed: 0", "seed: 0\nevaluation: {splits: other.json}"), []),
        (("this program", "another"), ["remarks"]),
    ],
)
def test_changed_settings_are_named_unless_they_change_no_result(change, names):
    assert changed_settings(BEFORE, BEFORE.replace(*change)) == names
