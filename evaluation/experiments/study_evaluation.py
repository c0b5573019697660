"""Predictions of whole studies, as `predict` or a run writes them, against the table of a cohort."""

from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.measures.agreement import ctsi_percent_over_4
from pneumoseg.evaluation.measures.severity import category
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.report.study_sections import draw_studies, study_sections
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_marks import METRICS
from pneumoseg.evaluation.scoring.patient_codes import patient_code
from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row
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
from pneumoseg.evaluation.scoring.tables import detailed_table

REPORT = "report.html"


def evaluate_studies(cohort: CohortTable, prediction: Path, output: Path, *, overwrite: bool = False) -> pd.DataFrame:
    """Scores predictions of studies against the labels and scores of the table, by their names, and returns them with
    what is given; writes predictions.csv, classification.csv, agreement.csv, categories_off.csv, figures/, report.html
    and at last metrics.csv, the scores of each study, to the folder `output`.

    `prediction`: a predictions.csv, or the folder that holds it. Studies without prediction and predictions without
    study are left out, with a warning. Raises InputError where none is left, as `read_predictions`, and where results
    lie in `output` already.
    """
    check_output_free(output, METRICS, others=(PREDICTIONS, REPORT), marks=(PREDICTIONS,), overwrite=overwrite)
    studies = {row.name: row for row in cohort}
    predictions = read_predictions(prediction if prediction.is_file() else prediction / PREDICTIONS)
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
    write_table(detailed_table(_scores(known), STUDY_COLUMNS), output / METRICS)
    return known


def _scores(known: pd.DataFrame) -> list[dict]:
    """A row for the label of each study where it is given and predicted, and one for the score."""
    rows = []
    for study in known.to_dict("records"):
        keys = {"fold": study["fold"], "case": study["case"], **dict.fromkeys(STUDY_COLUMNS.scores, float("nan"))}
        if study["given_label"] and study["predicted_label"]:
            label = label_row(study["given_label"] == LABELS[1], study["probability"], study["threshold"])
            rows.append(keys | label)
        if not np.isnan(study["given_score"]) and not np.isnan(study["predicted_score"]):
            rows.append(keys | score_row(study["given_score"], study["predicted_score"]))
    return rows


def _given(row: CohortRow) -> dict:
    """What the table says of a study, in the columns of predictions.csv."""
    return {
        "patient": patient_code(row.patient),
        "given_label": "" if row.diseased is None else LABELS[row.diseased],
        "given_score": float("nan") if row.score is None else row.score,
        "given_category": "" if row.score is None else category(row.score),
        "given_ctsi_percent_over_4": float("nan") if row.score is None else float(ctsi_percent_over_4(row.score)),
    }
