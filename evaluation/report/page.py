"""The report of a run: one HTML file that shows everything and loads nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.measures.overlap import OVERLAP_SCORES
from pneumoseg.evaluation.report import html, slice_viewer
from pneumoseg.evaluation.report import html_tables as report_tables
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.case_scores import DIFFERENCES, SCORES, lungs_definition
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, FURTHER_STATISTICS, STATISTICS

BOUNDARY = ("nsd", "hd95_mm", "assd_mm", "hd_mm")
"""The boundary scores as the result shows them: the one that reads like Dice first."""

COUNTS = (
    "TP, FP, FN and TN count voxels: true and false positives and negatives of the prediction. A score whose "
    "denominator is 0 is undefined."
)
STRIPS = (
    "Each picture opens the slices of its case. Left: the CT. Right: the same with the outlines of the classes "
    "(reference solid, prediction dashed) and, filled, where the last class is right (green), missed (orange) or false "
    "(purple) and where another class differs (yellow)."
)


def summarise(final: pd.DataFrame) -> dict:
    """The rows of fold "all" as plain content for JSON, with None in place of NaN.

    `{"folds": n, "classes": {CLASS: {"cases": n, SCORE: {"mean", "sd", "median", "undefined", "q1", "q3", "ci95_low",
    "ci95_high"}, ...}}}`; the group `lungs` carries its `definition` too.
    """
    classes = {}
    definition = lungs_definition(final["class"])
    for row in final[final["fold"] == ALL_FOLDS].to_dict("records"):
        entry: dict = {"cases": int(row["cases"])}
        if definition and row["class"] == "lungs":
            entry["definition"] = definition
        for score in SCORES:
            entry[score] = {name: _plain(row[f"{score}_{name}"]) for name in (*STATISTICS, *FURTHER_STATISTICS)}
            entry[score]["undefined"] = int(row[f"{score}_undefined"])
        classes[str(row["class"])] = entry
    return {"folds": int((final["fold"].drop_duplicates() != ALL_FOLDS).sum()), "classes": classes}


def write_report(
    path: str | Path,
    title: str,
    summary: Mapping,
    *,
    settings_yaml: str,
    splits: Sequence[Split],
    detailed: pd.DataFrame,
    final: pd.DataFrame,
    figures: Sequence[tuple[str, str | Path]],
    warnings: Sequence[str],
    environment: Mapping,
    strips: Mapping[str, Sequence[FilmStrip]] = {},
) -> None:
    """Writes the report to `path` (.html), whole or not at all.

    `summary`: facts for the head of the page (nested "classes", as of `summarise`, is what the result tables show);
    `detailed`, `final`: the tables of `scoring.tables`; `figures`: (caption, path of a PNG); `strips`: film strips
    of cases under their heading, such as "Worst cases". All text is escaped. Raises InputError for a picture that is
    missing or of another format, or a strip whose frames do not fit.
    """
    shown = [score for score in SCORES if detailed[score].notna().any()]
    overlap, boundary, differences = (
        [score for score in scores if score in shown] for scores in ((*OVERLAP_SCORES, "auc"), BOUNDARY, DIFFERENCES)
    )
    undefined = report_tables.undefined_lines(final, shown)
    sections = {
        "Result": [
            report_tables.publication_table(final),
            report_tables.tolerance_note(detailed),
            html.note(lungs_definition(final["class"])),
            report_tables.result_table(final, overlap, "Overlap"),
            report_tables.result_table(final, boundary, "Surfaces"),
            report_tables.fold_table(final, "dice"),
            report_tables.fold_table(final, "nsd"),
            report_tables.lesion_table(detailed, final),
            report_tables.result_table(final, differences, "Volumes"),
        ],
        "Warnings": [html.warning(text) for text in (*warnings, *undefined)],
        "Worst and best cases": _films(strips),
        "Figures": [html.figure(caption, html.read_picture(picture)) for caption, picture in figures],
        "Scores per case": [report_tables.case_table(detailed), report_tables.all_scores(detailed, shown)],
        "Splits": [report_tables.split_table(splits)],
        "Settings": [html.preformatted(settings_yaml)],
        "Environment": [html.facts(environment, "Versions, seed and data")],
        "Definitions of the scores": [html.paragraph(COUNTS), report_tables.definitions(detailed, shown)],
    }
    if not any(strips.values()):
        del sections["Worst and best cases"]
    facts = {key: value for key, value in summary.items() if key != "classes"}
    style = slice_viewer.STYLE if any(strips.values()) else ""
    write_text(path, html.page(title, html.facts(facts, "Summary"), sections, style=style))


def _films(strips: Mapping[str, Sequence[FilmStrip]]) -> list[str]:
    parts = [html.paragraph(STRIPS)]
    for heading, cases in strips.items():
        if cases:
            parts += [html.subheading(heading), slice_viewer.thumbnails(cases)]
    return [*parts, slice_viewer.DIALOG]


def _plain(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
