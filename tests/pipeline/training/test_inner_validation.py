"""Which patients are held back, and the threshold chosen on them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.training.inner_validation import held_back_patients, youden_threshold


def cohort(count: int) -> list[Study]:
    """A third diseased, of these a third severe; two studies of each patient."""
    studies = []
    for number in range(count):
        diseased = number % 3 == 0
        score = 0.0 if not diseased else (70.0 if number % 9 == 0 else 30.0)
        for scan in "ab":
            name = f"p{number:03d}{scan}"
            studies.append(Study(name, Path("c.h5"), None, f"p{number:03d}", diseased=diseased, score=score))
    return studies


@pytest.mark.parametrize("seed", range(5))
def test_the_share_has_the_distribution_of_labels_and_scores(seed):
    studies = cohort(90)
    chosen = held_back_patients(studies, 0.2, seed)
    assert len(chosen) == 18
    strata = Counter(study.stratum for study in studies if study.patient in chosen)
    assert strata == {"healthy 0": 2 * 12, "diseased 1": 2 * 4, "diseased 3": 2 * 2}


def test_the_choice_is_that_of_the_seed_whatever_the_order():
    studies = cohort(30)
    assert held_back_patients(studies, 0.2, 1) == held_back_patients(studies[::-1], 0.2, 1)
    assert held_back_patients(studies, 0.2, 1) != held_back_patients(studies, 0.2, 2)


@pytest.mark.parametrize(("patients", "share", "expected"), [(2, 0.01, 1), (2, 0.9, 1), (3, 0.9, 2), (10, 0.25, 2)])
def test_neither_side_is_empty(patients, share, expected):
    assert len(held_back_patients(cohort(patients), share, 0)) == expected


def test_one_patient_is_refused():
    with pytest.raises(InputError, match="two patients or more, found 1"):
        held_back_patients(cohort(1), 0.2, 0)


@pytest.mark.parametrize("seed", range(10))
def test_the_threshold_has_the_largest_youden_index_of_all(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(40) < 0.4
    probabilities = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(2)  # with ties
    false_alarms, hits, _ = roc_curve(truth, probabilities)
    predicted = probabilities >= youden_threshold(truth, probabilities)
    assert predicted[truth].mean() - predicted[~truth].mean() == pytest.approx((hits - false_alarms).max())


def test_studies_of_one_kind_or_one_probability_give_one_half():
    assert youden_threshold([True, True], [0.1, 0.9]) == 0.5
    assert youden_threshold([False, True], [0.3, 0.3]) == 0.5
