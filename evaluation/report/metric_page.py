"""The page of a comparison of metrics: what each run was trained on, and its scores under every metric."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.scoring.mask_columns import DEFINITIONS, MASK_COLUMNS, TITLES
from pneumoseg.evaluation.scoring.tables import decimals

COMPARED = ("accuracy", "iou", "dice", "precision", "sensitivity", "jaccard_distance")
"""The scores that each run is shown under."""

OVER = {"mean": "cases", "pooled": "pixels"}
"""What scores are means over."""

RECALL = {"sensitivity": "Recall"}
"""What readers of pictures' scores look for under another name."""

TRAININGS = (
    "The score is the one that chose the epoch, or the first of the training's metrics that is measured on test cases "
    "too. Training and validation: at the epoch that was kept, mean of the folds, over all classes but the background, "
    "on what the network was shown. Minutes and epochs: of one training, mean of the folds. Test: whole cases of the "
    "class that is named, which no training had seen."
)
SPLITS = (
    "Slice-wise splits put slices of one patient on both sides: their test scores are too good for other patients. "
    "Runs with different splits have different test cases."
)
METRICS = (
    "Over cases: the mean of the test cases' scores, without those that are undefined. Over pixels: the score of all "
    "pixels (voxels) of all test cases counted together. Cases weigh alike in the one, pixels in the other."
)


def training_cells(trainings: pd.DataFrame) -> list[list[str]]:
    """The rows of the table of trainings for readers, the header first."""
    header = ["run", "splits", "loss", "epoch chosen by", "minutes", "epochs", "score", "training", "validation",
              "test, over cases", "test, over pixels", "class"]  # fmt: skip
    return [
        header,
        *(
            [
                *(row[name] for name in ("run", "splits", "loss", "monitored")),
                *(decimals(row["minutes"], 1), decimals(row["epochs"], 0)),
                *(row["score"], decimals(row["training"]), decimals(row["validation"])),
                *(f"{_title(row['test_score'])} {decimals(row[f'test_{kind}'])}" for kind in ("mean", "pooled")),
                row["class"],
            ]
            for row in trainings.to_dict("records")
        ),
    ]


def score_cells(scores: pd.DataFrame) -> list[list[str]]:
    """The rows of the table of all scores for readers, the header first: two rows per run and class, the means over
    cases and the pooled scores."""
    return [
        ["run", "splits", "class", "cases", "over", *map(_title, COMPARED)],
        *(
            [row["run"], row["splits"], row["class"], str(row["cases"]), words]
            + [decimals(row[f"{score}_{kind}"]) for score in COMPARED]
            for row in scores.to_dict("records")
            for kind, words in OVER.items()
        ),
    ]


def write_metric_page(
    path: Path,
    trainings: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    choices: Mapping[str, str],
    reports: Mapping[str, str],
    curves: Path | None,
) -> None:
    """Writes the page, whole or not at all.

    `trainings`, `scores`: the tables of `experiments.metric_comparison`. `choices`: how each run chose its models, in
    words; `reports`: where the report of a run lies, as a path from the page, by the run's name; `curves`: the PNG of
    the training curves.
    """
    header, *rows = training_cells(trainings)
    names, *lines = score_cells(scores)
    sections = {
        "Trainings": [
            html.paragraph(TRAININGS),
            html.note(SPLITS if trainings["splits"].str.startswith("slice-wise").any() else ""),
            html.table("One row per run.", header, rows),
        ],
        "Every run under every metric": [
            html.paragraph(METRICS), html.table("Every class but the background.", names, lines)
        ],
        "Training curves": [] if curves is None else [
            html.figure("Loss and score by epoch; training solid, validation dashed.", html.read_picture(curves))
        ],
        "Overlays": [
            html.paragraph("The report of each run shows its cases with reference, prediction and errors."),
            html.links(reports),
        ],
        "Choice of the models": [html.facts(choices, "How each run chose the weights that were tested.")],
        "Definitions of the scores": [
            html.paragraph(MASK_COLUMNS.preamble),
            html.definitions([(_title(score), DEFINITIONS[score]) for score in COMPARED]),
        ],
    }  # fmt: skip
    write_text(path, html.page("Comparison of metrics", "", sections))


def _title(score: str) -> str:
    return RECALL.get(score, TITLES[score])
