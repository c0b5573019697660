"""The tables of a run's report, as HTML: results per class, per fold, per case, lesions, splits, definitions."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pneumoseg.evaluation.measures.lesions import LESION_COUNTS, LESION_SCORES, scores_of_counts
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.case_scores import DEFINITIONS, VOLUMES
from pneumoseg.evaluation.scoring.columns import TITLES
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, decimals, mean_and_sd, per_case

LEADING = ("dice", "nsd", "hd95_mm")
"""Scores whose interval and quartiles are shown beside the mean."""

ANATOMY = {"lung_left": "left lung", "lung_right": "right lung", "lungs": "lungs", "infection": "infection"}
"""Classes in the order of publications' tables, in words."""


def publication_table(final: pd.DataFrame) -> str:
    """Dice and NSD, mean ± sd, per class but the background, laid out as in publications."""
    rows = {row["class"]: row for row in _pooled(final) if row["class"] != "background"}
    scores = [score for score in ("dice", "nsd") if any(pd.notna(row[f"{score}_mean"]) for row in rows.values())]
    if not scores:
        return ""
    ordered = [*(key for key in ANATOMY if key in rows), *(key for key in rows if key not in ANATOMY)]
    header = ["structure", *({"dice": "DSC", "nsd": "NSD"}[score] + " mean ± sd" for score in scores)]
    cells = [[ANATOMY.get(key, key), *(_mean(rows[key], score) for score in scores)] for key in ordered]
    caption = "As publications lay it out: mean ± standard deviation over all cases of all folds."
    return html.table(caption, header, cells)


def result_table(final: pd.DataFrame, scores: Sequence[str], subject: str) -> str:
    """Means and deviations of `scores` per class over all cases; of the leading ones also the interval of the mean and
    the median with quartiles, where `final` has them.

    Without the classes for which the scores are not measured (no value though Dice has one: the background's surface).
    """
    if not scores:
        return ""
    header = ["class", "cases"]
    for score in scores:
        header.append(f"{TITLES[score]} mean ± sd")
        if score in LEADING and _has(final, score, "ci95_low", "ci95_high"):
            header.append("mean [95 % interval]")
        if score in LEADING:
            header.append("median [quartiles]" if _has(final, score, "q1", "q3") else "median")
    rows = []
    for row in _pooled(final):
        if not _measured(row, scores):
            continue
        cells = [row["class"], row["cases"]]
        for score in scores:
            cells.append(_mean(row, score))
            if score in LEADING and _has(final, score, "ci95_low", "ci95_high"):
                cells.append(_with_range(row, score, "mean", low="ci95_low", high="ci95_high", alone=False))
            if score in LEADING:
                cells.append(_with_range(row, score, "median", low="q1", high="q3"))
        rows.append(cells)
    caption = "Mean ± standard deviation over all cases of all folds; undefined scores are left out and counted."
    return html.table(f"{subject}. {caption}", header, rows)


def fold_table(final: pd.DataFrame, score: str) -> str:
    """The mean of `score` per class, fold by fold; nothing for a single fold or a score that was not measured."""
    measured = [row["class"] for row in _pooled(final) if _measured(row, [score])]
    means = final.pivot(index="class", columns="fold", values=f"{score}_mean")
    means = means.reindex(index=measured, columns=final["fold"].drop_duplicates())
    if len(means.columns) <= 2 or means.isna().all(axis=None):
        return ""
    header = ["class", *("all" if fold == ALL_FOLDS else f"fold {fold}" for fold in means.columns)]
    rows = [(key, *(decimals(mean, places(score)) for mean in row)) for key, *row in means.itertuples()]
    return html.table(f"Mean {TITLES[score]}, fold by fold.", header, rows)


def lesion_table(detailed: pd.DataFrame, final: pd.DataFrame) -> str:
    """Lesions per class in which they were counted: sums and means per case of the counts, pooled scores, and the mean
    of the cases' scores; nothing where none were counted."""
    if not set(LESION_COUNTS) <= set(detailed.columns):
        return ""
    pooled = {row["class"]: row for row in _pooled(final)}
    header = ["class", "cases", *(TITLES[count] for count in LESION_COUNTS)]
    header += [f"{TITLES[score]}, pooled" for score in LESION_SCORES]
    header += [f"{TITLES[score]}, mean of cases ± sd" for score in LESION_SCORES if _has(final, score, "mean")]
    rows = []
    for key, part in per_case(detailed, LESION_COUNTS).groupby(level="class", sort=False):
        counts = part.dropna()
        if not len(counts):
            continue
        cells = [f"{total:.0f} ({mean:.1f})" for total, mean in zip(counts.sum(), counts.mean(), strict=True)]
        cells += [decimals(score) for score in scores_of_counts(*counts.sum()).values()]
        cells += [_mean(pooled[key], score) for score in LESION_SCORES if _has(final, score, "mean")]
        rows.append([key, len(counts), *cells])
    caption = "Lesions: connected pieces over all cases of all folds; in brackets the mean per case."
    return html.table(caption, header, rows) if rows else ""


def undefined_lines(final: pd.DataFrame, shown: Sequence[str]) -> list[str]:
    """One sentence per class with undefined scores: which, in how many cases. Scores that are not measured for the
    class at all (no value though Dice has one) are not counted."""
    lines = []
    for row in _pooled(final):
        counts = {score: row[f"{score}_undefined"] for score in shown if _measured(row, [score])}
        total = sum(counts.values())
        if total:
            which = ", ".join(f"{TITLES[score]} in {count}" for score, count in counts.items() if count)
            scores = f"{total} score{'s' if total > 1 else ''}"
            cases = f"{row['cases']} case{'s' if row['cases'] > 1 else ''}"
            lines.append(f"{row['class']}: {scores} undefined over {cases} and left out of the means: {which}.")
    return lines


def case_table(detailed: pd.DataFrame) -> str:
    """Dice of each case, a column per class, and what is remarkable about its masks."""
    classes = list(detailed["class"].drop_duplicates())
    rows = []
    for (case, fold), part in detailed.groupby(["case", "fold"], sort=False):
        dice = part.set_index("class")["dice"].reindex(classes)
        status = [f"{row['class']}: {row['status']}" for row in part.to_dict("records") if row["status"] != "ok"]
        rows.append([case, fold, *map(decimals, dice), ", ".join(status).replace("_", " ")])
    header = ["case", "fold", *classes, "remarks"]
    return html.table("Dice of each case; an en dash where it is undefined.", header, rows)


def all_scores(detailed: pd.DataFrame, shown: Sequence[str]) -> str:
    """Every score that was measured and the volumes, a row per case and class, folded away."""
    columns = [*shown, *_counted(detailed), *VOLUMES]
    rows = [
        [row["case"], row["fold"], row["class"], *(decimals(row[column], places(column)) for column in columns)]
        for row in detailed.to_dict("records")
    ]
    header = ["case", "fold", "class", *(TITLES[column] for column in columns)]
    table = html.table("All scores of each case and class.", header, rows)
    return html.details(f"All scores of each case and class ({len(rows)} rows)", table)


def split_table(splits: Sequence[Split]) -> str:
    """Which cases each fold tests and trains on."""
    rows = [
        (fold, len(split.train), len(split.test), ", ".join(split.test), ", ".join(split.train))
        for fold, split in enumerate(splits)
    ]
    header = ["fold", "train", "test", "test cases", "train cases"]
    return html.table("Which cases test and train.", header, rows, kind="text") if rows else ""


def tolerance_note(detailed: pd.DataFrame) -> str:
    """The tolerances of the NSD, which belong to its numbers."""
    used = detailed[["class", "nsd_tolerance_mm"]].dropna().drop_duplicates()
    tolerances = ", ".join(f"{key} {tolerance:g} mm" for key, tolerance in used.itertuples(index=False))
    return html.note(f"Tolerance of the NSD: {tolerances}." if tolerances else "")


def definitions(detailed: pd.DataFrame, shown: Sequence[str]) -> str:
    """What each column that the report shows means: the scores `shown`, counts of lesions where there are any."""
    columns = [*shown, *_counted(detailed), *VOLUMES, "status"]
    return html.definitions([(TITLES[column], DEFINITIONS[column]) for column in columns])


def places(column: str) -> int:
    """The decimal places that a score is shown with."""
    if column in VOLUMES:
        return 1
    if column in LESION_COUNTS:
        return 0
    return 2 if column.endswith(("_mm", "_ml", "_percent")) else 3


def _pooled(final: pd.DataFrame) -> list[dict]:
    return final[final["fold"] == ALL_FOLDS].to_dict("records")


def _has(final: pd.DataFrame, score: str, *statistics: str) -> bool:
    return all(f"{score}_{statistic}" in final for statistic in statistics)


def _counted(detailed: pd.DataFrame) -> list[str]:
    return [count for count in LESION_COUNTS if detailed[count].notna().any()]


def _measured(row: Mapping, scores: Sequence[str]) -> bool:
    return pd.isna(row["dice_mean"]) or any(pd.notna(row[f"{score}_mean"]) for score in scores)


def _mean(row: Mapping, score: str) -> str:
    """ "0.912 ± 0.034 (2 undefined)"; an en dash alone where the score is not measured for the class."""
    text = mean_and_sd(row[f"{score}_mean"], row[f"{score}_sd"], places(score))
    undefined = int(row[f"{score}_undefined"])
    return f"{text} ({undefined} undefined)" if undefined and _measured(row, [score]) else text


def _with_range(row: Mapping, score: str, middle: str, *, low: str, high: str, alone: bool = True) -> str:
    """ "0.666 [0.57, 0.75]"; without a range the middle, or an en dash where it does not stand `alone`."""
    text = decimals(row[f"{score}_{middle}"], places(score))
    bounds = [row.get(f"{score}_{end}", float("nan")) for end in (low, high)]
    if any(map(pd.isna, bounds)):
        return text if alone else "–"
    lower, upper = (decimals(bound, places(score) - 1) for bound in bounds)
    return f"{text} [{lower}, {upper}]"
