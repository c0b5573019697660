"""Targets and weights of studies, checked by eye; what cannot be learnt is refused."""

from pathlib import Path

import numpy as np
import pytest

from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.loading import load_study_settings
from pneumoseg.pipeline.training.study_targets import check_targets, label_weights, target_weights, targets


def study(diseased, score, name: str = "a") -> Study:
    return Study(name, Path("cohort.h5"), None, name, diseased=diseased, score=score)


def test_targets_are_columns_and_scores_shares_of_100():
    studies = [study(True, 43.0), study(False, None), study(None, 0.0)]
    found = targets(studies, ["label", "score"])
    np.testing.assert_array_equal(found["label"], [[1], [0], [0]])
    np.testing.assert_allclose(found["score"], [[0.43], [0], [0]], rtol=1e-6)
    assert all(array.dtype == np.float32 for array in found.values())
    assert list(targets(studies, ["score"])) == ["score"]


def test_what_is_unknown_does_not_count():
    studies = [study(True, 43.0), study(False, None), study(None, 0.0)]
    found = target_weights(studies, ["label", "score"], (0.5, 2.0))
    np.testing.assert_array_equal(found["label"], [2.0, 0.5, 0.0])
    np.testing.assert_array_equal(found["score"], [1.0, 0.0, 1.0])


def test_both_labels_weigh_alike_and_one_on_average():
    studies = [study(diseased, None) for diseased in (True, False, False, False, None)]
    healthy, diseased = label_weights(studies, load_study_settings("hrct-joint"))
    assert diseased == pytest.approx(3 * healthy)
    assert (3 * healthy + diseased) / 4 == pytest.approx(1)
    assert label_weights(studies, load_study_settings("hrct-joint", ["training.class_weights=none"])) == (1.0, 1.0)
    assert label_weights(studies[:1], load_study_settings("hrct-joint")) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("studies", "heads", "message"),
    [
        ([(True, None), (True, None)], ["label"], "diseased and healthy studies, found 2 studies that are diseased"),
        ([(False, None), (None, 3.0)], ["label", "score"], "2 studies that are healthy or of unknown label"),
        ([(True, None), (None, 3.0)], ["label"], "the output label needs .* found none of b"),
        ([(True, None), (False, None)], ["score"], "the output score needs .* found none of a, b"),
        ([(True, None), (False, None)], ["label", "score"], "no score is known of any of 2 studies"),
    ],
)
def test_studies_that_a_head_cannot_learn_from_are_refused(studies, heads, message):
    with pytest.raises(InputError, match=message):
        check_targets([study(*known, name=name) for name, known in zip("ab", studies, strict=True)], heads)


def test_a_study_may_lack_one_of_two_targets():
    check_targets([study(True, None), study(False, 3.0), study(None, 5.0)], ["label", "score"])
