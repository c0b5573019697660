"""The report of `pneumoseg explore`: one HTML file with what a dataset holds, case by case."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.evaluation.exploration.table import AXES
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.scoring.tables import decimals

THUMBNAIL_PIXELS = 1200
"""Width of a case's picture in the page: readable on a wide screen, and a page of hundreds of cases still opens."""

FAR_SPACING = 2.0
"""How many times larger or smaller than the dataset's median a spacing is remarkable."""


def write_exploration_report(
    path: str | Path,
    title: str,
    table: pd.DataFrame,
    *,
    summary: Mapping,
    figures: Sequence[tuple[str, str | Path]],
    thumbnails: Sequence[tuple[str, str | Path]],
    warnings: Sequence[str],
    labels: LabelTable = LUNG_LABELS,
) -> None:
    """Writes the report to `path` (.html), whole or not at all.

    `table`, `summary`: of `exploration.table`; `figures`: (caption, path of a PNG) of the dataset; `thumbnails`:
    the same of each case, embedded smaller; `warnings`: such as those of `remarkable_cases`. All text is escaped.
    Raises InputError for a picture that is missing or no picture.
    """
    pictures = "\n".join(
        html.figure(caption, html.read_thumbnail(picture, THUMBNAIL_PIXELS)) for caption, picture in thumbnails
    )
    sections = {
        "Warnings": [html.warning(text) for text in warnings],
        "Cases": [_case_table(table), _share_table(table, labels)],
        "Figures": [html.figure(caption, html.read_picture(picture)) for caption, picture in figures],
        "Slices of each case": [f'<div class="grid">\n{pictures}\n</div>' if pictures else ""],
    }
    write_text(path, html.page(title, html.facts(summary, "Summary"), sections))


def remarkable_cases(table: pd.DataFrame, labels: LabelTable = LUNG_LABELS) -> list[str]:
    """Sentences on the cases of an `explore` table that are volumes not in HU, have unusual spacings, have no mask
    or one without some classes, or voxels that do not count.

    Unusual: along an axis more than `FAR_SPACING` times larger or smaller than the dataset's median, or not the same
    along x and y (by over 1 %).
    """
    spacings = table[[f"spacing_{axis}_mm" for axis in AXES]]
    ratios = spacings / spacings.median()
    far = ((ratios > FAR_SPACING) | (ratios < 1 / FAR_SPACING)).any(axis=1)
    x, y = spacings["spacing_x_mm"], spacings["spacing_y_mm"]
    oblong = (x - y).abs() > 0.01 * pd.concat([x, y], axis=1).max(axis=1)
    remarks = (
        (~table["hu"].astype(bool) & (table["shape_z"] > 1), "not in HU (already windowed, or offset)"),
        (far, f"a spacing more than {FAR_SPACING:g} times off the dataset's median along its axis"),
        (oblong, "voxels that are not square in the axial plane"),
        (table[f"frequency_{labels.names[0]}"].isna(), "no mask"),
        (table["labels_present"] != "", "not all classes are labelled"),
        (table["valid_share"] < 1, "voxels that do not count"),
    )
    return [
        f"{rows.sum()} of {len(table)} cases: {what}: {', '.join(map(str, table.loc[rows, 'case']))}."
        for rows, what in remarks
        if rows.any()
    ]


def _case_table(table: pd.DataFrame) -> str:
    rows = [
        [
            *(row["case"], row["patient"], row["source"]),
            " × ".join(f"{row[f'shape_{axis}']}" for axis in AXES),
            " × ".join(f"{row[f'spacing_{axis}_mm']:.2f}" for axis in AXES),
            *(row["orientation"], row["dtype"]),
            *(f"{row[column]:.6g}" for column in ("minimum", "maximum")),
            f"{row['mean']:.1f}",
            "yes" if row["hu"] else "no",
            row["mask_values"] or "–",
        ]
        for row in table.to_dict("records")
    ]
    header = ["case", "patient", "source", "voxels x × y × z", "spacing (mm)", "axes", "type", "minimum", "maximum"]
    return html.table("The volume of each case; axes as in the file.", [*header, "mean", "HU", "mask's values"], rows)


def _share_table(table: pd.DataFrame, labels: LabelTable) -> str:
    rows = []
    for row in table.to_dict("records"):
        cells = [row["case"]]
        for name in labels.names:
            cells.append(decimals(100 * row[f"frequency_{name}"], 2))
            cells.append(decimals(row[f"volume_{name}_ml"], 1))
        rows.append(cells)
    header = ["case", *(f"{name} ({unit})" for name in labels.names for unit in ("%", "ml"))]
    return html.table(
        "Share of all voxels and volume of each class; an en dash where it is not labelled.", header, rows
    )
