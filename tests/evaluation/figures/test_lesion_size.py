"""The score of each case against its reference volume."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.lesion_size import score_against_size
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.score_axis import MARKS
from tests.evaluation.figures.case_tables import UNKNOWN, legend, one_astray, points, table, texts, title


def test_each_case_stands_at_its_volume():
    (axes,) = score_against_size(table([1, 10, 100], [1, 1, 1], [0.2, 0.4, 0.9])).axes
    assert axes.get_xscale() == "log"
    assert points(axes) == {(1, 0.2), (10, 0.4), (100, 0.9)}
    assert axes.get_xlabel() == "reference volume of infection (ml)"
    assert axes.get_ylim()[1] == pytest.approx(1.02)


def test_spearman_is_that_of_scipy():
    random = np.random.default_rng(0)
    volumes, dice = random.uniform(1, 900, 17), random.uniform(0, 1, 17)
    rho = spearmanr(volumes, dice).statistic
    assert title(score_against_size(table(volumes, volumes, dice))) == (
        f"Spearman's ρ = {rho:.2f} (n = 17)".replace("-", "−")
    )


def test_falling_scores_have_a_true_minus_sign():
    assert title(score_against_size(table([1, 2, 3], [1, 2, 3], [0.9, 0.8, 0.7]))) == "Spearman's ρ = −1.00 (n = 3)"


@pytest.mark.parametrize("cases", [1, 2])
def test_few_cases_have_no_correlation(cases):
    figure = score_against_size(table([1, 9][:cases], [1, 9][:cases], [0.1, 0.2][:cases]))
    assert title(figure) == f"n = {cases}: too few cases for a rank correlation"
    assert len(points(figure.axes[0])) == cases


@pytest.mark.parametrize(
    ("volumes", "dice", "what"), [([1, 2, 3], [0.5] * 3, "scores"), ([2, 2, 2], [0.1, 0.2, 0.3], "volumes")]
)
def test_equal_values_have_no_correlation(volumes, dice, what):
    figure = score_against_size(table(volumes, volumes, dice))
    assert title(figure) == f"n = 3: no rank correlation where all {what} are equal"


def test_empty_references_have_a_band_of_their_own_and_do_not_correlate():
    figure = score_against_size(table([0, 0, 1, 2, 3], [5, 5, 1, 2, 3], [0.0, 0.0, 0.9, 0.7, 0.8]))
    band, axes = figure.axes
    assert {y for _, y in points(band)} == {0.0}
    assert len(points(band)) == 2  # side by side
    assert [label.get_text() for label in band.get_xticklabels()] == ["reference\nempty\nn = 2"]
    assert band.get_facecolor() != axes.get_facecolor()
    assert band.get_position().x0 < axes.get_position().x0
    assert band.get_ylim() == axes.get_ylim()
    assert points(axes) == {(1, 0.9), (2, 0.7), (3, 0.8)}
    assert title(figure) == "Spearman's ρ = −0.50 (n = 3)"


def test_undefined_scores_are_counted_not_drawn():
    figure = score_against_size(table([0, 1, 2, 3], [0, 1, 2, 3], [UNKNOWN, 0.1, 0.2, 0.3]))
    assert len(figure.axes) == 1
    assert title(figure) == "Spearman's ρ = 1.00 (n = 3)\nnot drawn: 1 with an undefined score"


def test_a_class_that_is_nowhere_is_said_so(tmp_path):
    figure = score_against_size(table([0, 0], [0, 0], [UNKNOWN] * 2))
    save_figure(figure, tmp_path / "none.png", dpi=50)
    assert texts(figure.axes[0]) == ["no case with this class\nin the reference and a defined score"]
    assert legend(figure) == []


def test_folds_differ_by_mark_and_colour():
    figure = score_against_size(table([1, 2, 3, 4], [1, 2, 3, 4], folds=4))
    assert legend(figure) == ["fold 0", "fold 1", "fold 2", "fold 3"]
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 4
    assert len({line.get_color() for line in figure.axes[0].lines}) == 4


def test_more_folds_than_marks_look_alike_without_a_legend():
    volumes = np.arange(1.0, len(MARKS) + 2)
    figure = score_against_size(table(volumes, volumes, folds=len(volumes)))
    assert legend(figure) == []
    assert {line.get_marker() for line in figure.axes[0].lines} == {MARKS[0]}


def test_distances_begin_at_0_and_far_ones_are_logarithmic():
    near = table([1, 2, 3], [1, 2, 3])
    axes = score_against_size(near, score="hd95_mm").axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] == 0
    near.loc[0, "hd95_mm"] = 500.0
    axes = score_against_size(near, score="hd95_mm").axes[0]
    assert axes.get_yscale() == "symlog"
    assert axes.get_ylim()[1] > 500


def test_volume_differences_may_be_below_0():
    axes = score_against_size(table([10, 20, 30], [1, 2, 80]), score="volume_difference_ml").axes[0]
    bottom, top = axes.get_ylim()
    assert bottom < -18
    assert top > 50
    assert any(set(line.get_ydata()) == {0} for line in axes.lines)


def test_an_unknown_score_is_refused():
    with pytest.raises(InputError, match="found dicee; did you mean dice"):
        score_against_size(one_astray(), score="dicee")
