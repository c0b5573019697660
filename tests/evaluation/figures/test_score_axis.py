"""The same scores stand on the same axis, whichever figure shows them."""

import numpy as np
import pytest

from pneumoseg.evaluation.figures.box_plots import box_plots
from pneumoseg.evaluation.figures.lesion_size import score_against_size
from pneumoseg.evaluation.figures.saving import new_figure
from pneumoseg.evaluation.figures.score_axis import MARKS, fold_legend, fold_marks, score_axis
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table

NOTHING_FOUND = {"dice": [0.0, 0.4, 0.9], "hd95_mm": [400.0, 3.0, 2.0], "volume_difference_ml": [-80.0, 1.0, 2.0]}
ALL_WELL = {"dice": [0.95, 0.97, 1.0], "hd95_mm": [0.0, 0.0, 0.0], "volume_difference_ml": [0.0, 0.0, 0.0]}


def scored(values: dict[str, list[float]], first_ml: float = 80.0):
    """One class, three cases in three folds; `first_ml`: the reference volume of the first."""
    return detailed_table(
        [
            {
                "fold": number,
                "case": f"case_{number}",
                "class": "infection",
                **dict.fromkeys(SCORES, float("nan")),
                **{score: own[number] for score, own in values.items()},
                "volume_reference_ml": first_ml if number == 0 else 10.0 * number,
                "volume_prediction_ml": 1.0,
                "status": "ok",
            }
            for number in range(3)
        ]
    )


@pytest.mark.parametrize("score", ["dice", "hd95_mm", "volume_difference_ml"])
@pytest.mark.parametrize("values", [NOTHING_FOUND, ALL_WELL])
@pytest.mark.parametrize("first_ml", [80.0, 0.0])
def test_box_plots_and_scores_against_size_have_one_axis(score, values, first_ml):
    table = scored(values, first_ml)
    figures = box_plots(table, score), score_against_size(table, score=score)
    boxes, *sizes = [axes for figure in figures for axes in figure.axes]
    for axes in sizes:
        assert axes.get_ylim() == boxes.get_ylim()
        assert axes.get_yscale() == boxes.get_yscale()
    bottom, top = boxes.get_ylim()
    assert all(bottom <= value <= top for value in values[score])


def test_differences_show_the_line_of_0_in_every_panel():
    figure = score_against_size(scored(NOTHING_FOUND, first_ml=0.0), score="volume_difference_ml")
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert any(set(line.get_ydata()) == {0} for line in axes.lines)


def test_scores_that_nobody_measured_have_an_axis_too():
    for score in ("dice", "hd95_mm", "volume_difference_ml"):
        axes = new_figure(2, 2).subplots()
        score_axis([axes], np.array([]), score)
        bottom, top = axes.get_ylim()
        assert bottom < top
        assert axes.get_yscale() == "linear"


def test_each_fold_has_its_mark_and_colour_until_there_are_too_few():
    marks = fold_marks([1, 0, 1, 3])
    assert list(marks) == [0, 1, 3]
    assert len({mark for mark, _ in marks.values()}) == len({colour for _, colour in marks.values()}) == 3
    assert len(set(fold_marks(range(len(MARKS) + 1)).values())) == 1


@pytest.mark.parametrize(("folds", "legends"), [(1, 0), (2, 1), (len(MARKS), 1), (len(MARKS) + 1, 0)])
def test_a_legend_names_the_folds_where_the_marks_tell_them_apart(folds, legends):
    figure = new_figure(4, 4)
    axes = figure.subplots()
    for fold in range(folds):
        axes.plot([fold], [fold], label=f"fold {fold}")
    fold_legend(figure, fold_marks(range(folds)))
    assert len(figure.legends) == legends
    for legend in figure.legends:
        assert [text.get_text() for text in legend.get_texts()] == [f"fold {fold}" for fold in range(folds)]
