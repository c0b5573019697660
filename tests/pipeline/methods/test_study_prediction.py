"""What is said of a study: the label is that of the threshold."""

import pytest

from pneumoseg.pipeline.methods.study_prediction import StudyPrediction


@pytest.mark.parametrize(("probability", "diseased"), [(0.29, False), (0.3, True), (0.9, True), (None, None)])
def test_diseased_from_the_threshold_on(probability, diseased):
    assert StudyPrediction(probability, 12.0, threshold=0.3).diseased is diseased
