import pandas as pd
import pytest
import typer

from pneumoseg.scripts.benchmark.ablation import compare, parse_variant


def scores(infection) -> pd.DataFrame:
    classes = {"lung_left": 0.9, "lung_right": 0.8, "lungs": 0.95}
    rows = [
        {"case": case, "class": name, "dice": dice}
        for case, own in infection.items()
        for name, dice in (*classes.items(), ("infection", own))
    ]
    return pd.DataFrame(rows)


def test_differences_are_taken_case_by_case_from_the_first():
    table = compare({"recipe": scores({"a": 0.5, "b": 0.7}), "less": scores({"b": 0.6, "a": 0.3})})
    assert list(table["variant"]) == ["recipe", "less"]
    assert table["infection_dice"].tolist() == pytest.approx([0.6, 0.45])
    assert table["infection_difference"].tolist() == pytest.approx([0, -0.15])
    assert table["lungs_difference"].tolist() == pytest.approx([0, 0])


def test_a_variant_is_a_name_and_settings():
    assert parse_variant("no average: training.average_decay=null a.b=1") == (
        "no average",
        ["training.average_decay=null", "a.b=1"],
    )


@pytest.mark.parametrize("text", ["name", "name:", "name: setting"])
def test_a_variant_without_settings_is_refused(text):
    with pytest.raises(typer.BadParameter, match="expected"):
        parse_variant(text)
