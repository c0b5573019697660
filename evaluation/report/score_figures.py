"""The figures of a report that concern all cases, with their captions, whatever was scored."""

from pathlib import Path

import pandas as pd

from pneumoseg.evaluation.figures.box_plots import box_plots
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.scoring.columns import Columns

Figures = list[tuple[str, Path]]
"""Captions and paths."""


def draw_scores(folder: Path, detailed: pd.DataFrame, columns: Columns) -> Figures:
    """Draws a box plot of each score in `columns.drawn` to `folder`/figures; the captions and paths of the pictures."""
    figures: Figures = []
    for score in columns.drawn:
        path = folder / "figures" / f"{score}.png"
        save_figure(box_plots(detailed, score, columns=columns), path)
        title = columns.titles[score]
        figures.append((f"{title[0].upper()}{title[1:]} per class: every case, over the folds", path))
    return figures
