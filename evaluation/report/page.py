"""The report of a run: one HTML file that shows everything and loads nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.report import html, slice_viewer
from pneumoseg.evaluation.report import html_tables as report_tables
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, FURTHER_STATISTICS, STATISTICS

STRIPS = (
    "Each picture opens the slices of its case. Left: the CT. Right: the same with the outlines of the classes "
    "(reference solid, prediction dashed) and, filled, where the last class is right (green), missed (orange) or false "
    "(purple) and where another class differs (yellow)."
)


def summarise(final: pd.DataFrame, columns: Columns = MASK_COLUMNS) -> dict:
    """The rows of fold "all" as plain content for JSON, with None in place of NaN.

    `{"folds": n, "classes": {CLASS: {"cases": n, SCORE: {"mean", "sd", "median", "undefined", "q1", "q3", "ci95_low",
    "ci95_high"}, ...}}}`; a class that needs an explanation, such as the group `lungs`,
    carries its `definition` too.
    """
    classes = {}
    definitions = columns.class_definitions(final["class"])
    for row in final[final["fold"] == ALL_FOLDS].to_dict("records"):
        entry: dict = {"cases": int(row["cases"])}
        if row["class"] in definitions:
            entry["definition"] = definitions[row["class"]]
        for score in columns.scores:
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
    result: Sequence[str] | None = None,
    further: Mapping[str, Sequence[str]] = {},
    columns: Columns = MASK_COLUMNS,
) -> None:
    """Writes the report to `path` (.html), whole or not at all.

    `summary`: facts for the head of the page (nested "classes", as of `summarise`, is what the result tables show; a
    "warning" stands above them); `detailed`, `final`: the tables of `scoring.tables`, with `columns`; `figures`:
    (caption, path of a PNG); `strips`: film strips of cases under their heading, such as "Worst cases"; `result`: the
    parts of the section of that name as HTML, by default one table of all scores; `further`: sections after it, by
    heading, likewise. All text is escaped. Raises InputError for a picture that is missing or of another format, or a
    strip whose frames do not fit.
    """
    shown = [score for score in columns.scores if detailed[score].notna().any()]
    undefined = report_tables.undefined_lines(final, shown, columns=columns)
    if result is None:
        result = _plain_result(final, shown, columns)
    sections = {
        "Result": list(result),
        **further,
        "Warnings": [html.warning(text) for text in (*warnings, *undefined)],
        "Worst and best cases": _films(strips),
        "Figures": [html.figure(caption, html.read_picture(picture)) for caption, picture in figures],
        "Scores per case": [
            report_tables.case_table(detailed, columns=columns),
            report_tables.all_scores(detailed, shown, columns=columns),
        ],
        "Splits": [report_tables.split_table(splits)],
        "Settings": [html.preformatted(settings_yaml)],
        "Environment": [html.facts(environment, "Versions, seed and data")],
        "Definitions of the scores": [
            html.paragraph(columns.preamble) if columns.preamble else "",
            report_tables.definitions(detailed, shown, columns=columns),
        ],
    }
    if not any(strips.values()):
        del sections["Worst and best cases"]
    facts = {key: value for key, value in summary.items() if key not in ("classes", "warning")}
    head = [html.warning(summary["warning"])] if "warning" in summary else []
    style = slice_viewer.STYLE if any(strips.values()) else ""
    write_text(path, html.page(title, "\n".join([*head, html.facts(facts, "Summary")]), sections, style=style))


def _plain_result(final: pd.DataFrame, shown: Sequence[str], columns: Columns) -> list[str]:
    return [
        *(html.note(definition) for definition in columns.class_definitions(final["class"]).values()),
        report_tables.result_table(final, shown, "Scores", columns=columns),
        report_tables.fold_table(final, columns.main, columns=columns),
    ]


def _films(strips: Mapping[str, Sequence[FilmStrip]]) -> list[str]:
    parts = [html.paragraph(STRIPS)]
    for heading, cases in strips.items():
        if cases:
            parts += [html.subheading(heading), slice_viewer.thumbnails(cases)]
    return [*parts, slice_viewer.DIALOG]


def _plain(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
