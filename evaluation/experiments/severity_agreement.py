"""Severity from masks beside the scores that a cohort's table gives, and beside the predictions of a run.

The infected percent is compared as a severity score; label and percent give an AUC. With a run of networks for whole
studies, both are measured on the same studies, each study of the run by the model that has not seen it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.cohort_table import CohortTable
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.score_agreement import score_agreement
from pneumoseg.evaluation.scoring.study_comparison import compare_studies, study_comparison_lines
from pneumoseg.evaluation.scoring.study_predictions import (
    PREDICTIONS,
    prediction_row,
    predictions_table,
    read_predictions,
    study_of,
    with_scores,
    write_predictions,
)
from pneumoseg.evaluation.scoring.study_tables import (
    AGREEMENT,
    CATEGORIES_OFF,
    CLASSIFICATION,
    agreement_table,
    categories_off_table,
    ranking_table,
    study_lines,
    write_known,
)
from pneumoseg.evaluation.scoring.tables import rows_of
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

AGAINST_RUN = "masks_against_run.csv"
FIGURE = "figures/score_agreement.png"
FILES = (PREDICTIONS, CLASSIFICATION, AGREEMENT, CATEGORIES_OFF, AGAINST_RUN, FIGURE)
MASKS = "masks"


@dataclass(frozen=True, eq=False)
class CohortAgreement:
    """`predictions`: the infected percent of each study as its predicted score, as of `study_predictions`; `scores`:
    AUC and agreement with intervals, as of `study_tables`, `ranking` and `agreement`; `categories_off`; `against_run`:
    masks (a) and the run (b), as of `study_comparison.compare_studies`, None without a run."""

    predictions: pd.DataFrame
    ranking: pd.DataFrame
    agreement: pd.DataFrame
    categories_off: pd.DataFrame
    against_run: pd.DataFrame | None


def cohort_agreement(rows: Sequence[dict], cohort: CohortTable, run: Path | None = None) -> CohortAgreement:
    """Compares graded masks with the table of their cohort.

    `rows`: `case` and `infected_percent`, as of `mask_grading.grade_masks`; a case is the study of that name. `run`:
    the folder of a cross-validation of studies, or of one of its folds; folds are then the run's. Studies without mask,
    masks without study and masks without lungs are left out, with a warning. Raises InputError where no study is left,
    and where the run has no predictions or none of these studies.
    """
    percents = {row["case"]: row["infected_percent"] for row in rows}
    studies = {row.name: row for row in cohort}
    lungless = [case for case, percent in percents.items() if percent is None]
    for names, what in (
        (studies.keys() - percents.keys(), "studies have no mask"),
        (percents.keys() - studies.keys(), "masks have no study of this name"),
        (set(lungless) & studies.keys(), "masks have no lungs"),
    ):
        if names:
            log.warning("%s: %d %s, left out: %s", cohort.path, len(names), what, listed(sorted(names)))
    shared = [name for name in studies if percents.get(name) is not None]
    if not shared:
        raise InputError(
            f"{cohort.path}: masks have the names of its studies, such as {next(iter(studies))}, found "
            f"{listed(sorted(percents))}"
        )
    theirs = None if run is None else _predictions_of(run)
    folds = {} if theirs is None else dict(zip(theirs["case"], theirs["fold"], strict=True))
    made = []
    for name in shared:
        study, prediction = study_of(studies[name]), StudyPrediction(None, percents[name])
        made.append(prediction_row(folds.get(name, 0), study, prediction))
    predictions = predictions_table(made)
    return CohortAgreement(
        predictions,
        ranking_table(predictions),
        agreement_table(predictions),
        categories_off_table(predictions),
        None if run is None or theirs is None else compare_studies({MASKS: predictions, _name_of(run): theirs}),
    )


def write_agreement(found: CohortAgreement | None, output: Path) -> None:
    """Writes the tables and the figure of scores to the folder `output`; those of an earlier grading are removed."""
    for name in FILES:
        (output / name).unlink(missing_ok=True)
    if found is None:
        return
    write_predictions(output / PREDICTIONS, found.predictions)
    for table, name in ((found.ranking, CLASSIFICATION), (found.agreement, AGREEMENT)):
        write_known(table, output / name)
    write_known(found.categories_off, output / CATEGORIES_OFF)
    if found.against_run is not None:
        write_table(found.against_run, output / AGAINST_RUN)
    scored = with_scores(found.predictions)
    if len(scored):
        save_figure(score_agreement(scored, predicted_by="masks'"), output / FIGURE)


def agreement_content(found: CohortAgreement) -> dict[str, list[dict]]:
    """The tables as rows for JSON: plain numbers and text, None in place of NaN."""
    tables = {"label": found.ranking, "severity": found.agreement, "categories_off": found.categories_off}
    if found.against_run is not None:
        tables["masks_against_run"] = found.against_run
    return {name: rows_of(table) for name, table in tables.items()}


def agreement_lines(found: CohortAgreement, output: Path) -> str:
    """The tables in `output` for the terminal."""
    title = "Infected percent of the masks against the table of the cohort:"
    against = [] if found.against_run is None else [study_comparison_lines(found.against_run)]
    return "\n\n".join([title, study_lines(output), *against])


def _name_of(run: Path) -> str:
    """The run's name beside `MASKS`, which a run may be called too."""
    return run.name if run.name not in ("", MASKS) else "run"


def _predictions_of(run: Path) -> pd.DataFrame:
    if not (run / PREDICTIONS).is_file():
        raise InputError(
            f"{run}: a finished run of networks for whole studies has {PREDICTIONS}, found none; give another run"
        )
    return read_predictions(run / PREDICTIONS)
