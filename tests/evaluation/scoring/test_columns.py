"""Every column of the score tables has a name in words."""

from pneumoseg.evaluation.scoring.mask_columns import COLUMNS, TITLES


def test_every_column_that_is_shown_has_one():
    assert set(TITLES) == set(COLUMNS) - {"fold", "case", "class"}
    assert len(set(TITLES.values())) == len(TITLES)


def test_units_stand_in_the_name():
    for column, title in TITLES.items():
        for ending, unit in (("_mm", "(mm)"), ("_ml", "(ml)"), ("_percent", "(%)")):
            assert column.endswith(ending) == title.endswith(unit)
