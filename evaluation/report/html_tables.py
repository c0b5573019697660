"""The tables of a run's report, as HTML: results per class, per fold, per case, splits, definitions."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, decimals, mean_and_sd


def result_table(final: pd.DataFrame, scores: Sequence[str], subject: str, *, columns: Columns = MASK_COLUMNS) -> str:
    """Means and deviations of `scores` per class over all cases; of the leading ones also the interval of the mean and
    the median with quartiles, where `final` has them.

    Without the classes for which the scores are not measured (no value though the main one has: the background's
    surface).
    """
    if not scores:
        return ""
    header = ["class", "cases"]
    for score in scores:
        header.append(f"{columns.titles[score]} mean ± sd")
        if score in columns.leading and has_statistics(final, score, "ci95_low", "ci95_high"):
            header.append("mean [95 % interval]")
        if score in columns.leading:
            header.append("median [quartiles]" if has_statistics(final, score, "q1", "q3") else "median")
    rows = []
    for row in pooled(final):
        if not _measured(row, scores, columns):
            continue
        cells = [row["class"], row["cases"]]
        for score in scores:
            cells.append(mean_cell(row, score, columns))
            if score in columns.leading and has_statistics(final, score, "ci95_low", "ci95_high"):
                cells.append(_with_range(row, score, ("mean", "ci95_low", "ci95_high"), columns, alone=False))
            if score in columns.leading:
                cells.append(_with_range(row, score, ("median", "q1", "q3"), columns))
        rows.append(cells)
    caption = "Mean ± standard deviation over all cases of all folds; undefined scores are left out and counted."
    return html.table(f"{subject}. {caption}", header, rows)


def fold_table(final: pd.DataFrame, score: str, *, columns: Columns = MASK_COLUMNS) -> str:
    """The mean of `score` per class, fold by fold; nothing for a single fold or a score that was not measured."""
    measured = [row["class"] for row in pooled(final) if _measured(row, [score], columns)]
    means = final.pivot(index="class", columns="fold", values=f"{score}_mean")
    means = means.reindex(index=measured, columns=final["fold"].drop_duplicates())
    if len(means.columns) <= 2 or means.isna().all(axis=None):
        return ""
    header = ["class", *("all" if fold == ALL_FOLDS else f"fold {fold}" for fold in means.columns)]
    rows = [(key, *(decimals(mean, columns.decimal_places(score)) for mean in row)) for key, *row in means.itertuples()]
    return html.table(f"Mean {columns.titles[score]}, fold by fold.", header, rows)


def undefined_lines(final: pd.DataFrame, shown: Sequence[str], *, columns: Columns = MASK_COLUMNS) -> list[str]:
    """One sentence per class with undefined scores: which, in how many cases. Scores that are not measured for the
    class at all (no value though the main one has) are not counted."""
    lines = []
    for row in pooled(final):
        counts = {score: row[f"{score}_undefined"] for score in shown if _measured(row, [score], columns)}
        total = sum(counts.values())
        if total:
            which = ", ".join(f"{columns.titles[score]} in {count}" for score, count in counts.items() if count)
            scores = f"{total} score{'s' if total > 1 else ''}"
            cases = f"{row['cases']} case{'s' if row['cases'] > 1 else ''}"
            lines.append(f"{row['class']}: {scores} undefined over {cases} and left out of the means: {which}.")
    return lines


def case_table(detailed: pd.DataFrame, *, columns: Columns = MASK_COLUMNS) -> str:
    """The main score of each case, a column per class, and where the status of a class is not ok."""
    classes = list(detailed["class"].drop_duplicates())
    score, places, remarks = columns.main, columns.decimal_places(columns.main), "status" in columns.text
    rows = []
    for (case, fold), part in detailed.groupby(["case", "fold"], sort=False):
        values = [decimals(value, places) for value in part.set_index("class")[score].reindex(classes)]
        rows.append([case, fold, *values, *([_remarks(part)] if remarks else [])])
    header = ["case", "fold", *classes, *(["remarks"] if remarks else [])]
    return html.table(f"{columns.titles[score]} of each case; an en dash where it is undefined.", header, rows)


def _remarks(part: pd.DataFrame) -> str:
    status = [f"{row['class']}: {row['status']}" for row in part.to_dict("records") if row["status"] != "ok"]
    return ", ".join(status).replace("_", " ")


def all_scores(detailed: pd.DataFrame, shown: Sequence[str], *, columns: Columns = MASK_COLUMNS) -> str:
    """Every score that was measured and the quantities, a row per case and class, folded away."""
    names = [*shown, *_quantities(detailed, columns)]
    rows = [
        [row["case"], row["fold"], row["class"], *(decimals(row[name], columns.decimal_places(name)) for name in names)]
        for row in detailed.to_dict("records")
    ]
    header = ["case", "fold", "class", *(columns.titles[name] for name in names)]
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


def definitions(detailed: pd.DataFrame, shown: Sequence[str], *, columns: Columns = MASK_COLUMNS) -> str:
    """What each column that the report shows means: the scores `shown`, quantities where there are any."""
    names = [*shown, *_quantities(detailed, columns), *columns.text]
    return html.definitions([(columns.titles[name], columns.definitions[name]) for name in names])


def pooled(final: pd.DataFrame) -> list[dict]:
    """The rows over all cases of all folds."""
    return final[final["fold"] == ALL_FOLDS].to_dict("records")


def has_statistics(final: pd.DataFrame, score: str, *statistics: str) -> bool:
    """Whether the final table has these statistics of the score; older ones lack some."""
    return all(f"{score}_{statistic}" in final for statistic in statistics)


def _quantities(detailed: pd.DataFrame, columns: Columns) -> list[str]:
    return [name for name in columns.quantities if detailed[name].notna().any()]


def _measured(row: Mapping, scores: Sequence[str], columns: Columns) -> bool:
    return pd.isna(row[f"{columns.main}_mean"]) or any(pd.notna(row[f"{score}_mean"]) for score in scores)


def mean_cell(row: Mapping, score: str, columns: Columns = MASK_COLUMNS) -> str:
    """ "0.912 ± 0.034 (2 undefined)"; an en dash alone where the score is not measured for the class."""
    text = mean_and_sd(row[f"{score}_mean"], row[f"{score}_sd"], columns.decimal_places(score))
    undefined = int(row[f"{score}_undefined"])
    return f"{text} ({undefined} undefined)" if undefined and _measured(row, [score], columns) else text


def _with_range(
    row: Mapping, score: str, statistics: tuple[str, str, str], columns: Columns, *, alone: bool = True
) -> str:
    """ "0.666 [0.57, 0.75]" of the `statistics` middle, low and high; without a range the middle, or an en dash where
    it does not stand `alone`."""
    middle, low, high = statistics
    text = decimals(row[f"{score}_{middle}"], columns.decimal_places(score))
    bounds = [row.get(f"{score}_{end}", float("nan")) for end in (low, high)]
    if any(map(pd.isna, bounds)):
        return text if alone else "–"
    lower, upper = (decimals(bound, max(0, columns.decimal_places(score) - 1)) for bound in bounds)
    return f"{text} [{lower}, {upper}]"
