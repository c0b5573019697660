import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.training.metrics import METRICS, make_metric

LABELS = np.array([0, 1, 2, 3], np.uint8).reshape(1, 4, 1, 1, 1)
CERTAIN = np.eye(4, dtype=np.float32).reshape(1, 4, 1, 1, 4)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_is_better_than_a_wrong_one(name):
    metric = make_metric(name)
    perfect, wrong = (float(metric(LABELS, probabilities)) for probabilities in (CERTAIN, CERTAIN[:, ::-1]))
    assert abs(perfect) < 1e-5 or perfect == pytest.approx(1.0, abs=1e-5)
    assert abs(perfect - wrong) > 0.5


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"metric.*tversky"):
        make_metric("tverski")
