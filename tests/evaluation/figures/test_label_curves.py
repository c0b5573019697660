"""What the curves of a label show."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.evaluation.figures.label_curves import label_curves
from pneumoseg.evaluation.figures.saving import save_figure


def table(thresholds=0.5) -> pd.DataFrame:
    diseased = np.array([True, True, False, False])
    probability = np.array([0.9, 0.4, 0.6, 0.1])
    columns = {"fold": [0, 0, 1, 1], "diseased": diseased, "probability": probability, "threshold": thresholds}
    return pd.DataFrame({**columns, "predicted": probability >= 0.5})


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): np.column_stack(line.get_data()) for line in axes.lines}


def test_curves_by_eye(tmp_path):
    figure = label_curves(table())
    roc, precision_recall, calibration = figure.axes
    assert lines(roc)["AUC 0.750"].tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert lines(roc)["threshold 0.50"].tolist() == [[0.5, 0.5]]
    curve = lines(precision_recall)["average precision 0.833"]
    assert curve.tolist() == [pytest.approx([1, 2 / 3]), [0.5, 0.5], [0.5, 1], [0, 1]]
    assert [text.get_text() for text in calibration.texts] == ["1", "1", "1", "1"]
    save_figure(figure, tmp_path / "curves.png")


def test_several_thresholds_have_no_dot():
    assert not any("threshold" in label for label in lines(label_curves(table([0.5, 0.5, 0.4, 0.4])).axes[0]))


def test_one_class_alone_is_drawn_without_curves():
    figure = label_curves(table().iloc[:2])
    assert [text.get_text() for text in figure.axes[0].texts] == ["one class alone: no curve"]
