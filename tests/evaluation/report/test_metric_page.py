"""The page of a comparison of metrics: its cells and its links."""

import pandas as pd

from pneumoseg.evaluation.report.metric_page import COMPARED, score_cells, training_cells, write_metric_page
from tests.evaluation.report.written_page import Page, table_of

TRAININGS = pd.DataFrame(
    [
        {"run": "<b>", "splits": "slice-wise (slices:0.7,0.2,0.1)", "loss": "crossentropy",
         "monitored": "validation iou",
         "minutes": 29.96, "epochs": 100.0, "score": "iou", "training": 0.9233, "validation": float("nan"),
         "test_score": "sensitivity", "test_mean": 0.8742, "test_pooled": 0.9, "class": "infection"},
    ]
)  # fmt: skip
SCORES = pd.DataFrame(
    [{"run": "<b>", "splits": "kfold", "class": "infection", "cases": 61}
     | {f"{score}_{kind}": 0.5 for score in COMPARED for kind in ("mean", "pooled")}]
)  # fmt: skip


def test_cells_for_readers():
    _, row = training_cells(TRAININGS)
    assert row[4:] == ["30.0", "100", "iou", "0.923", "–", "Recall 0.874", "Recall 0.900", "infection"]
    header, cases, pixels = score_cells(SCORES.assign(iou_pooled=0.7))
    assert header[4:7] == ["over", "Accuracy", "IoU"]
    assert "Recall" in header
    assert cases[:7] == ["<b>", "kfold", "infection", "61", "cases", "0.500", "0.500"]
    assert pixels[4:7] == ["pixels", "0.500", "0.700"]


def test_the_page(tmp_path):
    path = tmp_path / "page.html"
    write_metric_page(
        path, TRAININGS, SCORES, choices={"<b>": "best IoU"}, reports={"<b>": "../a b/report.html"}, curves=None
    )
    text = path.read_text(encoding="utf-8")
    assert Page(text).open == []
    assert [row[0] for row in table_of(text, "One row per run.")] == ["run", "&lt;b&gt;"]
    assert '<a href="../a%20b/report.html">&lt;b&gt;</a>' in text
    assert "<b>" not in text
