import numpy as np
import pandas as pd
import pytest

from pneumoseg.scripts.benchmark.transfer import left_of_right_mm, outside_body, slice_agreement


@pytest.fixture
def mask() -> np.ndarray:
    """Right lung at low x, left lung at high x; infection within the left in slices 2 and 3 of 4."""
    mask = np.zeros((10, 6, 4), np.uint8)
    mask[1:4, 1:5] = 2
    mask[6:9, 1:5] = 1
    mask[7, 2, 2] = 3
    mask[7, 2:4, 3] = 3
    return mask


def marked(infected, left, right) -> pd.DataFrame:
    nothing = [0] * len(infected)
    columns = {"lobe_1": left, "lobe_2": nothing, "lobe_3": right, "lobe_4": nothing, "lobe_5": nothing}
    return pd.DataFrame({"infected": infected, **columns})


def test_slices_and_sides_are_ranked_by_infected_area(mask):
    figures = slice_agreement(mask, (1.0, 1.0, 1.0), marked([0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 0, 0]))
    assert figures["slice_auc"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert figures["left_slice_auc"] == 1
    assert figures["right_slice_auc"] == 0.5
    assert figures["left_infected_share"] == 1
    assert figures["right_infected_share"] == 0


def test_a_side_without_marks_has_no_auc(mask):
    figures = slice_agreement(mask, (1.0, 1.0, 1.0), marked([0, 0, 1, 1], [0, 0, 1, 1], [0] * 4))
    assert figures["right_slice_auc"] is None


def test_infection_in_a_slice_without_lung_counts(mask):
    mask[:, :, 0] = 0
    mask[7, 2, 0] = 3
    figures = slice_agreement(mask, (1.0, 1.0, 1.0), marked([1, 0, 1, 1], [1, 0, 1, 1], [0] * 4))
    assert figures["slice_auc"] == figures["left_slice_auc"] == 1


def test_what_tissue_encloses_is_body(mask):
    hu = np.full(mask.shape, -1000.0)
    hu[:, 0] = hu[:, 5] = hu[0] = hu[9] = 40
    assert outside_body(mask, hu) == 0
    hu[9] = -1000  # the ring is open: air outside reaches the lungs
    assert outside_body(mask, hu) == np.count_nonzero(mask)


def test_the_patients_left_is_where_x_of_ras_is_small(mask):
    flipped = np.diag([-2.0, 1, 1, 1])
    assert left_of_right_mm(mask, flipped) == pytest.approx(10.0)
    assert left_of_right_mm(mask, np.diag([2.0, 1, 1, 1])) == pytest.approx(-10.0)
