"""Score tables for the tests of figures, and what is written and drawn on such a figure."""

import numpy as np
import pandas as pd

from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table

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


def cut_texts(figure) -> list[str]:
    """What is written in the panels, their titles and labels, but reaches beyond the edge of the figure."""
    figure.canvas.draw()
    shown = [text for axes in figure.axes for text in (*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label)]
    edge = figure.bbox.padded(1)
    corners = {text: text.get_window_extent().corners() for text in [*shown, *figure.texts] if text.get_text()}
    return [text.get_text() for text, places in corners.items() if not all(edge.contains(*place) for place in places)]
