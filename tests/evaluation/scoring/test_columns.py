from dataclasses import replace

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.scoring.columns import KEYS, Columns

COLUMNS = Columns(
    required=(*KEYS, "error_hu", "share", "remark"),
    further=("difference_ml",),
    scores=("error_hu", "share", "difference_ml"),
    leading=("share", "error_hu"),
    errors=("error_hu",),
    differences=("difference_ml",),
    text=("remark",),
    titles={"error_hu": "error (HU)", "share": "share", "difference_ml": "difference (ml)"},
    definitions={"error_hu": "An error.", "share": "A share.", "difference_ml": "A difference."},
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leading": ()}, "one score or more is leading"),
        ({"required": ("case", "fold", "class")}, "begin with fold, case, class"),
        ({"leading": ("dice",)}, "leading are columns of the table, found also dice"),
        ({"titles": {}}, "each score and quantity has a title, missing: error_hu, share, difference_ml"),
        ({"definitions": {"share": "x", "error_hu": "y"}}, "a definition, missing: difference_ml"),
    ],
)
def test_columns_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(COLUMNS, **changes)
