"""Which studies a report shows."""

import pandas as pd
import pytest

from pneumoseg.evaluation.report.study_pictures import extreme_sheets, sheet_path


@pytest.fixture
def folders(tmp_path):
    for number in range(8):
        sheet_path(tmp_path, f"s{number}", "score").touch()
    return {(0, f"s{number}"): tmp_path for number in range(8)}


def table(count: int) -> pd.DataFrame:
    rows = [
        {"fold": 0, "case": f"s{number}", "class": "severity", "absolute_error": float(number), "brier": float("nan")}
        for number in range(count)
    ]
    return pd.DataFrame(rows)


def test_the_worst_come_first_then_the_best(folders):
    captions = [caption for caption, _ in extreme_sheets(table(8), folders)]
    assert [caption.split(",")[0] for caption in captions] == ["s7", "s6", "s5", "s0", "s1", "s2"]
    assert captions[0] == "s7, fold 0: Grad-CAM of the score, error 7 (one of the worst)"
    assert captions[-1].endswith("(one of the best)")


def test_no_study_is_shown_twice(folders):
    assert [caption[:2] for caption, _ in extreme_sheets(table(4), folders)] == ["s3", "s2", "s1", "s0"]


def test_studies_without_sheet_or_score_are_left_out(folders):
    rows = table(3)
    rows.loc[1, "absolute_error"] = float("nan")
    shown = extreme_sheets(rows, {key: folder for key, folder in folders.items() if key != (0, "s2")})
    assert [caption[:2] for caption, _ in shown] == ["s0"]
