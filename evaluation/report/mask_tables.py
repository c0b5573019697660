"""What a report shows of masks alone: the table of publications, lesions, the tolerances of the surface Dice."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.evaluation.measures.lesions import LESION_COUNTS, LESION_SCORES, scores_of_counts
from pneumoseg.evaluation.measures.overlap import OVERLAP_SCORES
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.report.html_tables import fold_table, has_statistics, mean_cell, pooled, result_table
from pneumoseg.evaluation.scoring.mask_columns import DIFFERENCES, TITLES, lungs_definition
from pneumoseg.evaluation.scoring.pooled import AUC, POOLED, POOLED_SCORES, read_pooled
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, decimals, per_case

POOLED_MEANING = (
    "These scores come from the pixels (voxels) of all test cases counted together, so that each pixel counts alike "
    "and large findings weigh more; the means above give each case the same weight, without those of undefined score."
)

BOUNDARY = ("nsd", "hd95_mm", "assd_mm", "hd_mm")
"""The boundary scores as the result shows them: the one that reads like Dice first."""

ANATOMY = {"lung_left": "left lung", "lung_right": "right lung", "lungs": "lungs", "infection": "infection"}
"""Classes in the order of publications' tables, in words."""


def publication_table(final: pd.DataFrame) -> str:
    """Dice and NSD, mean ± sd, per class but the background, laid out as in publications."""
    rows = {row["class"]: row for row in pooled(final) if row["class"] != "background"}
    scores = [score for score in ("dice", "nsd") if any(pd.notna(row[f"{score}_mean"]) for row in rows.values())]
    if not scores:
        return ""
    ordered = [*(key for key in ANATOMY if key in rows), *(key for key in rows if key not in ANATOMY)]
    header = ["structure", *({"dice": "DSC", "nsd": "NSD"}[score] + " mean ± sd" for score in scores)]
    cells = [[ANATOMY.get(key, key), *(mean_cell(rows[key], score) for score in scores)] for key in ordered]
    caption = "As publications lay it out: mean ± standard deviation over all cases of all folds."
    return html.table(caption, header, cells)


def lesion_table(detailed: pd.DataFrame, final: pd.DataFrame) -> str:
    """Lesions per class in which they were counted: sums and means per case of the counts, pooled scores, and the mean
    of the cases' scores; nothing where none were counted."""
    if not set(LESION_COUNTS) <= set(detailed.columns):
        return ""
    rows_of = {row["class"]: row for row in pooled(final)}
    header = ["class", "cases", *(TITLES[count] for count in LESION_COUNTS)]
    header += [f"{TITLES[score]}, pooled" for score in LESION_SCORES]
    averaged = [score for score in LESION_SCORES if has_statistics(final, score, "mean")]
    header += [f"{TITLES[score]}, mean of cases ± sd" for score in averaged]
    rows = []
    for key, part in per_case(detailed, LESION_COUNTS).groupby(level="class", sort=False):
        counts = part.dropna()
        if not len(counts):
            continue
        cells = [f"{total:.0f} ({mean:.1f})" for total, mean in zip(counts.sum(), counts.mean(), strict=True)]
        cells += [decimals(score) for score in scores_of_counts(*counts.sum()).values()]
        cells += [mean_cell(rows_of[key], score) for score in averaged]
        rows.append([key, len(counts), *cells])
    caption = "Lesions: connected pieces over all cases of all folds; in brackets the mean per case."
    return html.table(caption, header, rows) if rows else ""


def tolerance_note(detailed: pd.DataFrame) -> str:
    """The tolerances of the NSD, which belong to its numbers."""
    used = detailed[["class", "nsd_tolerance_mm"]].dropna().drop_duplicates()
    tolerances = ", ".join(f"{key} {tolerance:g} mm" for key, tolerance in used.itertuples(index=False))
    return html.note(f"Tolerance of the NSD: {tolerances}." if tolerances else "")


def pooled_sections(folder: Path) -> dict[str, list[str]]:
    """The section on the scores over all pixels of all cases of a run, or an evaluation, in `folder`; none where these
    were not counted. Raises InputError where the table of these scores holds something else."""
    if not (folder / POOLED).is_file():
        return {}
    table = read_pooled(folder / POOLED)
    scores = [*POOLED_SCORES, *([AUC] if AUC in table else [])]
    rows = [
        [row["class"], *(decimals(row[score]) for score in scores)]
        for row in table[table["fold"] == ALL_FOLDS].to_dict("records")
    ]
    header = ["class", *(TITLES[score] for score in scores)]
    caption = "One number per class from the sum of all confusion matrices; a case counts each time that it was tested."
    return {"Pooled over all pixels": [html.paragraph(POOLED_MEANING), html.table(caption, header, rows)]}


def mask_result(detailed: pd.DataFrame, final: pd.DataFrame) -> list[str]:
    """The section "Result" of a report on masks."""

    def measured(scores: Sequence[str]) -> list[str]:
        return [score for score in scores if detailed[score].notna().any()]

    return [
        publication_table(final),
        tolerance_note(detailed),
        html.note(lungs_definition(final["class"])),
        result_table(final, measured((*OVERLAP_SCORES, "auc")), "Overlap"),
        result_table(final, measured(BOUNDARY), "Surfaces"),
        fold_table(final, "dice"),
        fold_table(final, "nsd"),
        lesion_table(detailed, final),
        result_table(final, measured(DIFFERENCES), "Volumes"),
    ]
