"""Score tables: means without the undefined, files that come back the same."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS, REQUIRED_COLUMNS, SCORES
from pneumoseg.evaluation.scoring.tables import (
    aligned,
    detailed_table,
    final_table,
    mean_and_sd,
    read_detailed,
    result_lines,
)


def row(fold: int, case: str, name: str, dice: float, **further) -> dict:
    return {
        "fold": fold,
        "case": case,
        "class": name,
        **dict.fromkeys(SCORES, float("nan")),
        "dice": dice,
        "volume_reference_ml": 1234.5678,
        "volume_prediction_ml": 0.0,
        "status": "both_empty" if np.isnan(dice) else "ok",
        **further,
    }


def four_cases() -> pd.DataFrame:
    dice = {("b", 0): 0.5, ("a", 0): 0.7, ("c", 1): float("nan"), ("d", 1): 0.9}
    return detailed_table(
        [row(fold, case, name, value) for (case, fold), value in dice.items() for name in ("infection", "lungs")]
    )


def test_the_detailed_table_is_ordered_and_keeps_further_columns_last():
    table = detailed_table([row(1, "b", "x", 1.0, extra=3), row(0, "c", "x", 1.0, extra=4)])
    assert tuple(table.columns) == (*COLUMNS, "extra")
    assert table["case"].tolist() == ["c", "b"]


def test_means_leave_out_the_undefined_and_count_them():
    final = final_table(four_cases()).set_index(["fold", "class"])
    pooled = final.loc[("all", "infection")]
    assert pooled["cases"] == 4
    assert pooled["dice_mean"] == pytest.approx(0.7)
    assert pooled["dice_sd"] == pytest.approx(0.2)
    assert pooled["dice_median"] == pytest.approx(0.7)
    assert pooled["dice_undefined"] == 1
    second = final.loc[("1", "infection")]
    assert (second["dice_mean"], second["dice_undefined"]) == (0.9, 1)
    assert np.isnan(second["dice_sd"])  # one case has no deviation
    assert np.isnan(pooled["nsd_mean"])
    assert pooled["nsd_undefined"] == 4


def test_the_final_table_has_each_fold_and_all():
    final = final_table(four_cases())
    expected = [(fold, name) for fold in ("0", "1", "all") for name in ("infection", "lungs")]
    assert list(zip(final["fold"], final["class"], strict=True)) == expected
    assert final.columns[:7].tolist() == [
        "fold", "class", "cases", "dice_mean", "dice_sd", "dice_median", "dice_undefined",
    ]  # fmt: skip


def test_a_written_table_comes_back(tmp_path):
    write_table(four_cases(), tmp_path / "metrics.csv")
    text = (tmp_path / "metrics.csv").read_text()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert "1234.57" in text  # six digits
    assert "nan" not in text.lower()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
    back = read_detailed(tmp_path / "metrics.csv")
    pd.testing.assert_frame_equal(back, four_cases(), rtol=1e-5, check_dtype=False)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    write_table(detailed_table([row(0, "007", "x", 1.0), row(0, "NA", "x", 1.0)]), tmp_path / "metrics.csv")
    assert read_detailed(tmp_path / "metrics.csv")["case"].tolist() == ["007", "NA"]


def test_a_missing_column_is_refused(tmp_path):
    write_table(four_cases().drop(columns=["dice", "status"]), tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="columns missing: dice, status"):
        read_detailed(tmp_path / "metrics.csv")


@pytest.mark.parametrize("wrong", ["high", "-", "0,5"])
def test_text_for_a_score_is_refused(tmp_path, wrong):
    write_table(four_cases().astype({"dice": object}).assign(dice=wrong), tmp_path / "metrics.csv")
    with pytest.raises(InputError, match=f"column dice must hold numbers, found '{wrong}'"):
        read_detailed(tmp_path / "metrics.csv")


def test_a_row_without_fold_is_refused(tmp_path):
    write_table(four_cases().assign(fold=""), tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="column fold must hold whole numbers, found an empty cell"):
        read_detailed(tmp_path / "metrics.csv")


@pytest.mark.parametrize("fold", ["inf", "1.5", "-inf", "1e300", "nan", "x"])
def test_a_fold_that_is_no_whole_number_is_refused(tmp_path, fold):
    write_table(four_cases().assign(fold=fold), tmp_path / "metrics.csv")
    with pytest.raises(InputError, match=rf"metrics\.csv: column fold must hold whole numbers, found '{fold}'"):
        read_detailed(tmp_path / "metrics.csv")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_detailed(tmp_path / "metrics.csv")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3,4\n1\n", b"\xff\xfe\x00broken"])
def test_a_file_that_is_no_csv_is_refused(tmp_path, content):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.csv"):
        read_detailed(tmp_path / "metrics.csv")


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "metrics.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(InputError, match="no scores"):
        read_detailed(tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="no scores"):
        detailed_table([])


def test_a_case_scored_twice_is_refused():
    with pytest.raises(InputError, match="fold 0, case a, class x more than once"):
        detailed_table([row(0, "a", "x", 1.0), row(0, "a", "x", 0.5)])


def test_the_printed_table_shows_mean_deviation_and_undefined():
    lines = result_lines(final_table(four_cases())).splitlines()
    assert lines[0].split()[0] == "class"
    assert lines[2].split()[:4] == ["infection", "0.700", "±", "0.200"]
    assert lines[2].split()[5] == "to"
    assert lines[2].split()[7:] == ["0.700", "–", "–", "–", "–", "4", "1"]
    assert len({len(line) for line in lines[:4]}) == 1


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("lung_left", "lung_right", "infection", "lungs"), True),
        (("lungs", "infection"), False),  # as of `evaluate --labels 1=lungs,2=infection`
        (("lung_left", "lung_right", "infection"), False),
    ],
)
def test_the_group_of_lungs_is_told_from_a_class_of_that_name(classes, said):
    final = final_table(detailed_table([row(0, "a", name, 0.5) for name in classes]))
    assert ("left lung + right lung + infection" in result_lines(final)) is said


def test_a_case_of_several_folds_counts_once_with_its_mean():
    dice = {(0, "a"): 0.5, (0, "b"): 0.7, (1, "a"): 0.7, (1, "b"): float("nan"), (2, "c"): float("nan")}
    final = final_table(detailed_table([row(*key, "infection", value) for key, value in dice.items()]))
    pooled = final.set_index("fold").loc["all"]
    assert (pooled["cases"], pooled["dice_undefined"]) == (3, 1)
    assert (pooled["dice_mean"], pooled["dice_median"]) == (pytest.approx(0.65), pytest.approx(0.65))
    assert pooled["dice_sd"] == pytest.approx(0.005**0.5)  # of 0.6 and 0.7
    once = detailed_table([row(0, case, "infection", value) for case, value in (("a", 0.6), ("b", 0.7))])
    expected = final_table(once).iloc[-1]
    for end in ("dice_ci95_low", "dice_ci95_high"):
        assert pooled[end] == pytest.approx(expected[end])


def test_where_each_case_is_in_one_fold_all_is_every_row_to_the_last_digit():
    rng = np.random.default_rng(0)
    rows = [
        row(fold, f"{case}", name, rng.uniform(), hd95_mm=rng.uniform(0, 99), volume_difference_ml=rng.normal())
        for case, fold in enumerate((2, 0, 1, 0, 2, 1, 0))
        for name in ("infection", "lung_left")
    ]
    pooled = final_table(detailed_table(rows)).query("fold == 'all'").drop(columns="fold").reset_index(drop=True)
    together = final_table(detailed_table(rows).assign(fold=0)).query("fold == '0'").drop(columns="fold")
    pd.testing.assert_frame_equal(pooled, together.reset_index(drop=True), check_exact=True)


def test_the_printed_table_shows_the_surface_scores():
    rows = [row(0, case, "infection", 0.5, nsd=nsd, hd95_mm=hd95) for case, nsd, hd95 in (("a", 0.6, 3), ("b", 0.8, 5))]
    lines = result_lines(final_table(detailed_table(rows))).splitlines()
    assert lines[0].split()[5:12] == ["95", "%", "interval", "median", "nsd", "hd95", "mm"]
    assert lines[2].split()[7:10] == ["0.500", "0.700", "4.0"]
    assert len(lines[0]) <= 110


def test_the_final_table_has_the_surface_scores_and_counts_the_undefined():
    distances = {"a": 3.0, "b": 5.0, "c": float("nan")}
    rows = [row(0, case, "infection", 0.5, hd_mm=distance) for case, distance in distances.items()]
    pooled = final_table(detailed_table(rows)).iloc[-1]
    assert (pooled["hd_mm_mean"], pooled["hd_mm_median"], pooled["hd_mm_undefined"]) == (4, 4, 1)
    assert pooled["hd_mm_sd"] == pytest.approx(2**0.5)


def test_tables_of_before_the_later_columns_are_read(tmp_path):
    old = four_cases()[list(REQUIRED_COLUMNS)]
    old.to_csv(tmp_path / "metrics.csv", index=False)
    table = read_detailed(tmp_path / "metrics.csv")
    assert tuple(table.columns) == COLUMNS
    assert table["hd_mm"].isna().all()
    assert table["dice"].notna().any()


def test_a_mean_without_deviation_stands_alone():
    assert mean_and_sd(0.5, float("nan")) == "0.500"
    assert mean_and_sd(float("nan"), float("nan")) == "–"


def test_intervals_and_quartiles_stand_behind_the_rest():
    rows = [row(0, case, "infection", dice) for case, dice in zip("abcde", (0.5, 0.6, 0.7, 0.8, 0.9), strict=True)]
    pooled = final_table(detailed_table(rows)).iloc[-1]
    assert (pooled["dice_q1"], pooled["dice_q3"]) == (pytest.approx(0.6), pytest.approx(0.8))
    assert 0.5 < pooled["dice_ci95_low"] < 0.65
    assert 0.75 < pooled["dice_ci95_high"] < 0.9
    assert list(pooled.index).index("dice_q1") > list(pooled.index).index("lesion_f1_undefined")


def test_one_case_has_no_interval_and_says_so():
    final = final_table(detailed_table([row(0, "a", "infection", 0.5)]))
    assert final[["dice_ci95_low", "dice_ci95_high"]].isna().all(axis=None)
    assert "One case has no deviation and no interval." in result_lines(final)


def test_a_table_for_the_terminal_has_words_at_the_left_and_numbers_at_the_right():
    assert aligned([["case", "x"], ["a", "10.5"]]) == ["case     x", "----------", "a     10.5"]
    assert aligned([["a", "b", "n"], ["xx", "y", "12"]], text_columns=2) == ["a   b   n", "---------", "xx  y  12"]
