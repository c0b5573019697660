import numpy as np
import pytest

from pneumoseg.pipeline.preprocessing.clahe import equalise_slices


@pytest.fixture
def slices() -> np.ndarray:
    rng = np.random.default_rng(0)
    across = np.linspace(0, 1, 64)[:, None, None] ** 2
    return (0.8 * across + 0.1 * rng.random((64, 48, 3))).astype(np.float32)


def test_values_stay_within_0_and_1_and_keep_type_and_shape(slices):
    equalised = equalise_slices(slices)
    assert equalised.dtype == np.float32
    assert equalised.shape == slices.shape
    assert equalised.min() >= 0
    assert equalised.max() <= 1


def test_brightness_and_contrast_of_a_slice_do_not_matter(slices):
    np.testing.assert_allclose(equalise_slices(slices * 0.5 + 0.2), equalise_slices(slices), atol=0.01)


def test_each_slice_is_equalised_by_itself(slices):
    np.testing.assert_array_equal(equalise_slices(slices)[:, :, 1:2], equalise_slices(slices[:, :, 1:2]))


def test_faint_contrast_in_the_dark_becomes_visible(slices):
    dark = slices.copy()
    dark[:16] *= 0.1  # where lungs would be
    equalised = equalise_slices(dark)
    assert equalised[:16].std() > 2 * dark[:16].std()


@pytest.mark.parametrize("shape", [(64, 64, 1), (1, 1, 2), (5, 3, 2)])
def test_flat_and_tiny_slices_pass(shape):
    flat = np.full(shape, 0.3, np.float32)
    np.testing.assert_array_equal(equalise_slices(flat), np.zeros(shape, np.float32))
    ramp = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert np.isfinite(equalise_slices(ramp)).all()


def test_the_input_is_not_changed(slices):
    before = slices.copy()
    equalise_slices(slices)
    np.testing.assert_array_equal(slices, before)
