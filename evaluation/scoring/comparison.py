"""Finished runs compared case by case: is the second better than the first, by how much, and could it be chance?

The intervals and tests speak of cases: what other cases of the same kind would show with these same trained models.
What training again with another seed would give, they do not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.evaluation.measures.statistics import bootstrap_interval, holm, rank_biserial, wilcoxon
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.tables import aligned, decimals, per_case

DECIMALS = 10
"""Differences are rounded so: 0.8 - 0.7 and 0.6 - 0.5 must be a tie, and floating point would break it."""


@dataclass(frozen=True)
class Comparison:
    """Differences of one or more runs from the first, the baseline; "a" is the baseline, "b" the other run.

    `summary`, one row per other run, score and class: run_a, run_b, score, class; cases (pairs where both scores are
    defined), undefined (where either is not); mean_a, mean_b, mean_difference (b - a), ci95_low, ci95_high (bootstrap
    over cases), median_difference; p, p_holm, rank_biserial; better, worse, equal (cases where b is that).
    `cases`, one row per other run, score, class and case: run_b, score, class, case, a, b, difference; what moved most
    comes first within run, score and class, undefined differences last. `columns`: what the scores are.
    """

    summary: pd.DataFrame
    cases: pd.DataFrame
    columns: Columns = MASK_COLUMNS


def compare(
    tables: Mapping[str, pd.DataFrame], scores: Sequence[str] | None = None, *, columns: Columns = MASK_COLUMNS
) -> Comparison:
    """Compares every run with the first one, paired by case and class.

    `tables`: detailed tables (`scoring.tables.read_detailed`) by name of run, all with these `columns`; `scores`: by
    default the leading ones. Folds may differ; a case that is in several folds of a run counts once, with its mean over
    the folds where it is defined. Left out: the classes `columns.left_out`, and with a warning what one of two runs
    lacks.

    p: `statistics.wilcoxon` of the differences. p_holm: corrected over all rows of the summary, every run, score and
    class: the reader sees all of them at once and would take the best of any. It is the strictest choice, the scores
    being much alike.

    Raises InputError for fewer than two runs, runs without a shared case or class, a score that is unknown or has no
    better end, infinite scores, and scores whose conditions differ, such as surface Dice of different tolerances.
    """
    if len(tables) < 2:
        raise InputError(f"a comparison needs two runs, found {', '.join(tables) or 'none'}; name another")
    scores = list(dict.fromkeys(columns.leading if scores is None else scores))
    for score in scores:
        if score not in columns.comparable:
            raise InputError(f"{score} cannot be compared{nearest(score, columns.comparable)}")
    if not scores:
        raise InputError(f"a comparison needs a score; valid names: {', '.join(columns.comparable)}")
    (run_a, baseline), *others = ((name, _per_case(name, table, scores, columns)) for name, table in tables.items())
    rows, moves = [], []
    for run_b, other in others:
        pairs = _paired(run_a, baseline, run_b, other, scores=scores, columns=columns)
        for score in scores:
            for name, members in pairs.groupby(level="class", sort=False):
                a, b = members[f"{score}_a"].to_numpy(), members[f"{score}_b"].to_numpy()
                keys = {"run_a": run_a, "run_b": run_b, "score": score, "class": name}
                rows.append({**keys, **_statistics(a, b, columns.lower_is_better(score))})
                cases = members.index.get_level_values("case")
                moved = pd.DataFrame({"run_b": run_b, "score": score, "class": name, "case": cases, "a": a, "b": b})
                moved["difference"] = np.round(b - a, DECIMALS)
                moves.append(moved.sort_values("difference", key=lambda d: -d.abs(), kind="stable"))
    summary = pd.DataFrame(rows)
    summary.insert(list(summary.columns).index("p") + 1, "p_holm", holm(summary["p"].to_numpy()))
    return Comparison(summary, pd.concat(moves, ignore_index=True), columns)


def readable(comparison: Comparison) -> str:
    """The summary as tables for the terminal, one per other run, and what a reader must know to read them."""
    summary = comparison.summary
    header = (
        *("score", "class", "mean a", "mean b", "b - a", "95 % interval", "p", "p Holm", "rank r"),
        *("better", "worse", "equal", "undef."),
    )
    rows = [header, *(_cells(row, comparison.columns) for row in summary.to_dict("records"))]
    header_line, rule, *lines = aligned(rows, text_columns=2)
    parts = []
    for (run_a, run_b), members in summary.groupby(["run_a", "run_b"], sort=False):
        of_pair = [lines[int(number)] for number in members.index]
        parts.append("\n".join([f"a: {run_a}", f"b: {run_b}", header_line, rule, *of_pair]))
    return "\n\n".join([*parts, "\n".join(_notes(summary, comparison.columns))])


def _notes(summary: pd.DataFrame, columns: Columns) -> list[str]:
    tests = int(summary["p"].notna().sum())
    notes = [
        "interval: bootstrap of the mean difference over cases; p: Wilcoxon signed-rank test, two-sided; "
        f"p Holm: corrected for all {tests} tests;",
        "rank r: rank-biserial correlation of the differences, -1 to 1; better, worse, equal: cases of b.",
    ]
    most = int(summary["cases"].max())
    smallest = min(1.0, tests * 2.0 ** (1 - most))
    if most == 0:
        notes.append("No case has a score in both runs, so there is nothing to test.")
    elif most == 1:
        notes.append("A single case has no interval, and no test can tell its difference from chance (p = 1).")
    elif smallest > 0.05:
        notes.append(
            f"With {most} cases and {tests} tests no p Holm can be below {smallest:.2f}, whatever the runs are: "
            "too few cases to tell, not runs alike."
        )
    return [*notes, *columns.class_definitions(summary["class"]).values()]


def _cells(row: dict, columns: Columns) -> tuple[str, ...]:
    mean_places = columns.decimal_places(row["score"])
    places = mean_places + (not columns.lower_is_better(row["score"]))
    low, high = (_signed(row[end], places) for end in ("ci95_low", "ci95_high"))
    return (
        str(row["score"]),
        str(row["class"]),
        *(decimals(row[mean], mean_places) for mean in ("mean_a", "mean_b")),
        _signed(row["mean_difference"], places),
        "–" if pd.isna(row["ci95_low"]) else f"{low} to {high}",
        *("<0.001" if row[p] < 0.001 else decimals(row[p]) for p in ("p", "p_holm")),
        _signed(row["rank_biserial"], 2),
        *(str(row[count]) for count in ("better", "worse", "equal", "undefined")),
    )


def _signed(value: float, places: int) -> str:
    return "–" if pd.isna(value) else f"{value:+z.{places}f}"


def _statistics(a: np.ndarray, b: np.ndarray, lower_is_better: bool) -> dict[str, float | int]:
    both = ~np.isnan(a) & ~np.isnan(b)
    differences = np.round(b[both] - a[both], DECIMALS)
    low, high = bootstrap_interval(differences)
    gain = -differences if lower_is_better else differences
    some = both.any()  # the mean of nothing is undefined, and NumPy would warn of it
    return {
        "cases": int(both.sum()),
        "undefined": int((~both).sum()),
        "mean_a": float(a[both].mean()) if some else float("nan"),
        "mean_b": float(b[both].mean()) if some else float("nan"),
        "mean_difference": float(differences.mean()) if some else float("nan"),
        "ci95_low": low,
        "ci95_high": high,
        "median_difference": float(np.median(differences)) if some else float("nan"),
        "p": wilcoxon(differences),
        "rank_biserial": rank_biserial(differences),
        "better": int((gain > 0).sum()),
        "worse": int((gain < 0).sum()),
        "equal": int((gain == 0).sum()),
    }


def _per_case(run: str, table: pd.DataFrame, scores: list[str], columns: Columns) -> pd.DataFrame:
    """Means over folds, rows by case and class: the scores, and what must agree before two of them are compared."""
    table = table[~table["class"].isin(columns.left_out)]
    infinite = table[np.isinf(table[scores].to_numpy(float)).any(axis=1)]
    if len(infinite):
        case, name = infinite.iloc[0][["case", "class"]]
        raise InputError(
            f"run {run}: scores must be finite or empty, found infinity in case {case}, class {name}; "
            "give the penalty that stands for a missed structure, or leave the cell empty"
        )
    several = table.loc[table.duplicated(["case", "class"]), "case"].nunique()
    if several:
        log.info("%s: %d cases are in several folds; each counts once, with its mean over the folds", run, several)
    return per_case(table, [*scores, *columns.reference, *columns.conditions.values()])


def _paired(
    run_a: str, baseline: pd.DataFrame, run_b: str, other: pd.DataFrame, *, scores: list[str], columns: Columns
) -> pd.DataFrame:
    """Rows by case and class that both runs have, columns SCORE_a and SCORE_b; classes in the baseline's order."""
    for level, plural in (("case", "cases"), ("class", "classes")):
        names_a, names_b = (list(run.index.unique(level)) for run in (baseline, other))
        if not set(names_a) & set(names_b):
            without = f" besides the {', '.join(columns.left_out)}" if columns.left_out else ""
            raise InputError(
                f"{run_a} and {run_b} share no {level}{without}, so nothing can be paired; found "
                f"{', '.join(names_a[:3]) or 'none'} ... and {', '.join(names_b[:3]) or 'none'} ..."
            )
        for run, names, others in ((run_a, names_a, names_b), (run_b, names_b, names_a)):
            alone = sorted(set(names) - set(others))
            if alone:
                log.warning("%s %s only in %s, left out: %s", len(alone), plural, run, ", ".join(alone))
        baseline, other = (run[run.index.isin(set(names_a) & set(names_b), level)] for run in (baseline, other))
    # Outer: where one run has scored a class of a shared case and the other has not, the pair counts as undefined.
    pairs = baseline.add_suffix("_a").join(other.add_suffix("_b"), how="outer").sort_index()
    order = {name: place for place, name in enumerate(baseline.index.unique("class"))}
    pairs = pairs.sort_index(level="class", key=lambda names: names.map(order), sort_remaining=False, kind="stable")
    _check_alike(run_a, run_b, pairs, scores=scores, columns=columns)
    return pairs


def _check_alike(run_a: str, run_b: str, pairs: pd.DataFrame, *, scores: list[str], columns: Columns) -> None:
    """Differences mean something only where both runs were measured against the same reference in the same way."""
    for score, condition in columns.conditions.items():
        unlike = _unlike(pairs, condition).reset_index() if score in scores else pd.DataFrame()
        if len(unlike):
            case, name, value_a, value_b = unlike.iloc[0]
            unit = " mm" if condition.endswith("_mm") else ""
            raise InputError(
                f"{score} of one {condition} is needed, found {value_a:g}{unit} in {run_a} and {value_b:g}{unit} in "
                f"{run_b} (case {case}, class {name}); score both alike, or leave {score} out"
            )
    for column in columns.reference:
        others = _unlike(pairs, column).index.unique("case")
        if len(others):
            log.warning(
                "%s and %s: the references differ (%s), so the runs were not scored against the same: %s",
                *(run_a, run_b, column, ", ".join(sorted(others))),
            )


def _unlike(pairs: pd.DataFrame, column: str) -> pd.DataFrame:
    both = pairs[[f"{column}_a", f"{column}_b"]].dropna()
    return both[~np.isclose(both.iloc[:, 0], both.iloc[:, 1], rtol=1e-4)]  # tables hold six digits
