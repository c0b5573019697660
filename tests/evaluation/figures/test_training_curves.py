"""Training curves of several runs: which lines are drawn where."""

import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.training_curves import RunCurves, training_curves
from tests.evaluation.figures.case_tables import legend

HISTORY = pd.DataFrame({"epoch": [0, 1, 2], "loss": [3.0, 2, 1], "val_loss": [3.5, 2, 2.5], "iou": 0.8, "val_iou": 0.7})


def test_a_row_per_run_with_loss_and_score():
    figure = training_curves(
        [RunCurves("IoU", [HISTORY], "iou", [1]), RunCurves("plain", [HISTORY, HISTORY], "loss", [1, 2])]
    )
    first, score, plain, empty = figure.axes
    assert [axes.get_title() for axes in (first, score, plain)] == ["IoU: loss", "IoU: iou", "plain: loss"]
    assert not empty.axison
    assert [list(line.get_xdata()) for line in first.lines] == [[1, 2, 3], [1, 2, 3], [2, 2]]
    assert [list(line.get_ydata()) for line in score.lines[:2]] == [[0.8] * 3, [0.7] * 3]
    assert len(plain.lines) == 4  # two folds, and no single epoch that was kept
    assert legend(figure) == ["training", "validation", "epoch that was kept"]


def test_runs_without_training_are_left_out():
    figure = training_curves([RunCurves("vote", [], "loss", []), RunCurves("a", [HISTORY], "loss", [None])])
    assert [axes.get_title() for axes in figure.axes] == ["a: loss"]
    with pytest.raises(InputError, match="training history"):
        training_curves([RunCurves("vote", [], "loss", [])])
