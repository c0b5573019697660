"""The results of a whole run: cv_results.*.csv, summary.json, figures and report.html from what the folds left."""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.figures.box_plots import box_plots
from pneumoseg.evaluation.figures.case_pictures import film_strip
from pneumoseg.evaluation.figures.confusion import confusion_figure
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.figures.lesion_size import score_against_size
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.volumes import volume_agreement
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring import files
from pneumoseg.evaluation.scoring.case_scores import LESIONS
from pneumoseg.evaluation.scoring.columns import TITLES

BOX_PLOTS = ("dice", "nsd", "hd95_mm", "iou", "sensitivity", "precision")
SHOWN_CASES = 5

Figures = list[tuple[str, Path]]
"""Captions and paths."""

Folders = Mapping[tuple[int, str], Path]
"""Where the pictures of a case lie, by the fold that tested it and its name."""


def write_results(
    run: RunFolder,
    splits: Sequence[Split],
    detailed: pd.DataFrame,
    *,
    final: pd.DataFrame,
    model_choice: str,
    show_cases: bool = True,
) -> None:
    """Writes the tables, the summary, the figures and the report of a run whose folds are finished.

    `model_choice`: how the method chose each fold's model, in words. `show_cases`: whether the report shows CTs.
    """
    write_table(detailed, run.root / "cv_results.detailed.csv")
    write_table(final, run.root / "cv_results.final.csv")
    files.merge_scores([run.fold(fold) for fold in range(len(splits))], run.root)
    summary = {"model choice": model_choice, **summarise(final)}
    write_json(run.root / "summary.json", summary)
    figures = draw_results(run.root, detailed)
    for fold in range(len(splits)):
        curve = run.fold(fold) / "fitting_curve.png"
        if curve.is_file():
            figures.append((f"Fold {fold}: training", curve))
    folders = {}
    if show_cases:
        folders = {(fold, case): run.fold(fold) / "figures" for fold, split in enumerate(splits) for case in split.test}
    write_report(
        run.root / "report.html",
        f"Cross-validation: {run.root.name}",
        summary,
        settings_yaml=run.settings_yaml,
        splits=splits,
        detailed=detailed,
        final=final,
        figures=[*figures, *case_sheets(detailed, folders)],
        warnings=_warnings(run),
        environment=run.environment,
        strips=extreme_cases(detailed, folders),
    )


def remove_results(folder: Path) -> None:
    """Removes what `write_results` wrote: where a fold begins again, it tells of a model that is no longer there."""
    written = ("report.html", "summary.json", "cv_results.final.csv", "cv_results.detailed.csv")
    for name in (*written, files.LESIONS, files.CONFUSION):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "figures", ignore_errors=True)


def draw_results(folder: Path, detailed: pd.DataFrame) -> Figures:
    """Draws what concerns all cases to `folder`/figures; the captions and paths of the pictures."""
    figures: Figures = []
    for score in BOX_PLOTS:
        path = folder / "figures" / f"{score}.png"
        save_figure(box_plots(detailed, score), path)
        title = TITLES[score]
        figures.append((f"{title[0].upper()}{title[1:]} per class: every case, over the folds", path))
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
    """Caption and sheet of each tested case that has one. `folders`: where its pictures lie."""
    sheets = [
        (f"{name}: CT, contours of reference and prediction, errors", folders[key] / f"{key[1]}.png")
        for key, name in _names(detailed).items()
        if key in folders
    ]
    return [(caption, path) for caption, path in sheets if path.is_file()]


def extreme_cases(detailed: pd.DataFrame, folders: Folders) -> dict[str, list[FilmStrip]]:
    """Film strips of the worst and the best cases by heading: by Dice of the infection, or of the last class there is.

    With fewer than twice `SHOWN_CASES`, no case is in both. Cases whose score is undefined are in neither.
    """
    classes = list(detailed["class"].drop_duplicates())
    name = next((name for name in LESIONS if name in classes), classes[-1])
    shown = _names(detailed)
    dice = detailed[detailed["class"] == name].set_index(["fold", "case"])["dice"].dropna().sort_values(kind="stable")
    strips = [
        film_strip(folders[key], key[1], f"{shown[key]}: Dice of {name} {value:.3f}")
        for key, value in zip(dice.index, dice, strict=True)
        if key in folders
    ]
    ranked = [strip for strip in strips if strip is not None]
    best = ranked[max(SHOWN_CASES, len(ranked) - SHOWN_CASES) :][::-1]
    return {"Worst cases": ranked[:SHOWN_CASES], "Best cases": best} if best else {"All cases": ranked}


def _names(detailed: pd.DataFrame) -> dict[tuple[int, str], str]:
    """What each tested case is called, by fold and case: with its fold where it was tested in several."""
    keys = list(detailed[["fold", "case"]].drop_duplicates().itertuples(index=False, name=None))
    times = Counter(case for _, case in keys)
    return {(fold, case): f"{case}, fold {fold}" if times[case] > 1 else case for fold, case in keys}


def _warnings(run: RunFolder) -> list[str]:
    """What was warned of during the run, from its log."""
    path = run.root / "log.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    marked = (line.partition(" WARNING ")[2] for line in lines)
    return grouped(warning for warning in marked if warning)


def grouped(warnings: Iterable[str]) -> list[str]:
    """Each warning once; "A: TEXT" and "B: TEXT", the same of two cases or files, as "A, B: TEXT"."""
    names: dict[str, list[str]] = {}
    for warning in dict.fromkeys(warnings):
        head, colon, text = warning.partition(": ")
        names.setdefault(text if colon else head, []).extend([head] if colon else [])
    return [f"{', '.join(found)}: {text}" if found else text for text, found in names.items()]
