"""What a network gives for tiles: probabilities, and what shows how far these may be trusted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Network = Callable[[np.ndarray], np.ndarray]
"""From normalised tiles, float32 (n, x, y[, z], channels), to class probabilities (n, x, y[, z], classes) whose sum is
1."""


@dataclass(frozen=True, eq=False)
class TileOutputs:
    """`probabilities`: float32 (n, x, y[, z], classes). `features`: of each voter the deepest features, averaged over
    the tile, (n, channels); empty where a voter has none. `votes`: for how many of several voters each class is the
    most probable one, float32, at `every_second` voxel. `voters`: how many they are; with `mirror_images` they are the
    views of a single network."""

    probabilities: np.ndarray
    features: tuple[np.ndarray, ...] = ()
    votes: np.ndarray | None = None
    voters: int = 1
    mirror_images: bool = False


@dataclass(frozen=True, eq=False)
class WatchedNetwork:
    """A network that gives `TileOutputs` on request; called, it gives the probabilities as any network does."""

    outputs: Callable[[np.ndarray], TileOutputs]

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        """The probabilities of the classes."""
        return self.outputs(tiles).probabilities


def outputs_of(network: Network) -> Callable[[np.ndarray], TileOutputs]:
    """All that a network gives for tiles; of one that is not watched, the probabilities."""
    if isinstance(network, WatchedNetwork):
        return network.outputs
    return lambda tiles: TileOutputs(np.asarray(network(tiles), np.float32))


def mean_of(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of several probabilities, float32."""
    total = outputs[0].copy()
    for output in outputs[1:]:
        total += output
    return total / np.float32(len(outputs))


def joined(outputs: Sequence[TileOutputs]) -> TileOutputs:
    """Those of an ensemble, from those of its voters: mean probabilities, all features, votes.

    >>> one, other = (TileOutputs(np.array([row], np.float32)) for row in ([0.9, 0.1], [0.4, 0.6]))
    >>> joined([one, other]).votes.tolist()
    [[1.0, 1.0]]
    """
    whole = all(one.features for one in outputs)
    return TileOutputs(
        mean_of([one.probabilities for one in outputs]),
        tuple(features for one in outputs for features in one.features) if whole else (),
        np.sum([is_largest(every_second(one.probabilities)) for one in outputs], axis=0),
        len(outputs),
    )


def every_second(probabilities: np.ndarray) -> np.ndarray:
    """Every second voxel along each axis of (n, x, y[, z], classes), from the first: enough to see voters disagree."""
    return probabilities[(slice(None), *(slice(None, None, 2),) * (probabilities.ndim - 2))]


def is_largest(probabilities: np.ndarray) -> np.ndarray:
    """1 where a class is the most probable one of its voxel, float32; at a tie all that share it."""
    return (probabilities >= probabilities.max(axis=-1, keepdims=True)).astype(np.float32)
