"""Which changes of its settings a run that goes on allows."""

import pytest

from pneumoseg.evaluation.runs.run_folder import RunFolder, changed_settings

BEFORE = "# by this program\nseed: 0\ntraining: {epochs: 3, workers: null, plateau: {factor: 0.1}}\n"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (("seed: 0", "seed: 0"), []),
        (("epochs: 3", "epochs: 4"), ["training.epochs"]),
        (("factor: 0.1", "factor: 0.2"), ["training.plateau.factor"]),
        (("seed: 0", "seed: 1\nfurther: [1]"), ["seed", "further"]),
        (("seed: 0\n", ""), []),  # the default
        (("epochs: 3, ", ""), ["training.epochs"]),
        (("workers: null", "workers: 1"), []),
        (("seed: 0", "seed: 0\nevaluation: {splits: other.json}"), []),
        (("this program", "another"), ["remarks"]),
    ],
)
def test_changed_settings_are_named_unless_they_change_no_result(change, names):
    assert changed_settings(BEFORE, BEFORE.replace(*change)) == names


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("evaluation:\n  splits: slices:0.7,0.2,0.1\n", "slices:0.7,0.2,0.1"),
        ("tissue_hu: 40\n", None),
        ("evaluation:\n  splits: 3\n", None),
        ("no: yaml: at all\n", None),
    ],
)
def test_the_rule_of_the_splits(tmp_path, text, rule):
    (tmp_path / "settings.yaml").write_text(text)
    assert RunFolder(tmp_path).splits_rule == rule
