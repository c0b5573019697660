"""Scores by source, positive and negative cases apart."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.evaluation.measures.statistics import bootstrap_interval
from pneumoseg.evaluation.scoring.mask_columns import REQUIRED_COLUMNS
from pneumoseg.evaluation.scoring.sources import COLUMNS, source_lines, source_table
from pneumoseg.evaluation.scoring.tables import detailed_table

NAN = float("nan")


def row(case, name, reference_ml, prediction_ml, dice=NAN, nsd=NAN, *, source="", fold=0) -> dict:
    numbers = dict.fromkeys(REQUIRED_COLUMNS, NAN) | {
        "fold": fold,
        "case": case,
        "class": name,
        "dice": dice,
        "nsd": nsd,
    }
    volumes = {"volume_reference_ml": reference_ml, "volume_prediction_ml": prediction_ml}
    return numbers | volumes | {"status": "ok", "source": source}


def two_sources() -> list[dict]:
    """Of source x a case with much infection and one with little, of y a case with much and one without labels."""
    return [
        row("a", "infection", 10.0, 9.0, 0.8, 0.7, source="x"),
        row("a", "background", 90.0, 90.0, 0.9, source="x"),
        row("a", "lungs", 100.0, 99.0, 0.9, 0.9, source="x"),
        row("b", "infection", 0.5, 3.0, 0.1, 0.2, source="x"),
        row("b", "lungs", 50.0, 50.0, 0.7, 0.6, source="x"),
        row("c", "infection", 1.0, 2.0, 0.6, 0.5, source="y"),
        row("c", "lungs", 50.0, 50.0, 0.8, 0.8, source="y"),
        row("d", "infection", NAN, NAN, source="y"),
        row("d", "lungs", 0.0, 5.0, 0.0, 0.0, source="y"),
    ]


def test_what_is_right_in_a_case_with_little_is_not_false():
    little = row("a", "infection", 0.5, 2.0) | {"precision": 0.25}
    (one,) = source_table(detailed_table([little])).to_dict("records")
    assert one["false_positive_ml_mean"] == 1.5


def test_positive_and_negative_cases_are_apart():
    table = source_table(detailed_table(two_sources()))
    assert tuple(table.columns) == COLUMNS
    assert table[["source", "class"]].to_numpy().tolist() == [
        ["x", "infection"], ["x", "lungs"], ["y", "infection"], ["y", "lungs"], ["all", "infection"], ["all", "lungs"],
    ]  # fmt: skip
    rows = table.set_index(["source", "class"])
    assert rows["cases"].tolist() == [2, 2, 1, 2, 3, 4]
    assert rows["positive_cases"].tolist() == [1, 2, 1, 1, 2, 3]
    assert rows["negative_cases"].tolist() == [1, 0, 0, 1, 1, 1]
    assert rows["positive_ml"].tolist() == [1, 0, 1, 0, 1, 0]
    infection = rows.loc[("all", "infection")]
    assert infection["dice_mean"] == pytest.approx(0.7)
    assert (infection["dice_ci95_low"], infection["dice_ci95_high"]) == bootstrap_interval(np.array([0.8, 0.6]))
    assert infection["nsd_mean"] == pytest.approx(0.6)
    assert (infection["false_positive_ml_mean"], infection["false_positive_ml_largest"]) == (3, 3)
    assert rows.loc[("y", "infection"), "false_positive_ml_mean":].isna().all()
    assert rows.loc[("y", "lungs"), "false_positive_ml_largest"] == 5


def test_the_limit_is_a_choice():
    rows = source_table(detailed_table(two_sources()), positive_ml=0.5).set_index(["source", "class"])
    assert rows.loc[("all", "infection"), "positive_cases"] == 3
    rows = source_table(detailed_table(two_sources()), positive_ml=0).set_index(["source", "class"])
    assert rows.loc[("all", "infection"), "negative_cases"] == 0


def test_a_case_of_several_folds_counts_once():
    rows = [*two_sources(), row("b", "infection", 0.5, 5.0, 0.1, 0.2, source="x", fold=1)]
    infection = source_table(detailed_table(rows)).set_index(["source", "class"]).loc[("x", "infection")]
    assert (infection["cases"], infection["false_positive_ml_mean"]) == (2, 4)


def test_there_is_nothing_to_say_of_one_source_with_lesions():
    one = [row(case, "infection", 5.0, 5.0, 0.8, source="x") for case in "abcd"]
    assert source_table(detailed_table(one)) is None
    assert list(source_table(detailed_table([*one, row("e", "infection", 0, 1.0, 0.0, source="x")]))["source"]) == [
        "all"
    ]


def test_sources_of_one_case_each_are_the_cases_themselves():
    each = [row(case, "infection", 5.0, 5.0, 0.8, source=case) for case in "abcd"]
    assert source_table(detailed_table(each)) is None


def test_tables_of_before_have_no_sources():
    before = [{key: value for key, value in one.items() if key != "source"} for one in two_sources()]
    assert set(source_table(detailed_table(before))["source"]) == {"all"}
    assert source_table(detailed_table(before), positive_ml=0) is None


def test_the_printed_table_says_what_is_positive():
    text = source_lines(source_table(detailed_table(two_sources())))
    header, _, first = text.splitlines()[:3]
    assert header.split()[:4] == ["source", "class", "positive", "Dice"]
    assert first.split() == ["x", "infection", "1", "0.800", "–", "0.700", "1", "3.0", "3.0"]
    assert "(infection: at least 1 ml)" in text


def test_a_written_table_comes_back(tmp_path):
    table = source_table(detailed_table(two_sources()))
    table.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table, check_dtype=False)
