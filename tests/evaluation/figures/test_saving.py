"""Figures become files, whole or not at all."""

import matplotlib.image
import pytest

from pneumoseg.evaluation.figures.saving import new_figure, picture_panels, save_figure


def test_the_size_is_inches_times_dpi(tmp_path):
    save_figure(new_figure(2, 1), tmp_path / "deep" / "figure.png", dpi=100)
    assert matplotlib.image.imread(tmp_path / "deep" / "figure.png").shape[:2] == (100, 200)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["figure.png"]


def test_names_are_no_formulas(tmp_path):
    """A dollar sign begins a formula to matplotlib, and not every name is one."""
    name = r"x$_$ $\nosuch$"
    figure = new_figure(4, 3)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=name)
    axes.annotate(name, (0, 0))
    axes.set_xticks([0, 1], [name, name])
    axes.set_xlabel(name)
    axes.set_title(name)
    axes.legend(title=name)
    figure.suptitle(name)
    figure.supxlabel(name)
    figure.legend(loc="outside lower center")
    save_figure(figure, tmp_path / "names.png", dpi=50)
    assert (tmp_path / "names.png").is_file()


def test_a_format_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="nosuch"):
        save_figure(new_figure(1, 1), tmp_path / "figure.nosuch")
    assert list(tmp_path.iterdir()) == []


def test_panels_of_pictures_have_no_axes():
    figure = new_figure(3, 2)
    panels = picture_panels(figure, 2, 3)
    assert panels.shape == (2, 3)
    assert not any(axes.axison or axes.get_xticks().size or axes.get_yticks().size for axes in panels.flat)
