"""Every score of the tables has a title, and a definition unless it is a count."""

from pneumoseg.evaluation.measures.agreement import AGREEMENT_SCORES
from pneumoseg.evaluation.measures.classification import LABEL_SCORES
from pneumoseg.evaluation.scoring.study_score_names import DEFINITIONS, TITLES


def test_names_are_complete():
    assert {*LABEL_SCORES, *AGREEMENT_SCORES, "limit_low", "limit_high"} == set(DEFINITIONS)
    counts = {"true_positive", "false_positive", "false_negative", "true_negative"}
    assert set(TITLES) == set(DEFINITIONS) | counts
