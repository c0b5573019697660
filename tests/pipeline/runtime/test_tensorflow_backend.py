import numpy as np
import pytest
import tensorflow as tf

from pneumoseg.pipeline.runtime import tensorflow_backend

VALUES = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]], np.float32).reshape(3, 1, 1, 1, 2)
"""Three samples of one voxel and two channels: means 3 and 20, biased variances 8/3 and 200."""
ONES, ZEROS = np.ones(2, np.float32), np.zeros(2, np.float32)


def test_batch_normalisation_gives_the_biased_variance():
    outputs, mean, variance = tensorflow_backend.fused_batch_norm(
        tf.constant(VALUES), ONES, ZEROS, mean=ZEROS, variance=ONES, epsilon=0.0, training=True
    )
    assert outputs.shape == VALUES.shape
    np.testing.assert_allclose(mean, [3, 20], rtol=1e-5)
    np.testing.assert_allclose(variance, [8 / 3, 200], rtol=1e-4)
    np.testing.assert_allclose(outputs[:, 0, 0, 0, 0], np.array([-2, 0, 2]) / np.sqrt(8 / 3), atol=1e-4)


def test_batch_normalisation_by_given_statistics_hands_them_back():
    mean, variance = np.float32([1, 10]), np.float32([4, 100])
    outputs, *statistics = tensorflow_backend.fused_batch_norm(
        tf.constant(VALUES), 2 * ONES, ONES, mean=mean, variance=variance, epsilon=0.0, training=False
    )
    np.testing.assert_allclose(outputs[:, 0, 0, 0], [[1, 1], [3, 1], [5, 7]], atol=1e-5)
    for statistic, given in zip(statistics, (mean, variance), strict=True):
        np.testing.assert_array_equal(statistic, given)


def test_instance_normalisation_is_of_each_sample_and_channel():
    values = np.float32([[1, 3], [10, 30]]).reshape(2, 2, 1)  # two samples of two voxels
    outputs = tensorflow_backend.fused_instance_norm(tf.constant(values), ONES[:1], ZEROS[:1], epsilon=0.0)
    np.testing.assert_allclose(outputs[..., 0], [[-1, 1], [-1, 1]], atol=1e-5)


def test_what_a_gpu_without_memory_raises_can_be_caught():
    with pytest.raises(tensorflow_backend.OutOfMemory):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")
