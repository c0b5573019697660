import pytest

from pneumoseg.evaluation.figures.class_panels import class_panels


@pytest.mark.parametrize(
    ("count", "class_in", "rows"),
    [(1, 1.5, [1]), (12, 1.5, [12]), (13, 1.5, [7, 6]), (5, 20.0, [1, 1, 1, 1, 1])],  # 18 inches a row
)
def test_many_classes_stand_in_rows_of_equal_width(count, class_in, rows):
    names = [f"class_{number}" for number in range(count)]
    _, panels = class_panels(names, class_in, 5.5, height_in=4.0)
    assert [len(members) for _, members in panels] == rows
    assert [name for _, members in panels for name in members] == names
    assert len({axes.get_xlim() for axes, _ in panels}) == 1


def test_a_figure_has_its_least_width_and_the_height_of_its_rows():
    figure, _ = class_panels(["a"], 1.5, 5.5, height_in=4.0)
    assert tuple(figure.get_size_inches()) == (5.5, 4.0)
    figure, _ = class_panels(["a"] * 13, 1.5, 5.5, height_in=4.0)
    assert tuple(figure.get_size_inches()) == pytest.approx((7 * 1.5 + 1.5, 2 * 0.8 * 4.0))
