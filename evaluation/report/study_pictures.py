"""Pictures of single studies in a report: where the network found what it says of the worst and the best ones."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.scoring.study_columns import DISEASE, SEVERITY

RANKED = {"label": (DISEASE, "brier", "Brier score"), "score": (SEVERITY, "absolute_error", "error")}
"""By output of the network the class of its scores, the score that ranks studies, and its name."""

HEADS = tuple(RANKED)
SHOWN_STUDIES = 3


def sheet_path(folder: Path, study: str, head: str) -> Path:
    """Where the sheet of an output lies in the folder of a fold's pictures."""
    return folder / f"{study}.{head}.png"


def extreme_sheets(detailed: pd.DataFrame, folders: Mapping[tuple[int, str], Path]) -> Figures:
    """Captions and sheets of the `SHOWN_STUDIES` worst and best studies, by label and by score; each study once for an
    output. `folders`: where their pictures lie, by fold and study."""
    figures: Figures = []
    for head, (kind, score, name) in RANKED.items():
        rows = detailed[detailed["class"] == kind].dropna(subset=[score])
        ranked = [
            (f"{row['case']}, fold {row['fold']}: Grad-CAM of the {head}, {name} {row[score]:.3g}", sheet)
            for row in rows.sort_values(score, ascending=False, kind="stable").to_dict("records")
            if (folder := folders.get((row["fold"], row["case"])))
            and (sheet := sheet_path(folder, row["case"], head)).is_file()
        ]
        best = ranked[max(SHOWN_STUDIES, len(ranked) - SHOWN_STUDIES) :][::-1]
        for label, sheets in (("one of the worst", ranked[:SHOWN_STUDIES]), ("one of the best", best)):
            figures += [(f"{caption} ({label})", sheet) for caption, sheet in sheets]
    return figures
