"""Rows of the label and of the score."""

import pytest

from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row


def test_label_by_eye():
    row = label_row(True, 0.7, threshold=0.75)
    assert (row["class"], row["accuracy"], row["given"], row["predicted"]) == ("disease", 0.0, 1.0, 0.7)
    assert row["brier"] == pytest.approx(0.09)
    assert label_row(False, 0.75, threshold=0.75)["accuracy"] == 0.0  # at the threshold is diseased


def test_score_by_eye():
    row = score_row(85.0, 45.0)
    assert (row["class"], row["accuracy"], row["categories_off"], row["within_one"]) == ("severity", 0.0, 2.0, 0.0)
    assert (row["absolute_error"], row["score_difference"]) == (40.0, -40.0)


def test_rows_hold_only_columns_of_the_table():
    assert set(label_row(True, 0.5, threshold=0.5)) <= set(STUDY_COLUMNS.all)
    assert set(score_row(1.0, 2.0)) <= set(STUDY_COLUMNS.all)


def test_classes_are_explained():
    assert list(STUDY_COLUMNS.class_definitions(["severity", "disease"])) == ["severity", "disease"]
