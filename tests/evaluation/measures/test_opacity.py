"""Ground glass and consolidation of small masks that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.lung_sides import infection_sides, lung_slices
from pneumoseg.evaluation.measures.opacity import DEFAULT_LIMITS, OpacityLimits, opacity, opacity_definitions


def found(labels: np.ndarray, hu: np.ndarray, limits: OpacityLimits = DEFAULT_LIMITS, voxel_ml: float = 1.0) -> dict:
    sides = infection_sides(labels, (1.0, 1.0, 1.0), (1, 2), infection=3)
    return opacity(hu[sides.box], sides, lung_slices(labels, sides, (1, 2)), voxel_ml=voxel_ml, limits=limits)


def line(*labels) -> np.ndarray:
    return np.array(labels).reshape(-1, 1, 1)


def test_edges_of_the_limits():
    labels = line(1, *[3] * 7, *[0] * 8, 2)  # all infection is nearer to the left
    hu = line(-900, -751, -750, -301, -300, 49, 50, 400, *[0] * 8, -900)
    row = found(labels, hu, voxel_ml=0.5)
    assert (row["ground_glass_left_ml"], row["consolidation_left_ml"]) == (1.0, 1.0)
    assert (row["ground_glass_right_ml"], row["consolidation_percent_right"]) == (0.0, 0.0)
    assert row["ground_glass_percent_left"] == 100 * 2 / 8
    assert row["consolidation_percent"] == pytest.approx(100 * 2 / 9)
    assert set(row) == set(opacity_definitions(DEFAULT_LIMITS))


def test_healthy_lung_of_that_density_does_not_count():
    row = found(line(1, 1, 0, 2), line(-500, 0, 0, -500))
    assert (row["ground_glass_ml"], row["consolidation_ml"], row["ground_glass_percent"]) == (0.0, 0.0, 0.0)


def test_a_lung_that_is_missing_has_no_share():
    row = found(line(0, 3, 2), line(0, -500, -800))
    assert (row["ground_glass_right_ml"], row["ground_glass_percent_right"]) == (1.0, 50.0)
    assert row["ground_glass_percent_left"] is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_types_and_sides_make_the_whole(seed):
    rng = np.random.default_rng(seed)
    labels, hu = rng.integers(0, 4, (6, 4, 3)), rng.integers(-1000, 300, (6, 4, 3))
    row = found(labels, hu)
    for name, low, high in (("ground_glass", -750, -300), ("consolidation", -300, 50)):
        expected = ((labels == 3) & (hu >= low) & (hu < high)).sum()
        assert row[f"{name}_ml"] == pytest.approx(expected)
        assert row[f"{name}_left_ml"] + row[f"{name}_right_ml"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (((-300.0, -750.0), (-300.0, 50.0)), "ground_glass_hu: a lower and a higher limit"),
        (((-750.0, -300.0), (50.0, 50.0)), "consolidation_hu: a lower and a higher limit"),
        (((-750.0, float("nan")), (-300.0, 50.0)), "ground_glass_hu"),
        (((-750.0, -200.0), (-300.0, 50.0)), "ground_glass_hu ends where consolidation_hu begins"),
    ],
)
def test_wrong_limits_are_refused(limits, reason):
    with pytest.raises(InputError, match=reason):
        OpacityLimits(*limits)


def test_definitions_tell_the_limits():
    definitions = opacity_definitions(OpacityLimits((-700.0, -250.0), (-250.0, 60.0)))
    assert "-700 to -250 HU" in definitions["ground_glass_right_ml"]
    assert "-250 to 60 HU" in definitions["consolidation_ml"]
