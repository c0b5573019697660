"""What the figure of scores shows."""

import numpy as np
import pandas as pd

from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.score_agreement import score_agreement
from tests.evaluation.figures.case_tables import cut_texts


def test_points_limits_and_categories(tmp_path):
    columns = {"fold": [0, 0, 1], "given_score": [10.0, 20.0, 30.0], "predicted_score": [11.0, 22.0, 33.0]}
    figure = score_agreement(pd.DataFrame(columns), predicted_by="mask's")
    scatter, differences = figure.axes
    points = {line.get_label(): np.column_stack(line.get_data()).tolist() for line in scatter.lines}
    assert points["fold 0"] == [[10, 11], [20, 22]]
    of_differences = {line.get_label(): np.column_stack(line.get_data()).tolist() for line in differences.lines}
    assert of_differences["fold 1"] == [[31.5, 3]]
    assert [text.get_text() for text in differences.texts] == ["bias +2.0", "lower limit +0.0", "upper limit +4.0"]
    assert [text.get_text() for text in scatter.texts] == ["Low", "Mild", "Moderate", "Severe", "Critical"]
    assert scatter.get_ylabel() == "mask's score"
    assert cut_texts(figure) == []
    save_figure(figure, tmp_path / "agreement.png")


def test_one_study_has_no_limits():
    columns = {"fold": [0], "given_score": [10.0], "predicted_score": [10.0]}
    _, differences = score_agreement(pd.DataFrame(columns)).axes
    assert [text.get_text() for text in differences.texts] == ["bias +0.0"]
