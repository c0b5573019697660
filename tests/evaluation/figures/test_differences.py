import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.differences import difference_plot
from pneumoseg.evaluation.scoring.comparison import compare
from pneumoseg.evaluation.scoring.tables import detailed_table
from tests.evaluation.figures.case_tables import texts


def table(dice: list[float], hd95_mm: float = 5.0) -> pd.DataFrame:
    """One infection of each Dice, in cases a, b, c, ..."""
    numbers = dict.fromkeys(("iou", "sensitivity", "specificity", "precision", "accuracy", "assd_mm", "nsd"), 0.5)
    volumes = {"volume_reference_ml": 10.0, "volume_prediction_ml": 9.0}
    rows = [
        {"fold": 0, "case": "abcdef"[number], "class": "infection", "status": "ok", "dice": value, "hd95_mm": hd95_mm}
        | numbers
        | volumes
        for number, value in enumerate(dice)
    ]
    return detailed_table(rows)


def drawn_values(figure) -> list[float]:
    """The heights of the points of the cases."""
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() == "None" and len(line.get_ydata()) > 1]
    return sorted(float(value) for line in lines for value in line.get_ydata())


def test_each_case_is_a_point_at_its_difference():
    compared = compare({"base": table([0.5, 0.6, 0.7]), "new": table([0.6, 0.6, 0.5])}, ["dice"])
    figure = difference_plot(compared, "dice")
    np.testing.assert_allclose(drawn_values(figure), [-0.2, 0.0, 0.1], atol=1e-9)
    assert "above 0 is better" in figure.axes[0].get_ylabel()
    assert figure.axes[0].get_xticklabels()[0].get_text() == "infection\nn = 3"
    assert "compared with base" in figure.get_suptitle()


def test_a_distance_is_better_below_0():
    compared = compare({"base": table([0.5, 0.6]), "new": table([0.5, 0.6], hd95_mm=3.0)}, ["hd95_mm"])
    figure = difference_plot(compared, "hd95_mm")
    assert drawn_values(figure) == [-2.0, -2.0]
    assert "below 0 is better" in figure.axes[0].get_ylabel()


def test_nothing_to_draw_is_written_there():
    undefined = table([0.5, 0.6])
    undefined["dice"] = np.nan
    figure = difference_plot(compare({"base": table([0.5, 0.6]), "new": undefined}, ["dice"]), "dice")
    assert "undefined" in texts(figure.axes[0])


def test_a_score_that_was_not_compared_is_refused():
    compared = compare({"base": table([0.5, 0.6]), "new": table([0.5, 0.6])}, ["dice"])
    with pytest.raises(InputError, match="nsd was not compared; valid names: dice"):
        difference_plot(compared, "nsd")
