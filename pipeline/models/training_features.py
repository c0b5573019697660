"""What the training cases looked like to a network: the normal distribution of its deepest features over their tiles.

How far a CT's features lie from it says how unlike the training cases the CT is (Gonzalez et al., Distance-based
detection of out-of-distribution silent failures for Covid-19 lung lesion segmentation, Medical Image Analysis 82,
2022).
"""

import math
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError

MOST_CHANNELS = 2000
NUMBER = np.dtype("<f4")
SMALLEST_SHARE = 0.01
"""Of a tile's voxels that are no background: the features of other tiles say nothing about the organ, in training and
prediction alike."""


@dataclass(frozen=True, eq=False)
class TrainingFeatures:
    """`mean` (channels,) and `precision` (channels, channels), the inverse of the covariance, both float32."""

    mean: np.ndarray
    precision: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """The Mahalanobis distance of each of the features (n, channels), float64 (n,), divided by the square root of
        the number of channels: about 1 for what comes from the distribution. Raises InputError for other channels.

        >>> standard = TrainingFeatures(np.zeros(4, np.float32), np.eye(4, dtype=np.float32))
        >>> standard.distances(np.array([[3.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]))
        array([1.5, 1. ])
        """
        channels = len(self.mean)
        if features.shape[1] != channels:
            raise InputError(
                f"the features of the training cases have {channels} channels, those of the network "
                f"{features.shape[1]}; the model file is damaged"
            )
        difference = features.astype(np.float64) - self.mean
        squares = np.einsum("nc,cd,nd->n", difference, self.precision.astype(np.float64), difference)
        return np.sqrt(np.maximum(squares, 0.0) / channels)


def fitted(features: np.ndarray) -> TrainingFeatures:
    """The distribution of features (n, channels), n at least 2; the covariance is shrunk as by Ledoit and Wolf, as
    tiles are few for so many channels."""
    from sklearn.covariance import LedoitWolf  # slow to import

    found = LedoitWolf().fit(features.astype(np.float64))
    return TrainingFeatures(found.location_.astype(np.float32), found.precision_.astype(np.float32))


def to_bytes(features: TrainingFeatures) -> bytes:
    """The mean, then the rows of the precision, as little-endian float32."""
    return np.vstack([features.mean, features.precision]).astype(NUMBER).tobytes()


def from_bytes(content: bytes, origin: str) -> TrainingFeatures:
    """Reads what `to_bytes` wrote. Raises InputError, which names `origin`, for another number of numbers than a mean
    and a matrix have, and for numbers that are not finite."""
    count = len(content) // NUMBER.itemsize
    channels = (math.isqrt(4 * count + 1) - 1) // 2  # channels + channels ** 2 numbers
    if not 0 < channels <= MOST_CHANNELS or len(content) != (channels + channels**2) * NUMBER.itemsize:
        raise InputError(
            f"{origin}: the features of the training cases are a mean and a square matrix in float32, found "
            f"{len(content):,} bytes; the file is damaged"
        )
    numbers = np.frombuffer(content, NUMBER).astype(np.float32).reshape(channels + 1, channels)
    if not np.isfinite(numbers).all():
        raise InputError(f"{origin}: the features of the training cases are finite, found others; the file is damaged")
    return TrainingFeatures(numbers[0], numbers[1:])
