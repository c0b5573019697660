"""The report's tables: every cell of them, and when one is left out."""

from pneumoseg.evaluation.scoring.tables import final_table
from tests.evaluation.report.written_page import Page, five_cases, table_of, written


def test_interval_and_quartiles_stand_beside_the_mean(tmp_path):
    detailed = five_cases()
    final = final_table(detailed).assign(dice_ci95_low=0.57, dice_ci95_high=0.754, dice_q1=0.6, dice_q3=0.8)
    header, row, _ = table_of(written(tmp_path, detailed, final), "Overlap")
    assert header == ["class", "cases", "Dice mean ± sd", "mean [95 % interval]", "median [quartiles]"]
    assert row == ["infection", "5", "0.700 ± 0.158", "0.700 [0.57, 0.75]", "0.700 [0.60, 0.80]"]


def test_without_an_interval_an_en_dash(tmp_path):
    detailed = five_cases()
    final = final_table(detailed).assign(dice_ci95_low=float("nan"), dice_ci95_high=float("nan"))
    assert table_of(written(tmp_path, detailed, final), "Overlap")[1][3] == "–"


def test_a_table_without_interval_columns_is_shown_as_well(tmp_path):
    detailed = five_cases()
    final = final_table(detailed)
    final = final[[column for column in final if not column.endswith(("_ci95_low", "_ci95_high", "_q1", "_q3"))]]
    assert table_of(written(tmp_path, detailed, final), "Overlap")[:2] == [
        ["class", "cases", "Dice mean ± sd", "median"],
        ["infection", "5", "0.700 ± 0.158", "0.700"],
    ]


def test_folds_have_a_table_of_dice_and_one_of_nsd(tmp_path):
    text = written(tmp_path, five_cases())
    assert table_of(text, "Mean Dice, fold by fold")[:2] == [
        ["class", "fold 0", "fold 1", "all"],
        ["infection", "0.700", "0.700", "0.700"],
    ]
    assert table_of(text, "Mean NSD, fold by fold")[1] == ["infection", "0.500", "0.500", "0.500"]
    one = five_cases().query("fold == 0")
    assert "fold by fold" not in written(tmp_path, one)


def test_undefined_scores_are_warned_of_once_per_class(tmp_path):
    words = "".join(Page(written(tmp_path, five_cases())).words)
    assert "infection: 1 score undefined over 5 cases and left out of the means: NSD in 1." in words
