"""What is warned of in the scores of a fold."""

from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row
from pneumoseg.evaluation.scoring.study_warnings import study_warnings
from pneumoseg.evaluation.scoring.tables import detailed_table


def warnings(labels=(), scores=()) -> list[str]:
    rows = [{"fold": 0, "case": f"a{n}", **label_row(*one, threshold=0.5)} for n, one in enumerate(labels)]
    rows += [{"fold": 0, "case": f"a{n}", **score_row(*one)} for n, one in enumerate(scores)]
    unscored = dict.fromkeys(STUDY_COLUMNS.scores, float("nan"))
    return list(study_warnings(detailed_table([unscored | row for row in rows], STUDY_COLUMNS)))


def test_nothing_is_wrong():
    assert warnings([(True, 0.6), (False, 0.4)], [(10.0, 12.0), (30.0, 20.0)]) == []


def test_one_prediction_for_all():
    found = warnings([(True, 0.5), (False, 0.5)], [(10.0, 25.0), (30.0, 25.0)])
    assert found == [
        f"{name}: all 2 studies are predicted alike; has the network learnt nothing?"
        for name in (
            "disease",
            "severity",
        )
    ]
    assert warnings(scores=[(0.0, 0.0), (0.0, 0.0)]) == []  # they are alike


def test_one_label_alone():
    (found,) = warnings([(True, 0.5), (True, 0.6)])
    assert found == "disease: all 2 test studies are diseased: no AUC, and no specificity"
    assert "no sensitivity" in warnings([(False, 0.5)])[0]
