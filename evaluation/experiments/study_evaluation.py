"""Predictions of whole studies, as `predict` or a run writes them, against the table of a cohort."""

from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.evaluation.experiments.study_runs import predictions_of
from pneumoseg.evaluation.measures.agreement import ctsi_percent_over_4
from pneumoseg.evaluation.measures.severity import category
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.report.study_sections import draw_studies, study_sections
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.scoring.patient_codes import patient_code
from pneumoseg.evaluation.scoring.study_predictions import LABELS, PREDICTIONS, read_predictions, write_predictions
from pneumoseg.evaluation.scoring.study_tables import (
    AGREEMENT,
    CATEGORIES_OFF,
    CLASSIFICATION,
    agreement_table,
    categories_off_table,
    classification_table,
    write_known,
)

REPORT = "report.html"


def evaluate_studies(cohort: CohortTable, prediction: Path, output: Path, *, overwrite: bool = False) -> pd.DataFrame:
    """Scores predictions of studies against the labels and scores of the table, by their names, and returns them with
    what is given; writes classification.csv, agreement.csv, categories_off.csv, figures/, report.html and at last
    predictions.csv to the folder `output`.

    `prediction`: a predictions.csv, or the folder that holds it. Studies without prediction and predictions without
    study are left out, with a warning. Raises InputError where none is left, as `read_predictions`, and where results
    lie in `output` already.
    """
    check_output_free(output, PREDICTIONS, others=(REPORT,), marks=(REPORT,), overwrite=overwrite)
    studies = {row.name: row for row in cohort}
    predictions = read_predictions(predictions_of(prediction))
    for names, what in (
        (studies.keys() - set(predictions["case"]), "studies have no prediction"),
        (set(predictions["case"]) - studies.keys(), "predictions have no study of this name"),
    ):
        if names:
            log.warning("%s: %d %s, left out: %s", cohort.path, len(names), what, listed(sorted(names)))
    known = predictions[predictions["case"].isin(studies.keys())].reset_index(drop=True)
    if known.empty:
        raise InputError(
            f"{cohort.path}: predictions have the names of its studies, such as {next(iter(studies))}, found "
            f"{listed(sorted(predictions['case']))}"
        )
    given = pd.DataFrame([_given(studies[case]) for case in known["case"]])
    known = known.assign(**{str(column): given[column] for column in given})
    write_known(classification_table(known), output / CLASSIFICATION)
    write_known(agreement_table(known), output / AGREEMENT)
    write_known(categories_off_table(known), output / CATEGORIES_OFF)
    write_predictions(output / PREDICTIONS, known)
    sections = dict(study_sections(output))
    sections["Figures"] = [html.figure(caption, html.read_picture(path)) for caption, path in draw_studies(output)]
    head = html.facts({"studies": len(known)}, "Summary")
    write_text(output / REPORT, html.page("Evaluation of whole studies", head, sections))
    return known


def _given(row: CohortRow) -> dict:
    """What the table says of a study, in the columns of predictions.csv."""
    return {
        "patient": patient_code(row.patient),
        "given_label": "" if row.diseased is None else LABELS[row.diseased],
        "given_score": float("nan") if row.score is None else row.score,
        "given_category": "" if row.score is None else category(row.score),
        "given_ctsi_percent_over_4": float("nan") if row.score is None else float(ctsi_percent_over_4(row.score)),
    }
