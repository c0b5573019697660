"""The checks of a cohort's studies as a table: lung volume, mean HU, and why a study is not valid."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.storage.csv_rows import write_rows
from pneumoseg.pipeline.prediction.cohort_preparation import Finding

COLUMNS = ("case", "patient", "slices", "lung_ml", "lung_mean_hu", "valid", "in_cohort", "problem")


def checks_path(cohort: Path) -> Path:
    """Where the checks of a cohort file lie: cohort.checks.csv beside cohort.h5."""
    return cohort.with_name(f"{cohort.stem}.checks.csv")


def write_checks(path: Path, findings: Sequence[Finding]) -> None:
    """Writes one row a study of the table, with the problem in words; a study that could not be prepared has no
    measurements."""
    rows = [
        (
            one.row.name,
            one.row.patient,
            one.entry.slices if one.entry else None,
            one.entry.lung_ml if one.entry else math.nan,
            one.entry.lung_mean_hu if one.entry else math.nan,
            "no" if one.problem else "yes",
            "yes" if one.kept else "no",
            _without_paths(one),
        )
        for one in findings
    ]
    write_rows(path, COLUMNS, rows, digits=5)


def readable(findings: Sequence[Finding]) -> str:
    """A summary for the terminal: how many studies there are of each label, and which are not valid."""
    kept = [one.row for one in findings if one.kept]
    labels = Counter({True: "diseased", False: "healthy", None: "of unknown label"}[row.diseased] for row in kept)
    scored = sum(row.score is not None for row in kept)
    lines = [
        f"{len(kept)} of {len(findings)} studies of {len({row.patient for row in kept})} patients: "
        + ", ".join(f"{count} {name}" for name, count in sorted(labels.items()))
        + f"; {scored} with a score"
    ]
    lines += [
        f"  {'kept' if one.kept else 'left out'}: {one.row.name}: {one.problem}" for one in findings if one.problem
    ]
    return "\n".join(lines)


def _without_paths(finding: Finding) -> str:
    """The problem with the study's name in place of its path."""
    return finding.problem.replace(str(finding.row.path), finding.row.name)
