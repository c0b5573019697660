import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.severity import severity_figure
from tests.evaluation.figures.case_tables import cut_texts, texts


def rows(*cases: tuple[str, float | None, float | None, float | None]) -> pd.DataFrame:
    columns = ["case", "infected_percent", "infected_percent_left", "infected_percent_right"]
    return pd.DataFrame(cases, columns=columns)


def test_the_most_severe_case_stands_at_the_top():
    figure = severity_figure(rows(("mild", 3.0, 2.0, 4.0), ("severe", 60.0, 55.0, 65.0), ("none", 0.0, 0.0, 0.0)))
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [name for _, name in sorted(zip(axes.get_yticks(), names, strict=True), reverse=True)] == [
        "severe",
        "mild",
        "none",
    ]
    assert axes.get_xlim()[1] >= 60.0
    (diamonds,) = [line for line in axes.lines if line.get_label() == "both lungs"]
    assert list(diamonds.get_xdata()) == [60.0, 3.0, 0.0]
    assert cut_texts(figure) == []


def test_what_a_mask_lacks_is_written_in_its_row():
    figure = severity_figure(rows(("one lung", 10.0, 10.0, None), ("no lungs", None, None, None)))
    assert {"no right lung", "no lung in the mask"} <= set(texts(figure.axes[0]))
    assert "no left lung" not in texts(figure.axes[0])


def test_a_table_without_rows_or_columns_is_refused():
    with pytest.raises(InputError, match="one case or more, found none"):
        severity_figure(rows())
    with pytest.raises(InputError, match="missing: infected_percent_left, infected_percent_right"):
        severity_figure(pd.DataFrame({"case": ["a"], "infected_percent": [np.nan]}))
