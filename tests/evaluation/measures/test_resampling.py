"""Bootstrap over patients."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.resampling import patient_bootstrap


def means_of(values):
    return lambda drawn: np.array([values[drawn].mean(), values[drawn].max()])


def test_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(1).normal(10.0, 2.0, size=200)
    (low, high), _ = patient_bootstrap(means_of(values), np.arange(200))
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)


def test_the_same_studies_give_the_same_interval():
    values = np.random.default_rng(2).normal(size=20)
    first, second = (patient_bootstrap(means_of(values), np.arange(20), resamples=50) for _ in range(2))
    assert (first == second).all()


def test_studies_of_a_patient_are_drawn_together():
    values = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    drawn_means = set()

    def mean(drawn):
        drawn_means.add(float(values[drawn].mean()))
        return values[drawn].mean()[None]

    patient_bootstrap(mean, ["a", "a", "a", "b", "b", "b"], resamples=100)
    assert drawn_means == {0.0, 0.5, 1.0}


def test_copies_of_studies_do_not_make_the_interval_narrower():
    values = np.random.default_rng(3).normal(size=30)
    patients = np.array([f"p{number:02}" for number in range(30)])
    alone = patient_bootstrap(means_of(values), patients)
    thrice = patient_bootstrap(means_of(np.repeat(values, 3)), np.repeat(patients, 3))
    assert thrice == pytest.approx(alone)


def test_undefined_resamples_do_not_count():
    values = np.array([np.nan, 1.0, 2.0, 3.0])
    (low, high), _ = patient_bootstrap(means_of(values), list("abcd"), resamples=400)
    assert np.isnan([low, high]).all()  # most resamples hold the undefined one
    values = np.append(np.nan, np.arange(1.0, 3.0))
    some = patient_bootstrap(lambda drawn: np.array([np.nan if len(set(drawn)) == 1 else 1.0]), list("abc"))
    assert some.tolist() == [[1.0, 1.0]]


def test_one_patient_has_no_interval():
    assert np.isnan(patient_bootstrap(means_of(np.array([1.0, 2.0])), ["a", "a"])).all()


@pytest.mark.parametrize("level, resamples, patients", [(0.0, 10, "ab"), (0.95, 0, "ab"), (0.95, 10, "")])
def test_wrong_arguments_are_refused(level, resamples, patients):
    with pytest.raises(InputError, match="an interval needs"):
        patient_bootstrap(means_of(np.zeros(2)), list(patients), level=level, resamples=resamples)
