"""Slices of a CT under a map."""

import numpy as np
import pytest

from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.heat_sheet import heat_sheet


@pytest.fixture
def image() -> Volume:
    return Volume.from_source(np.full((6, 4, 20), -800.0, np.float32), np.diag([1.0, 2.0, 3.0, 1.0]))


def test_slices_are_spread_from_the_feet_up(image):
    figure = heat_sheet(image, np.zeros(image.grid.shape, np.float32), title="study", slices=4)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["slice 1", "slice 7", "slice 12", "slice 18"]
    assert "right of the patient at the left" in figure.get_suptitle()


def test_the_map_lies_where_it_belongs_the_more_opaque_the_higher(image):
    heat = np.zeros(image.grid.shape, np.float32)
    heat[5, 3, :] = 1.0  # right and front: at the left and the top of what is shown
    panel = heat_sheet(image, heat, title="study", slices=1).axes[0]
    over = panel.images[1]
    opacity = np.asarray(over.get_alpha())
    assert opacity[0, 0] == pytest.approx(0.6)
    assert opacity.sum() == pytest.approx(0.6)
    assert panel.get_aspect() == 2.0


def test_a_ct_of_one_slice(image):
    one = Volume.from_source(image.array[:, :, :1], np.eye(4))
    assert heat_sheet(one, np.ones(one.grid.shape, np.float32), title="study").axes
