"""Figures over all cases of a score table, and of a confusion matrix: what they say and what they draw."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from scipy.stats import spearmanr

from data_io.errors import InputError
from evaluation.figures.confusion import confusion_figure, short_count
from evaluation.figures.lesion_size import score_against_size
from evaluation.figures.saving import save_figure
from evaluation.figures.score_axis import MARKS
from evaluation.figures.volumes import limits_of_agreement, volume_agreement
from evaluation.measures.overlap import confusion
from evaluation.scores import SCORES
from evaluation.tables import detailed_table

UNKNOWN = float("nan")


def table(reference_ml, prediction_ml, dice=None, folds: int = 2) -> pd.DataFrame:
    """One case per volume, the class "infection"; case_0, case_1, ... in folds 0, 1, 0, ..."""
    dice = [0.5] * len(reference_ml) if dice is None else dice
    return detailed_table(
        [
            {
                "fold": index % folds,
                "case": f"case_{index}",
                "class": "infection",
                **dict.fromkeys(SCORES, UNKNOWN),
                "dice": score,
                "hd95_mm": 2.0,
                "volume_difference_ml": prediction - reference,
                "volume_reference_ml": reference,
                "volume_prediction_ml": prediction,
                "status": "ok",
            }
            for index, (reference, prediction, score) in enumerate(zip(reference_ml, prediction_ml, dice, strict=True))
        ]
    )


def one_astray(cases: int = 12) -> pd.DataFrame:
    """Differences of +1 and -1 ml in turn, but the last prediction is 50 ml too large."""
    reference = np.arange(10.0, 10.0 + cases)
    prediction = reference + np.where(np.arange(cases) % 2, 1.0, -1.0)
    prediction[-1] = reference[-1] + 50
    return table(reference, prediction)


def points(axes) -> set[tuple[float, float]]:
    """All that is drawn with a mark and no line."""
    marked = [line for line in axes.lines if line.get_linestyle() == "None"]
    return {(float(x), float(y)) for line in marked for x, y in zip(*line.get_data(), strict=True)}


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def title(figure) -> str:
    return figure.get_suptitle()


def legend(figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


# Limits of agreement


def test_limits_by_hand():
    """Differences -1, 0, 4: mean 1, squares 4 + 1 + 9 = 14, sd = sqrt(14 / 2)."""
    bias, low, high = limits_of_agreement(np.array([5.0, 7.0, 9.0]), np.array([4.0, 7.0, 13.0]))
    assert bias == 1
    assert low == pytest.approx(1 - 1.96 * 7**0.5)
    assert high == pytest.approx(1 + 1.96 * 7**0.5)


def test_two_cases_have_a_bias_but_no_limits_and_none_has_neither():
    bias, low, high = limits_of_agreement(np.array([1.0, 2.0]), np.array([2.0, 5.0]))
    assert bias == 2
    assert np.isnan([low, high]).all()
    assert np.isnan(limits_of_agreement(np.array([]), np.array([]))).all()


def test_pairs_without_a_number_do_not_count():
    reference, prediction = np.array([1.0, UNKNOWN, 2.0, 3.0, 4.0]), np.array([1.5, 3.0, 2.0, 5.0, UNKNOWN])
    known = limits_of_agreement(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 5.0]))
    assert limits_of_agreement(reference, prediction) == known


@pytest.mark.parametrize("shape", [(2,), (3, 1), ()])
def test_volumes_of_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="two lists of one length"):
        limits_of_agreement(np.ones(3), np.ones(shape))


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000)), min_size=3, max_size=20))
def test_limits_lie_evenly_about_the_bias_and_turn_over_with_the_roles(pairs):
    one, other = np.array(pairs).T
    bias, low, high = limits_of_agreement(one, other)
    assert low <= bias <= high
    assert high - bias == pytest.approx(bias - low, abs=1e-6)
    assert limits_of_agreement(other, one) == pytest.approx((-bias, -high, -low), abs=1e-6)


# Agreement of volumes


def test_both_panels_show_every_case():
    scatter, bland_altman = volume_agreement(table([10, 20, 30], [12, 18, 36])).axes
    assert points(scatter) == {(10, 12), (20, 18), (30, 36)}
    assert points(bland_altman) == {(11, 2), (19, -2), (33, 6)}


def test_equal_volumes_lie_on_the_drawn_line():
    scatter, bland_altman = volume_agreement(table([10, 20, 30], [12, 18, 36])).axes
    (line,) = (line for line in scatter.lines if line.get_label() == "equal volumes")
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert scatter.get_xlim() == scatter.get_ylim()
    assert any(set(line.get_ydata()) == {0} for line in bland_altman.lines)


def test_bias_and_limits_are_drawn_and_written():
    """Differences 2, -2, 6: mean 2, sd 4, so 2 -+ 7.84."""
    bland_altman = volume_agreement(table([10, 20, 30], [12, 18, 36])).axes[1]
    assert texts(bland_altman) == ["+ 1.96 sd\n9.84 ml", "bias\n2.00 ml", "− 1.96 sd\n−5.84 ml"]
    levels = [line.get_ydata()[0] for line in bland_altman.lines if line.get_linestyle() != "None"]
    assert sorted(levels) == pytest.approx([-5.84, 0, 2, 9.84])
    bottom, top = bland_altman.get_ylim()
    assert bottom < -5.84 < 9.84 < top


@pytest.mark.parametrize("cases", [1, 2])
def test_few_cases_have_no_limits_and_the_figure_says_so(cases):
    figure = volume_agreement(table([10, 20][:cases], [13, 23][:cases]))
    assert texts(figure.axes[1]) == ["bias\n3.00 ml\n\nfewer than\n3 cases:\nno limits"]
    assert len(points(figure.axes[0])) == cases
    assert title(figure) == f"Volume of infection (n = {cases})"


def test_a_case_outside_the_limits_is_named_and_marked():
    figure = volume_agreement(one_astray())
    for axes in figure.axes:
        assert [text for text in texts(axes) if text.startswith("case")] == ["case_11"]
        (line,) = (line for line in axes.lines if line.get_label() == "case outside the limits of agreement")
        assert len(line.get_xdata()) == 1
        assert line.get_marker() != "o"
    assert legend(figure) == ["equal volumes", "case", "case outside the limits of agreement"]


def test_names_are_no_formulas(tmp_path):
    detailed = one_astray().replace({"case": {"case_11": r"$\nonsense$"}})
    figure = volume_agreement(detailed)
    save_figure(figure, tmp_path / "names.png", dpi=50)
    assert r"$\nonsense$" in texts(figure.axes[0])


def test_names_do_not_lie_on_each_other():
    reference = np.full(60, 100.0)
    prediction = reference + np.where(np.arange(60) % 2, 0.1, -0.1)
    prediction[[10, 20]] = 150.0
    names = [text for text in texts(volume_agreement(table(reference, prediction)).axes[1]) if text[:4] == "case"]
    assert names == ["case_10"]


def test_many_cases_outside_are_not_named():
    prediction = np.full(200, 100.0)
    prediction[:8] = np.linspace(150, 200, 8)
    figure = volume_agreement(table(np.full(200, 100.0), prediction))
    assert "case outside the limits of agreement" in legend(figure)
    assert not [text for text in texts(figure.axes[0]) if text.startswith("case")]


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_equal_differences_put_no_case_outside(shift):
    reference = np.array([0.3, 10.7, 33.1, 77.7])
    figure = volume_agreement(table(reference, reference + shift))
    assert legend(figure) == ["equal volumes", "case"]
    (text,) = texts(figure.axes[1])
    assert text.startswith(f"bias\n{shift:.2f} ml\n\n± 1.96 sd")


def test_volumes_are_logarithmic_beyond_two_decades_unless_one_is_empty():
    def scales(reference, prediction):
        scatter, bland_altman = volume_agreement(table(reference, prediction)).axes
        assert bland_altman.get_yscale() == "linear"
        return {scatter.get_xscale(), scatter.get_yscale(), bland_altman.get_xscale()}

    assert scales([1, 20, 101], [1, 20, 101]) == {"log"}
    assert scales([1, 20, 99], [1, 20, 99]) == {"linear"}
    assert scales([0, 1, 20, 101], [0, 1, 20, 101]) == {"linear"}
    assert scales([1, 20, 101], [0, 20, 101]) == {"linear"}


def test_logarithmic_ticks_are_plain_numbers():
    figure = volume_agreement(table([1, 20, 1500], [1, 20, 1500]))
    figure.canvas.draw()
    labels = {label.get_text() for label in figure.axes[0].get_xticklabels()}
    assert {"1", "10", "100", "1000"} <= labels


def test_a_class_that_is_empty_everywhere_agrees(tmp_path):
    figure = volume_agreement(table([0, 0, 0], [0, 0, 0]))
    save_figure(figure, tmp_path / "empty.png", dpi=50)
    assert points(figure.axes[1]) == {(0, 0)}
    assert texts(figure.axes[1]) == ["bias\n0.00 ml\n\n± 1.96 sd\n0.00 ml\nto 0.00 ml"]


def test_cases_without_volumes_are_counted():
    assert title(volume_agreement(table([1, UNKNOWN, 2, 3], [1, 2, 2, 3]))) == (
        "Volume of infection (n = 3, 1 without volumes left out)"
    )
    figure = volume_agreement(table([UNKNOWN], [UNKNOWN]))
    assert [texts(axes) for axes in figure.axes] == [["no volumes"], ["no volumes"]]


# Score against size


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


@pytest.mark.parametrize("figure", [volume_agreement, score_against_size])
def test_an_unknown_class_is_refused(figure):
    with pytest.raises(InputError, match="no class infektion; did you mean infection"):
        figure(one_astray(), "infektion")


def test_an_unknown_score_is_refused():
    with pytest.raises(InputError, match="found dicee; did you mean dice"):
        score_against_size(one_astray(), score="dicee")


@pytest.mark.parametrize("figure", [volume_agreement, score_against_size])
@pytest.mark.parametrize("cases", [1, 3, 60])
def test_pictures_are_not_blank(figure, cases, tmp_path):
    volumes = np.geomspace(1, 2000, cases)
    save_figure(figure(table(volumes, volumes[::-1], np.linspace(0.2, 0.9, cases))), tmp_path / "a.png", dpi=50)
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.02


# Confusion matrix


def test_cells_hold_percent_of_the_reference_and_counts():
    reference = np.repeat([0, 1], [48, 16]).astype(np.uint8).reshape(4, 4, 4)
    prediction = np.repeat([0, 1], [36, 28]).astype(np.uint8).reshape(4, 4, 4)
    axes = confusion_figure(confusion(reference, prediction, 2), ["background", "infection"]).axes[0]
    assert texts(axes) == ["75.0 %", "36", "25.0 %", "12", "0.0 %", "0", "100.0 %", "16"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[75, 25], [0, 100]])
    assert axes.images[0].get_clim() == (0, 100)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["background\n48 voxels", "infection\n16 voxels"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["background", "infection"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "reference")


def test_the_first_class_is_at_the_top_left():
    axes = confusion_figure(np.array([[3, 1], [0, 4]]), ["a", "b"]).axes[0]
    first = next(text for text in axes.texts if text.get_text() == "75.0 %")
    across, up = axes.transLimits.transform(first.get_position())
    assert across < 0.5 < up


def test_a_class_without_reference_is_said_so(tmp_path):
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["background", "infection"])
    assert texts(figure.axes[0]) == ["75.0 %", "3", "25.0 %", "1", "not in the reference"]
    save_figure(figure, tmp_path / "absent.png", dpi=50)
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array()).tolist() == [[False, False], [True, True]]


def test_no_voxels_at_all(tmp_path):
    figure = confusion_figure(np.zeros((3, 3), np.int64), ["a", "b", "c"])
    save_figure(figure, tmp_path / "none.png", dpi=50)
    assert texts(figure.axes[0]) == ["not in the reference"] * 3


def test_nearly_none_and_nearly_all_are_not_rounded_away():
    assert texts(confusion_figure(np.array([[99_999, 1], [0, 5]]), ["a", "b"]).axes[0])[:4] == [
        ">99.9 %", "100.0 k", "<0.1 %", "1",
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0, 40, 60, 80, 100])
def test_text_stands_out_from_its_cell(share):
    def luminance(colour):
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return np.dot([0.2126, 0.7152, 0.0722], parts)

    axes = confusion_figure(np.array([[share, 100 - share], [0, 1]]), ["a", "b"]).axes[0]
    text = luminance(to_rgb(axes.texts[0].get_color()))
    cell = luminance(axes.images[0].to_rgba(axes.images[0].get_array())[0, 0, :3])
    assert (max(text, cell) + 0.05) / (min(text, cell) + 0.05) >= 4.5


def test_lightness_falls_with_the_share_also_in_grey():
    colours = confusion_figure(np.eye(2, dtype=np.int64), ["a", "b"]).axes[0].images[0].cmap(np.linspace(0, 1, 50))
    assert (np.diff(colours[:, :3] @ [0.299, 0.587, 0.114]) < 0).all()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (34_120, "34.1 k"), (999_949, "999.9 k"), (999_960, "1.0 M"),
     (1_234_567, "1.2 M"), (56_000_000_000, "56.0 G"), (7 * 10**15, "7000.0 T")],
)  # fmt: skip
def test_short_counts(count, text):
    assert short_count(count) == text


def test_large_counts_do_not_overflow():
    axes = confusion_figure(np.array([[3 * 10**17, 10**17], [0, 1]]), ["a", "b"]).axes[0]
    assert texts(axes)[::2][:2] == ["75.0 %", "25.0 %"]


@pytest.mark.parametrize(("shape", "names"), [((2, 3), "ab"), ((2, 2), "abc"), ((4,), "abcd"), ((0, 0), "")])
def test_a_matrix_that_is_not_one_row_and_column_per_class_is_refused(shape, names):
    with pytest.raises(InputError, match="a row and a column per class"):
        confusion_figure(np.zeros(shape, np.int64), list(names))


@pytest.mark.parametrize("matrix", [np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[1, -1], [0, 1]])])
def test_other_than_counts_are_refused(matrix):
    with pytest.raises(InputError, match="holds counts"):
        confusion_figure(matrix, ["a", "b"])


@pytest.mark.parametrize("classes", [30, 255])
def test_many_classes_fit_into_a_picture_without_numbers(classes):
    names = [f"class_{label}" for label in range(classes)]
    figure = confusion_figure(np.eye(classes, dtype=np.int64), names)
    assert max(figure.get_size_inches()) * 150 < 8000
    assert texts(figure.axes[0]) == []
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
