import pandas as pd

from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.trust import trust_figure


def table() -> pd.DataFrame:
    rows = [("infection", 0.5, 0.55, 0.4, 0.7, "review"), ("infection", 0.8, 0.78, 0.6, 0.9, "use"),
            ("lungs", 0.97, 0.96, 0.94, 0.98, "use"), ("lungs", 0.9, None, None, None, "do not trust")]  # fmt: skip
    return pd.DataFrame(rows, columns=["class", "dice", "predicted_dice", "low", "high", "verdict"])


def test_a_panel_for_each_class_with_its_cases(tmp_path):
    figure = trust_figure(table())
    assert [axes.get_title() for axes in figure.axes] == ["infection", "lungs"]
    marks = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s", "X")]
    assert sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in marks) == [
        (0.5, 0.55),
        (0.8, 0.78),
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["use", "review"]
    save_figure(figure, tmp_path / "trust.png")
    assert (tmp_path / "trust.png").stat().st_size > 1000


def test_without_predictions_the_figure_is_empty(tmp_path):
    save_figure(trust_figure(table().iloc[:0]), tmp_path / "trust.png")
