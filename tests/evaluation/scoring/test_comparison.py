"""Runs paired case by case: a run with itself, with a degraded copy, and tables that do not fit one another."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.differences import difference_plot
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.scoring.comparison import compare, readable
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS, SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table

CLASSES = ("background", "lung_left", "infection")


def table(cases: int = 10, start: int = 0, classes=CLASSES, **changed) -> pd.DataFrame:
    """Scores that differ from case to case, two cases a fold. `changed`: further columns."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "fold": case // 2,
            "case": f"case_{case}",
            "class": name,
            **dict.fromkeys(SCORES, float("nan")),
            "dice": dice,
            "nsd": dice - 0.1,
            "hd95_mm": 20 * (1 - dice),
            "volume_reference_ml": 100.0 + case,
            "volume_prediction_ml": 90.0,
            "status": "ok",
            "nsd_tolerance_mm": 3.0,
        }
        | changed
        for case in range(start, start + cases)
        for name, dice in zip(classes, rng.uniform(0.7, 0.95, len(classes)), strict=True)
    ]
    return detailed_table(rows)


def degraded(found: pd.DataFrame) -> pd.DataFrame:
    """The infection's Dice lower by about 0.05, its HD95 larger by about 1 mm."""
    worse = found.copy()
    infection = worse["class"] == "infection"
    noise = np.random.default_rng(1).normal(0, 0.01, infection.sum())
    worse.loc[infection, "dice"] -= 0.05 + noise
    worse.loc[infection, "hd95_mm"] += 1 + 20 * noise
    return worse


def row(comparison, score: str, name: str, run: str = "b") -> pd.Series:
    summary = comparison.summary.set_index(["run_b", "score", "class"])
    return summary.loc[(run, score, name)]


def test_a_run_and_itself_do_not_differ():
    found = compare({"a": table(), "b": table()})
    assert len(found.summary) == 3 * 2  # scores x classes without background
    assert (found.summary[["mean_difference", "ci95_low", "ci95_high", "median_difference", "rank_biserial"]] == 0).all(
        axis=None
    )
    assert (found.summary[["p", "p_holm"]] == 1).all(axis=None)
    assert (found.summary[["cases", "equal"]] == 10).all(axis=None)
    assert (found.summary[["better", "worse", "undefined"]] == 0).all(axis=None)
    assert (found.cases["difference"] == 0).all()


def test_a_degraded_copy_is_found_where_it_is_worse_and_nowhere_else():
    found = compare({"a": table(), "b": degraded(table())})
    dice = row(found, "dice", "infection")
    assert dice["p"] == pytest.approx(2 / 2**10)  # all ten cases are worse
    assert dice["p_holm"] == pytest.approx(6 * 2 / 2**10)
    assert dice["mean_difference"] == pytest.approx(-0.05, abs=0.01)
    assert dice["ci95_low"] < dice["mean_difference"] < dice["ci95_high"] < 0
    assert dice["mean_b"] - dice["mean_a"] == pytest.approx(dice["mean_difference"])
    assert dice[["better", "worse", "equal", "rank_biserial"]].tolist() == [0, 10, 0, -1]
    assert row(found, "dice", "lung_left")[["p", "p_holm", "equal"]].tolist() == [1, 1, 10]
    assert row(found, "nsd", "infection")["p_holm"] == 1


def test_less_is_better_for_distances():
    found = compare({"a": table(), "b": degraded(table())})
    distance = row(found, "hd95_mm", "infection")
    assert distance["mean_difference"] == pytest.approx(1, abs=0.2)
    assert distance[["better", "worse"]].tolist() == [0, 10]
    turned = compare({"b": degraded(table()), "a": table()})
    assert row(turned, "hd95_mm", "infection", "a")[["better", "worse"]].tolist() == [10, 0]


def test_cases_are_listed_by_how_much_they_moved_undefined_ones_last():
    b = table(4)
    b.loc[b["class"] == "infection", "dice"] += [0.01, float("nan"), -0.03, 0.02]
    cases = compare({"a": table(4), "b": b}).cases
    assert list(cases.columns) == ["run_b", "score", "class", "case", "a", "b", "difference"]
    infection = cases.query("score == 'dice' and `class` == 'infection'")
    assert infection["case"].tolist() == ["case_2", "case_3", "case_0", "case_1"]
    assert infection["difference"].tolist()[:3] == [-0.03, 0.02, 0.01]
    assert np.isnan(infection["difference"].tolist()[3])


def test_undefined_pairs_are_counted_and_left_out_of_both_means():
    b = degraded(table())
    b.loc[(b["class"] == "infection") & (b["case"] == "case_3"), "dice"] = np.nan
    found = row(compare({"a": table(), "b": b}), "dice", "infection")
    assert found[["cases", "undefined"]].tolist() == [9, 1]
    kept = table().query("`class` == 'infection' and case != 'case_3'")["dice"]
    assert found["mean_a"] == pytest.approx(kept.mean())


def test_a_score_without_any_value_is_undefined_and_no_test():
    found = compare({"a": table(), "b": degraded(table())}, ["dice", "iou"])
    nothing = row(found, "iou", "infection")
    assert nothing[["cases", "undefined"]].tolist() == [0, 10]
    assert nothing[["mean_a", "mean_difference", "ci95_low", "p", "p_holm", "rank_biserial"]].isna().all()
    assert row(found, "dice", "infection")["p_holm"] == pytest.approx(2 * 2 / 2**10)  # two tests, both Dice
    assert "–" in readable(found)


def test_runs_without_a_value_in_common_are_said_to_be_so():
    found = compare({"a": table(), "b": table()}, ["iou"])
    assert "No case has a score in both runs" in readable(found)
    assert found.summary["p_holm"].isna().all()


def test_differences_that_floating_point_alone_tells_apart_are_ties():
    a, b = (table(2, classes=("infection",)) for _ in range(2))
    a["dice"], b["dice"] = [0.7, 0.5], [0.8, 0.6]  # 0.8 - 0.7 and 0.6 - 0.5 differ in the last bit
    assert compare({"a": a, "b": b}, ["dice"]).cases["difference"].nunique() == 1


def test_folds_may_differ_and_a_case_in_several_folds_counts_once_with_its_mean():
    again = table(2)
    again["fold"] = 7
    again["dice"] += 0.02
    again.loc[(again["case"] == "case_1"), "dice"] = np.nan
    repeated = pd.concat([table(2).assign(fold=3), again], ignore_index=True)
    cases = compare({"a": table(2), "b": repeated}, ["dice"]).cases
    assert cases.groupby("case")["difference"].unique().map(list).to_dict() == {"case_0": [0.01], "case_1": [0]}


def test_every_run_is_compared_with_the_first_and_all_tests_are_one_family():
    found = compare({"a": table(), "b": degraded(table()), "c": table()}, ["dice"])
    assert found.summary[["run_a", "run_b", "class"]].to_numpy().tolist() == [
        ["a", "b", "lung_left"], ["a", "b", "infection"], ["a", "c", "lung_left"], ["a", "c", "infection"],
    ]  # fmt: skip
    assert row(found, "dice", "infection")["p_holm"] == pytest.approx(4 * 2 / 2**10)


def test_the_order_of_rows_changes_nothing():
    a, b = table(), degraded(table())
    shuffled = b.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(compare({"a": a, "b": shuffled}).summary, compare({"a": a, "b": b}).summary)


def test_a_single_case_has_no_interval_and_no_significance():
    found = compare({"a": table(1), "b": degraded(table(1))})
    dice = row(found, "dice", "infection")
    assert dice["mean_difference"] == dice["median_difference"] < 0
    assert np.isnan(dice["ci95_low"]) and np.isnan(dice["ci95_high"])
    assert dice["p"] == 1
    assert "A single case has no interval" in readable(found)


def test_cases_that_one_run_lacks_are_named_and_left_out():
    with warnings_of_this_thread() as warned:
        found = compare({"a": table(4), "b": table(4, start=2)})
    assert sorted(found.cases["case"].unique()) == ["case_2", "case_3"]
    assert warned[:2] == [
        "2 cases only in a, left out: case_0, case_1",
        "2 cases only in b, left out: case_4, case_5",
    ]


def test_classes_that_one_run_lacks_are_named_and_left_out():
    with warnings_of_this_thread() as warned:
        found = compare({"a": table(3), "b": table(3, classes=("background", "infection", "lungs"))})
    assert found.summary["class"].unique().tolist() == ["infection"]
    assert warned == ["1 classes only in a, left out: lung_left", "1 classes only in b, left out: lungs"]


def test_a_class_that_one_run_scored_in_fewer_cases_is_undefined_there():
    b = table(4)
    b = b[(b["class"] != "infection") | (b["case"] != "case_2")]
    found = row(compare({"a": table(4), "b": b}), "dice", "infection")
    assert found[["cases", "undefined"]].tolist() == [3, 1]


def test_masks_of_another_reference_are_warned_of():
    with warnings_of_this_thread() as warned:
        compare({"a": table(2), "b": table(2, volume_reference_ml=50.0)})
    assert len(warned) == 1
    assert "not scored against the same: case_0, case_1" in warned[0]


def test_surface_dice_of_other_tolerances_is_refused_but_other_scores_are_compared():
    tables = {"a": table(2), "b": table(2, nsd_tolerance_mm=1.0)}
    with pytest.raises(InputError, match=r"3 mm in a and 1 mm in b \(case case_0, class lung_left\)"):
        compare(tables)
    assert len(compare(tables, ["dice"]).summary) == 2


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "needs two runs, found none"),
        ({"a": table(1)}, "needs two runs, found a"),
        ({"a": table(2), "b": table(2, start=5)}, "share no case besides the background, .* case_0, case_1 .* case_5"),
        ({"a": table(2), "b": table(2, classes=("lungs",))}, "share no class"),
        ({"a": table(2, classes=("background",)), "b": table(2)}, "share no case besides the background"),
        (
            {"a": table(2), "b": table(2, hd95_mm=np.inf)},
            "run b: scores must be finite .* case case_0, class lung_left",
        ),
    ],
)
def test_runs_that_cannot_be_compared(tables, message):
    with pytest.raises(InputError, match=message):
        compare(tables)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (["dise"], "dise cannot be compared; did you mean dice"),
        (["volume_difference_ml"], "volume_difference_ml cannot be compared"),
        ([], "needs a score"),
    ],
)
def test_scores_that_cannot_be_compared(scores, message):
    with pytest.raises(InputError, match=message):
        compare({"a": table(2), "b": table(2)}, scores)


def test_every_score_with_a_better_end_can_be_compared():
    assert len(compare({"a": table(3), "b": table(3)}, MASK_COLUMNS.comparable).summary) == 2 * len(
        MASK_COLUMNS.comparable
    )


def test_the_text_shows_each_run_and_says_what_too_few_cases_cannot_show():
    text = readable(compare({"a": table(), "b": degraded(table()), "c": table()}))
    assert [line for line in text.splitlines() if line.startswith("b: ")] == ["b: b", "b: c"]
    (line,) = (line for line in text.split("b: c")[0].splitlines() if line.startswith("dice") and "infection" in line)
    assert line.split()[-4:] == ["0", "10", "0", "0"]
    assert "too few cases" not in text
    assert "too few cases" in readable(compare({"a": table(5), "b": degraded(table(5))}))
    assert "lungs = left lung" not in text
    lungs = table(2, classes=("lung_left", "lung_right", "infection", "lungs"))
    assert "lungs = left lung" in readable(compare({"a": lungs, "b": lungs}))
    named_so = table(2, classes=("lungs", "infection"))
    assert "lungs = left lung" not in readable(compare({"a": named_so, "b": named_so}))


def test_the_figure_shows_each_defined_difference_and_the_mean(tmp_path):
    b = degraded(table())
    b.loc[(b["class"] == "infection") & (b["case"] == "case_3"), "dice"] = np.nan
    found = compare({"a": table(), "b": b})
    axes = difference_plot(found).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["lung_left\nn = 10", "infection\nn = 9"]
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) in (9, 10)]
    expected = found.cases.query("score == 'dice' and `class` == 'infection'")["difference"].dropna()
    assert drawn[1].tolist() == sorted(expected)
    assert axes.get_ylim()[1] > 0
    save_figure(difference_plot(found, "hd95_mm"), tmp_path / "figure.png", dpi=50)


def test_a_figure_needs_neither_differences_nor_values():
    alike = compare({"a": table(1), "b": table(1), "c": table(1)})
    assert difference_plot(alike).axes[0].get_ylim() == (-1, 1)
    nothing = difference_plot(compare({"a": table(2), "b": table(2)}, ["iou"]), "iou").axes[0]
    assert [text.get_text() for text in nothing.texts] == ["undefined", "undefined"]


def test_a_distance_far_beyond_the_others_stands_on_a_logarithmic_axis():
    b = degraded(table())
    assert difference_plot(compare({"a": table(), "b": b}), "hd95_mm").axes[0].get_yscale() == "linear"
    b.loc[b.index[-1], "hd95_mm"] = 480
    assert difference_plot(compare({"a": table(), "b": b}), "hd95_mm").axes[0].get_yscale() == "symlog"


def test_a_figure_of_a_score_that_was_not_compared_is_refused():
    with pytest.raises(InputError, match="iou was not compared"):
        difference_plot(compare({"a": table(2), "b": table(2)}), "iou")
