from pneumoseg.evaluation.scoring.columns import KEYS, Columns

COLUMNS = Columns(
    required=(*KEYS, "error_hu", "share", "remark"),
    further=("difference_ml",),
    scores=("error_hu", "share", "difference_ml"),
    leading=("share", "error_hu"),
    errors=("error_hu",),
    differences=("difference_ml",),
    text=("remark",),
    titles={},
    definitions={},
    places={"error_hu": 1},
)


def test_columns_by_what_they_hold():
    assert COLUMNS.all == ("fold", "case", "class", "error_hu", "share", "remark", "difference_ml")
    assert COLUMNS.numbers == ("error_hu", "share", "difference_ml")
    assert COLUMNS.comparable == ("error_hu", "share")
    assert COLUMNS.main == "share"


def test_scores_by_how_they_are_read():
    assert COLUMNS.lower_is_better("error_hu")
    assert not COLUMNS.lower_is_better("share")
    assert (COLUMNS.decimal_places("error_hu"), COLUMNS.decimal_places("share")) == (1, 3)
    assert not COLUMNS.class_definitions(["mean"])
