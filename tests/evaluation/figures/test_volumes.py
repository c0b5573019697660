"""Agreement of volumes: limits of agreement, what the figure says and draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.volumes import limits_of_agreement, volume_agreement
from tests.evaluation.figures.case_tables import UNKNOWN, legend, one_astray, points, table, texts, title


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
