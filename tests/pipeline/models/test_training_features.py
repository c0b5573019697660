import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.training_features import TrainingFeatures, fitted, from_bytes, to_bytes


def test_distances_are_those_of_mahalanobis_per_channel():
    features = TrainingFeatures(np.array([1, 2], np.float32), np.diag([4, 1]).astype(np.float32))
    found = features.distances(np.array([[1, 2], [2, 2], [1, 4]], np.float32))
    np.testing.assert_allclose(found, [0, 2 / np.sqrt(2), 2 / np.sqrt(2)])


def test_what_comes_from_the_distribution_is_at_about_1_and_others_farther():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(20, 20))
    features = fitted(rng.normal(size=(200, 20)) @ mixing)
    assert features.distances(rng.normal(size=(200, 20)) @ mixing).mean() == pytest.approx(1, abs=0.15)
    assert features.distances(rng.normal(4, size=(50, 20)) @ mixing).min() > 2


def test_few_tiles_of_many_channels_have_a_distribution_too():
    features = fitted(np.random.default_rng(0).normal(size=(3, 64)))
    assert np.isfinite(features.precision).all()


def test_the_bytes_are_read_back():
    features = fitted(np.random.default_rng(0).normal(size=(9, 5)))
    again = from_bytes(to_bytes(features), "model.keras")
    np.testing.assert_array_equal(again.mean, features.mean)
    np.testing.assert_array_equal(again.precision, features.precision)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found 0 bytes"),
        (b"1234567", "found 7 bytes"),
        (np.zeros(7, "<f4").tobytes(), "found 28 bytes"),
        (np.full(6, np.nan, "<f4").tobytes(), "finite"),
    ],
)
def test_damaged_bytes_are_refused(content, message):
    with pytest.raises(InputError, match=f"model.keras: .*{message}"):
        from_bytes(content, "model.keras")


def test_features_of_another_network_are_refused():
    with pytest.raises(InputError, match=r"have 2 channels, those of the network 3"):
        TrainingFeatures(np.zeros(2, np.float32), np.eye(2, dtype=np.float32)).distances(np.zeros((1, 3)))
