"""Predictions of the same studies compared: AUC (DeLong), agreement of scores, and the intervals of their differences.

The intervals and the test speak of studies: what other patients of the same kind would show with these predictions.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.agreement import agreement_scores
from pneumoseg.evaluation.measures.classification import label_scores, ranking_scores
from pneumoseg.evaluation.measures.delong import compare_auc
from pneumoseg.evaluation.measures.resampling import patient_bootstrap
from pneumoseg.evaluation.measures.statistics import holm
from pneumoseg.evaluation.scoring.study_columns import DISEASE, SEVERITY
from pneumoseg.evaluation.scoring.study_predictions import LABELS
from pneumoseg.evaluation.scoring.study_score_names import TITLES
from pneumoseg.evaluation.scoring.tables import aligned, decimals, interval

COLUMNS = (
    *(
        "run_a",
        "run_b",
        "class",
        "score",
        "studies",
        "a",
        "a_ci95_low",
        "a_ci95_high",
        "b",
        "b_ci95_low",
        "b_ci95_high",
    ),
    *("difference", "ci95_low", "ci95_high", "p", "p_holm"),
)

Scores = Callable[..., dict[str, float]]


def compare_studies(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Compares the predictions of every run with those of the first, on the studies that both have; `COLUMNS`.

    `tables`: as of `study_predictions.read_predictions`, by name of run. A row per other run and score: the value of
    each, and b - a, with 95 % bootstrap intervals over patients. Scores of the label are `classification.LABEL_SCORES`;
    where a run has no probabilities, as a severity from masks, its studies are ranked by their scores, and there are
    the AUC and average precision alone. `p`: the test of DeLong of the AUC, `p_holm`: corrected for all of these. A
    study that several folds of a run tested counts once, with its mean.

    Studies that one run lacks, or whose label or score two tables give differently, are left out with a warning. Raises
    InputError for fewer than two runs, and where two share no study that both have predicted.
    """
    if len(tables) < 2:
        raise InputError(f"a comparison needs two runs, found {', '.join(tables) or 'none'}; name another")
    (run_a, first), *others = ((name, _per_case(table)) for name, table in tables.items())
    rows: list[dict] = []
    for run_b, other in others:
        pairs = _paired(run_a, first, run_b, other)
        found = [*_label_rows(pairs), *_score_rows(pairs)]
        if not found:
            raise InputError(f"{run_a} and {run_b} share no study that both have predicted and whose truth is known")
        rows += [{"run_a": run_a, "run_b": run_b, **row} for row in found]
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_numpy(float)))[list(COLUMNS)]


def study_comparison_lines(table: pd.DataFrame) -> str:
    """A table of `compare_studies` for the terminal."""
    parts = []
    for (run_a, run_b), members in table.groupby(["run_a", "run_b"], sort=False):
        lines: list[tuple[str, ...]] = [("class", "score", "studies", "a", "b", "b - a", "95 % interval", "p")]
        for row in members.to_dict("records"):
            title, places = TITLES[row["score"]]
            numbers = [decimals(row[name], places) for name in ("a", "b", "difference")]
            limits = interval(row["ci95_low"], row["ci95_high"], places)
            lines.append((row["class"], title, str(row["studies"]), *numbers, limits, decimals(row["p_holm"])))
        parts.append("\n".join([f"a: {run_a}", f"b: {run_b}", *aligned(lines, text_columns=2)]))
    note = "interval: bootstrap over patients; p: test of DeLong, corrected (Holm) for all runs."
    return "\n\n".join([*parts, note])


def _per_case(table: pd.DataFrame) -> pd.DataFrame:
    """A row per study: given label and score, patient, mean prediction; `rank`, by which studies are ordered."""
    grouped = table.groupby("case", sort=False)
    known = grouped[["patient", "given_label", "given_score"]].first()
    means = grouped[["probability", "threshold", "predicted_score"]].mean()
    by_score = means["probability"].isna().all()
    return known.join(means).assign(rank=means["predicted_score"] if by_score else means["probability"])


def _paired(run_a: str, a: pd.DataFrame, run_b: str, b: pd.DataFrame) -> pd.DataFrame:
    """Rows of the studies that both have, columns NAME_a and NAME_b."""
    for run, ours, theirs in ((run_a, a, b), (run_b, b, a)):
        if alone := sorted(set(ours.index) - set(theirs.index)):
            log.warning("%d studies only in %s, left out: %s", len(alone), run, listed(alone))
    pairs = a.add_suffix("_a").join(b.add_suffix("_b"), how="inner")
    labels_differ = pairs["given_label_a"] != pairs["given_label_b"]
    score_a, score_b = (pairs[f"given_score_{side}"].to_numpy(float) for side in "ab")
    differ = labels_differ | ~np.isclose(
        score_a, score_b, rtol=1e-4, atol=1e-6, equal_nan=True
    )  # tables hold six digits
    if differ.any():
        which = listed(sorted(pairs.index[differ]))
        log.warning("%s and %s: another label or score is given, left out: %s", run_a, run_b, which)
    return pairs[~differ]


def _label_rows(pairs: pd.DataFrame) -> list[dict]:
    known = pairs[pairs["given_label_a"] != ""].dropna(subset=["rank_a", "rank_b"])
    if known.empty:
        return []
    diseased = (known["given_label_a"] == LABELS[1]).to_numpy(bool)
    sides = []
    probable = all(known[f"probability_{side}"].notna().all() for side in "ab")
    for side in "ab":
        rank = known[f"rank_{side}"].to_numpy(float)
        sides.append((rank, rank >= known[f"threshold_{side}"].to_numpy(float)) if probable else (rank,))
    rows = _rows(known, label_scores if probable else ranking_scores, (diseased,), sides)
    rows[0]["p"] = compare_auc(diseased, sides[0][0], sides[1][0]).p
    return [{"class": DISEASE, **row} for row in rows]


def _score_rows(pairs: pd.DataFrame) -> list[dict]:
    known = pairs.dropna(subset=["given_score_a", "predicted_score_a", "predicted_score_b"])
    if known.empty:
        return []
    given = known["given_score_a"].to_numpy(float)
    sides = [(known[f"predicted_score_{side}"].to_numpy(float),) for side in "ab"]
    return [{"class": SEVERITY, **row} for row in _rows(known, agreement_scores, (given,), sides)]


def _rows(
    known: pd.DataFrame, scores: Scores, given: tuple[np.ndarray, ...], sides: Sequence[tuple[np.ndarray, ...]]
) -> list[dict]:
    """A row per score: its value on both sides and the difference, each with its interval."""

    def both(drawn: np.ndarray) -> np.ndarray:
        a, b = (np.array(list(scores(*(array[drawn] for array in (*given, *side))).values())) for side in sides)
        return np.concatenate([a, b, b - a])

    names = list(scores(*given, *sides[0]))
    values = both(np.arange(len(known))).reshape(3, -1)
    intervals = patient_bootstrap(both, known["patient_a"].to_numpy()).reshape(3, -1, 2)
    rows = []
    for place, name in enumerate(names):
        row: dict = {"score": name, "studies": len(known), "p": float("nan")}
        for part, (key, prefix) in enumerate((("a", "a_"), ("b", "b_"), ("difference", ""))):
            low, high = intervals[part, place]
            row |= {key: values[part, place], f"{prefix}ci95_low": low, f"{prefix}ci95_high": high}
        rows.append(row)
    return rows
