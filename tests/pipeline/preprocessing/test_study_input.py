"""What the network sees of a prepared CT, voxel by voxel."""

import numpy as np
import pytest

from pneumoseg.pipeline.preprocessing.study_input import network_input
from pneumoseg.pipeline.settings.studies import StudyInputSettings

HU = np.array([[[-1000, 400, -300], [-300, -2000, 3000]]], np.int16)  # (z, y, x) = (1, 2, 3)
LUNGS = np.array([[[1, 0, 1], [0, 1, 1]]], np.uint8)


@pytest.mark.parametrize(
    ("lungs", "expected"),
    [
        ("ignored", [[[0, 1, 0.5], [0.5, 0, 1]]]),
        ("multiplied", [[[0, 0, 0.5], [0, 0, 1]]]),
    ],
)
def test_the_window_becomes_0_to_1_and_axes_x_y_z(lungs, expected):
    found = network_input(HU, LUNGS, StudyInputSettings(lungs=lungs))
    assert found.dtype == np.float32
    assert found.shape == (3, 2, 1, 1)
    np.testing.assert_allclose(found[..., 0].transpose(2, 1, 0), expected, atol=1e-6)


def test_the_mask_is_the_second_channel():
    found = network_input(HU, LUNGS, StudyInputSettings(lungs="channel"))
    assert found.shape == (3, 2, 1, 2)
    np.testing.assert_array_equal(found[..., 1].transpose(2, 1, 0), LUNGS)
    np.testing.assert_array_equal(found[..., :1], network_input(HU, LUNGS, StudyInputSettings(lungs="ignored")))
