import numpy as np
import pytest

from data_io.volume import Grid
from pipeline.configuration import load_settings
from pipeline.cost import estimate
from pipeline.hardware import choose_precision


def test_the_published_step_costs_what_its_convolutions_cost():
    grids = [Grid((512, 512, 301), np.diag([0.7, 0.7, 1.0, 1.0]))]
    cost = estimate(load_settings("covid-3d-unet"), grids, 5)
    assert cost.parameters == 22_587_204
    # 0.94 TFLOP forward for one patch; three times that to train; two patches.
    assert cost.step_tflop == pytest.approx(0.94 * 3 * 2, rel=0.02)
    assert cost.total_minutes > 5 * cost.fold_minutes
    assert cost.memory_gb == pytest.approx(10.0, rel=0.2)  # measured: 10.0 GB


def test_a_wanted_precision_is_used():
    assert choose_precision("mixed_bfloat16") == "mixed_bfloat16"
    assert choose_precision("auto") in ("float32", "mixed_bfloat16")
