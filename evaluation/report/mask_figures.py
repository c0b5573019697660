"""The figures of a report on masks: volumes, lesion sizes, confusion, and the pictures of each case."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pneumoseg.evaluation.figures.case_pictures import film_strip
from pneumoseg.evaluation.figures.confusion import confusion_figure
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.figures.lesion_size import score_against_size
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.volumes import volume_agreement
from pneumoseg.evaluation.report.score_figures import Figures, draw_scores
from pneumoseg.evaluation.scoring import files
from pneumoseg.evaluation.scoring.mask_columns import LESIONS, MASK_COLUMNS

SHOWN_CASES = 5
MOST_SHEETS = 60
"""Sheets of cases in a report: of very many pictures those of the worst, or the page would not open."""

Folders = Mapping[tuple[int, str], Path]
"""Where the pictures of a case lie, by the fold that tested it and its name."""


def draw_masks(folder: Path, detailed: pd.DataFrame) -> Figures:
    """Draws what concerns all cases to `folder`/figures; the captions and paths of the pictures."""
    figures = draw_scores(folder, detailed, MASK_COLUMNS)
    for name in [name for name in LESIONS if (detailed["class"] == name).any()]:
        path = folder / "figures" / f"volume_{name}.png"
        save_figure(volume_agreement(detailed, name), path)
        figures.append((f"Volume of {name}: prediction against reference, and Bland-Altman plot", path))
        path = folder / "figures" / f"dice_by_size_{name}.png"
        save_figure(score_against_size(detailed, name), path)
        figures.append((f"Dice of {name} against its volume in the reference", path))
    if (folder / files.CONFUSION).is_file():
        path = folder / "figures" / "confusion.png"
        save_figure(confusion_figure(*files.read_confusion(folder / files.CONFUSION)), path)
        figures.append(("Voxels of each class and what they were taken for, all cases together", path))
    return figures


def case_sheets(detailed: pd.DataFrame, folders: Folders) -> Figures:
    """Caption and sheet of each tested case that has one; of more than `MOST_SHEETS` those with the lowest Dice, as the
    first caption says. `folders`: where its pictures lie."""
    sheets = {
        key: (f"{name}: CT, contours of reference and prediction, errors", folders[key] / f"{key[1]}.png")
        for key, name in _names(detailed).items()
        if key in folders and (folders[key] / f"{key[1]}.png").is_file()
    }
    if len(sheets) <= MOST_SHEETS:
        return list(sheets.values())
    worst = _dice(detailed)[1]
    shown = [sheets[key] for key in worst.index if key in sheets][:MOST_SHEETS]
    (caption, path), *others = shown or list(sheets.values())[:MOST_SHEETS]
    many = f"{caption} ({len(others) + 1} of {len(sheets)} cases, the lowest Dice first; the others lie beside it)"
    return [(many, path), *others]


def extreme_cases(detailed: pd.DataFrame, folders: Folders) -> dict[str, list[FilmStrip]]:
    """Film strips of the worst and the best cases by heading: by Dice of the infection, or of the last class there is.

    With fewer than twice `SHOWN_CASES`, no case is in both. Cases whose score is undefined are in neither.
    """
    shown = _names(detailed)
    name, dice = _dice(detailed)
    strips = [
        film_strip(folders[key], key[1], f"{shown[key]}: Dice of {name} {value:.3f}")
        for key, value in zip(dice.index, dice, strict=True)
        if key in folders
    ]
    ranked = [strip for strip in strips if strip is not None]
    best = ranked[max(SHOWN_CASES, len(ranked) - SHOWN_CASES) :][::-1]
    return {"Worst cases": ranked[:SHOWN_CASES], "Best cases": best} if best else {"All cases": ranked}


def _dice(detailed: pd.DataFrame) -> tuple[str, pd.Series]:
    """The infection, or the last class there is, and its defined Dice by fold and case, the worst first."""
    classes = list(detailed["class"].drop_duplicates())
    name = next((name for name in LESIONS if name in classes), classes[-1])
    dice = detailed[detailed["class"] == name].set_index(["fold", "case"])["dice"]
    return name, dice.dropna().sort_values(kind="stable")


def _names(detailed: pd.DataFrame) -> dict[tuple[int, str], str]:
    """What each tested case is called, by fold and case: with its fold where it was tested in several."""
    keys = list(detailed[["fold", "case"]].drop_duplicates().itertuples(index=False, name=None))
    times = Counter(case for _, case in keys)
    return {(fold, case): f"{case}, fold {fold}" if times[case] > 1 else case for fold, case in keys}
