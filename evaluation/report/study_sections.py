"""What a report says of studies: the label, the severity score, training against test."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.figures.confusion import confusion_figure
from pneumoseg.evaluation.figures.label_curves import label_curves
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.score_agreement import score_agreement
from pneumoseg.evaluation.measures.agreement import category_confusion
from pneumoseg.evaluation.measures.severity import CATEGORIES
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.report.html_tables import pooled
from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS
from pneumoseg.evaluation.scoring.study_predictions import (
    LABELS,
    PREDICTIONS,
    read_predictions,
    with_labels,
    with_scores,
)
from pneumoseg.evaluation.scoring.study_score_names import DEFINITIONS, TITLES
from pneumoseg.evaluation.scoring.study_tables import (
    ACCURACY,
    AGREEMENT,
    CATEGORIES_OFF,
    CLASSIFICATION,
)
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, decimals, interval

POOLED = (
    "All: the test studies of all folds together, each predicted by the model of its fold. Intervals: bootstrap over "
    "patients."
)
POOLED_CURVES = (
    " An area under a curve of all then also ranks probabilities of different models; compare the mean of folds."
)
USE = (
    "For research only, no diagnosis and no medical device. Measured on this cohort; not calibrated for other cohorts."
)
KIND_TITLES = {
    "label": "label", "category": "category of the score", "within_one": "category of the score, at most one off"
}  # fmt: skip


def draw_studies(folder: Path) -> Figures:
    """Draws the predictions of the run in `folder` to its figures/: captions and paths of what is known."""
    predictions = read_predictions(folder / PREDICTIONS)
    labelled, scored = with_labels(predictions), with_scores(predictions)
    drawn = []
    if len(labelled):
        matrix = np.zeros((2, 2), int)
        np.add.at(matrix, (labelled["diseased"].to_numpy(int), labelled["predicted"].to_numpy(int)), 1)
        drawn += [
            ("label_curves", "ROC, precision-recall and calibration curve of the label", label_curves(labelled)),
            ("label_confusion", "Given and predicted label", confusion_figure(matrix, LABELS, counted="studies")),
        ]
    if len(scored):
        counts = category_confusion(*(scored[column].to_numpy(float) for column in ("given_score", "predicted_score")))
        names = [name for _, name in CATEGORIES]
        drawn += [
            ("score_agreement", "Predicted against given score, and differences", score_agreement(scored)),
            ("category_confusion", "Category of the score", confusion_figure(counts, names, counted="studies")),
        ]
    figures: Figures = []
    for name, caption, figure in drawn:
        path = folder / "figures" / f"{name}.png"
        save_figure(figure, path)
        figures.append((caption, path))
    return figures


def study_result(final: pd.DataFrame) -> list[str]:
    """The section "Result": what each study has a value of, as mean with interval."""
    rows = []
    for row in pooled(final):
        for score in STUDY_COLUMNS.scores:
            if pd.isna(row[f"{score}_mean"]):
                continue
            places = STUDY_COLUMNS.decimal_places(score)
            low, high = row[f"{score}_ci95_low"], row[f"{score}_ci95_high"]
            mean = decimals(row[f"{score}_mean"], places)
            cells = (row["class"], STUDY_COLUMNS.titles[score], mean, interval(low, high, places), row["cases"])
            rows.append(cells)
    caption = "Means over the test studies of all folds, with 95 % bootstrap intervals over studies."
    notes = [html.note(text) for text in STUDY_COLUMNS.class_definitions(final["class"].unique()).values()]
    return [
        html.note(USE),
        *notes,
        html.table(caption, ["class", "score", "mean", "interval", "studies"], rows),
    ]


def study_sections(folder: Path) -> Mapping[str, Sequence[str]]:
    """The sections "Label", "Severity score" and "Training and test" of the run in `folder`, of what is known."""
    sections: dict[str, list[str]] = {}
    for heading, name, remark in (("Label", CLASSIFICATION, POOLED_CURVES), ("Severity score", AGREEMENT, "")):
        if (folder / name).is_file():
            table = read_table(folder / name, text_columns=("fold", "score"))
            sections[heading] = [html.paragraph(POOLED + remark), _score_table(table), _definitions(table)]
    if (folder / CATEGORIES_OFF).is_file():
        sections["Severity score"].append(_categories_off(read_table(folder / CATEGORIES_OFF)))
    if (folder / ACCURACY).is_file():
        sections["Training and test"] = [
            _accuracies(read_table(folder / ACCURACY, text_columns=("fold", "accuracy_of")))
        ]
    return sections


def _score_table(table: pd.DataFrame) -> str:
    """A row per score: all folds with interval, the mean of the folds, each fold."""
    folds = [fold for fold in table["fold"].unique() if fold != ALL_FOLDS]
    values = table.pivot(index="score", columns="fold", values="value")
    rows = []
    for row in table[table["fold"] == ALL_FOLDS].to_dict("records"):
        score = row["score"]
        title, places = TITLES[score]
        cells = [title, decimals(row["value"], places), interval(row["ci95_low"], row["ci95_high"], places)]
        if len(folds) > 1:
            mean = decimals(values.loc[score, folds].mean(), places) if places else "–"
            cells += [mean, *(decimals(value, places) for value in values.loc[score, folds])]
        rows.append(cells)
    header = ["score", "all", "95 % interval"]
    header += ["mean of folds", *(f"fold {fold}" for fold in folds)] if len(folds) > 1 else []
    studies = table.loc[table["fold"] == ALL_FOLDS, "studies"].iloc[0]
    return html.table(f"Over {studies} predictions of studies.", header, rows)


def _definitions(table: pd.DataFrame) -> str:
    known = [score for score in table["score"].unique() if score in DEFINITIONS]
    return html.definitions([(TITLES[score][0], DEFINITIONS[score]) for score in known])


def _categories_off(table: pd.DataFrame) -> str:
    rows = [
        (row["categories_off"], row["studies"], decimals(row["share"]), decimals(row["share_up_to"]))
        for row in table.to_dict("records")
    ]
    header = ["categories off", "studies", "share", "share of at most so many"]
    return html.table("How many categories the predicted score is off.", header, rows)


def _accuracies(table: pd.DataFrame) -> str:
    rows = [
        (
            KIND_TITLES[row["accuracy_of"]],
            row["fold"],
            decimals(row["training_accuracy"]),
            row["training_studies"],
            decimals(row["test_accuracy"]),
            row["test_studies"],
        )
        for row in table.sort_values(
            "accuracy_of", key=lambda kinds: kinds.map(list(KIND_TITLES).index), kind="stable"
        ).to_dict("records")
    ]
    header = ["accuracy of", "fold", "training", "training studies", "test", "test studies"]
    return html.table(
        "Accuracy on the studies that a model was trained on, and on those that it was not.", header, rows
    )
