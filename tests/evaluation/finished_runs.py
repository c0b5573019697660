"""Small folders of finished runs, made by hand: settings, histories, scores."""

from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.storage.atomic import write_json, write_text
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.measures.overlap import OVERLAP_SCORES, jaccard_distance, mask_counts
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.pooled import write_pooled
from pneumoseg.evaluation.scoring.tables import detailed_table
from pneumoseg.pipeline.settings.loading import load_settings, settings_yaml

NAMES = ("background", "infection")
PICTURES = {"large": np.array([[90, 2], [0, 8]]), "small": np.array([[98, 0], [1, 1]])}
"""Pixels by reference and predicted class of the test cases."""


def write_run(folder: Path, *changes: str, folds: int = 1, epochs: int = 4, history: bool = True) -> Path:
    """A run of two classes with the preset demo and `changes`; both PICTURES are tested in each fold.

    Epoch e took 30 s. Training: loss 0.9 - e / 10, accuracy, IoU, Dice 0.90 + e / 100; validation the same less 0.05,
    but in the last epoch less 0.2, and its loss 0.1 higher, in the last epoch 0.5.
    """
    names = ["labels.names=[background, infection]", "labels.colours=[[0, 0, 0], [214, 39, 40]]",
             "labels.mirror_pairs=[]", "patches.foreground_labels=[1]"]  # fmt: skip
    write_json(folder / "splits.json", [])
    write_json(folder / "environment.json", {"data": {}})
    write_text(folder / "settings.yaml", settings_yaml(load_settings("demo", [*names, *changes])))
    rows = []
    for fold in range(folds):
        for name, matrix in PICTURES.items():
            for label, key in enumerate(NAMES):
                counts = mask_counts(matrix, [label])
                scores = {score: formula(counts) for score, formula in OVERLAP_SCORES.items()}
                scores["jaccard_distance"] = jaccard_distance(counts)
                row = {"fold": fold, "case": name, "class": key, **dict.fromkeys(SCORES, float("nan")), **scores}
                rows.append(row | {"volume_reference_ml": 1.0, "volume_prediction_ml": 1.0, "status": "ok"})
        if history:
            write_table(_history(epochs), folder / f"fold_{fold}" / "history.csv")
    write_table(detailed_table(rows), folder / "cv_results.detailed.csv")
    write_pooled(folder, dict.fromkeys(range(folds), sum(PICTURES.values())), NAMES)
    write_json(folder / "summary.json", {"model choice": "the epoch with the best score"})
    write_text(folder / "report.html", "<p>report</p>")
    return folder


def _history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(epochs)
    last = epoch == epochs - 1
    loss, score = 0.9 - epoch / 10, 0.90 + epoch / 100
    table = {"epoch": epoch, "loss": loss, "val_loss": loss + np.where(last, 0.5, 0.1), "seconds": 30.0}
    for name in ("accuracy", "iou", "dice"):
        table |= {name: score, f"val_{name}": score - np.where(last, 0.2, 0.05)}
    return pd.DataFrame(table)
