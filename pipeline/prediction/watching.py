"""What is gathered while a CT is segmented, for the signals of its mask; it costs little time beside that.

On the grids of the networks: nothing of the size of the scan is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cc3d
import numpy as np

from pneumoseg.data_io.volumes.bounding_box import bounding_box, widened
from pneumoseg.pipeline.models.training_features import SMALLEST_SHARE, TrainingFeatures
from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals
from pneumoseg.pipeline.prediction.tile_outputs import TileOutputs
from pneumoseg.pipeline.preprocessing.resampling import most_probable
from pneumoseg.pipeline.sampling.patches import tile_weights

SURE = 1.0 - 1e-4
"""Background of more than this probability has no entropy worth computing."""


@dataclass(eq=False)
class Watch:
    """Looks on while one member of an ensemble segments a CT: fed by `add_tiles` and `add_planes`, as these come.

    `shape`: voxels of the network's grid along x, y, z. `training_features`: of each voter, where it has them.
    """

    shape: tuple[int, int, int]
    classes: int
    voxel_ml: float
    threshold: float = 0.5
    training_features: Sequence[TrainingFeatures | None] = ()
    labels: np.ndarray = field(init=False)
    """Class numbers, uint8 (z, y, x)."""
    _entropy: np.ndarray = field(init=False)
    _mass: np.ndarray = field(init=False)
    _inside: np.ndarray = field(init=False)
    _votes: np.ndarray = field(init=False)
    _squares: np.ndarray = field(init=False)
    _voters: int = 1
    _mirror_images: bool = False
    _distances: list[tuple[float, float]] = field(default_factory=list)
    _next: int = 0

    def __post_init__(self):
        self.labels = np.zeros(self.shape[::-1], np.uint8)
        self._entropy = np.zeros(self.shape[::-1], np.float16)
        self._mass, self._inside, self._votes, self._squares = (np.zeros(self.classes) for _ in range(4))

    def add_tiles(self, outputs: TileOutputs) -> None:
        """What the networks gave for some tiles."""
        probabilities = outputs.probabilities
        if outputs.votes is not None:
            weights = tile_weights(outputs.votes.shape[1:-1], "gaussian").ravel()  # the middle of a tile counts
            for one in outputs.votes.reshape(len(probabilities), -1, self.classes):
                found = np.concatenate([outputs.voters - one[:, :1], one[:, 1:]], axis=1)
                self._votes += weights @ found
                self._squares += weights @ (found * found)
            self._voters, self._mirror_images = outputs.voters, outputs.mirror_images
        if outputs.features and self.training_features and all(self.training_features):
            pairs = zip(self.training_features, outputs.features, strict=True)
            found = np.mean([known.distances(features) for known, features in pairs if known is not None], axis=0)
            filled = (probabilities[..., 0] < 0.5).reshape(len(probabilities), -1).mean(axis=1)
            self._distances += zip(filled.tolist(), found.tolist(), strict=True)

    def add_planes(self, probabilities: np.ndarray) -> None:
        """The next planes of the mean over tiles, float32 (classes, n, y, x), from z = 0 up."""
        planes = slice(self._next, self._next + probabilities.shape[1])
        self._next = planes.stop
        labels = most_probable(probabilities, self.threshold)
        self.labels[planes] = labels
        self._mass += probabilities.sum(axis=(1, 2, 3), dtype=np.float64)
        for label in range(1, self.classes):
            self._inside[label] += probabilities[label][labels == label].sum(dtype=np.float64)
        self._inside[0] += (1.0 - probabilities[0][labels > 0]).sum(dtype=np.float64)
        self._entropy[planes] = entropy(probabilities)

    @property
    def distance(self) -> float | None:
        """Mean distance of the tiles that hold any class, or of all where none does; None where it is not known."""
        telling = [one for share, one in self._distances if share >= SMALLEST_SHARE]
        some = telling or [one for _, one in self._distances]
        return float(np.mean(some)) if some else None

    def of_class(self, label: int) -> ClassSignals:
        """Of one class, or of FOREGROUND for 0."""
        region = self.labels == label if label else self.labels > 0
        total = float(self._mass[1:].sum() if label == 0 else self._mass[label])
        size = int(np.count_nonzero(region))
        volumes = {"predicted_ml": size * self.voxel_ml, "expected_ml": total * self.voxel_ml}
        if not size:
            return ClassSignals(**volumes)
        between = self._disagreement(label)
        box = widened(bounding_box(region), region.shape, 1)
        near = _with_border(region[box])
        return ClassSignals(
            **volumes,
            entropy=float(self._entropy[box][near].mean(dtype=np.float64)),
            doubt=max(0.0, 1.0 - 2.0 * float(self._inside[label]) / (size + total)),
            stray=1.0 - int(np.bincount(cc3d.connected_components(region[box]).ravel())[1:].max()) / size,
            disagreement=None if self._mirror_images else between,
            mirror_disagreement=between if self._mirror_images else None,
        )

    def _disagreement(self, label: int) -> float | None:
        """Of voters that share the tiles. With n of V voters for the class in a voxel, all pairs of voters together
        have the sum of n (n - 1) voxels in common, of (V - 1) n."""
        total, squares = self._votes[label], self._squares[label]
        if self._voters < 2 or not total > 0:
            return None
        return max(0.0, 1.0 - float((squares - total) / ((self._voters - 1) * total)))  # sums are rounded


def _with_border(region: np.ndarray) -> np.ndarray:
    """The region (z, y, x) and the voxels that share a face with it; several times as fast as a general dilation."""
    wider = region.copy()
    for axis in range(3):
        inner, outer = ([slice(None)] * 3 for _ in range(2))
        inner[axis], outer[axis] = slice(1, None), slice(None, -1)
        wider[tuple(inner)] |= region[tuple(outer)]
        wider[tuple(outer)] |= region[tuple(inner)]
    return wider


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Of class probabilities (classes, ...), divided by that of equal ones: float32 (...), 0 to 1.

    >>> entropy(np.array([[0.5, 1.0], [0.5, 0.0]], np.float32)).tolist()
    [1.0, 0.0]
    """
    result = np.zeros(probabilities.shape[1:], np.float32)
    unsure = probabilities[0] < SURE
    some = np.maximum(probabilities[:, unsure], 1e-12)
    result[unsure] = -(some * np.log(some)).sum(axis=0) / np.float32(np.log(len(probabilities)))
    return np.clip(result, 0.0, 1.0)


def signals_of(watches: Sequence[Watch], names: Sequence[str], weights: Sequence[float]) -> Signals:
    """The signals of a CT from those of the members of an ensemble; `names` of the classes. Members of different
    preprocessing are compared voter by voter on the coarsest of their grids, others within their tiles."""
    between = _between(watches) if len(watches) > 1 else None
    classes = {}
    for label, name in [*enumerate(names[1:], start=1), (0, FOREGROUND)]:
        found = [watch.of_class(label) for watch in watches]
        mean = {key: _mean([getattr(one, key) for one in found], weights) for key in ("entropy", "doubt", "stray")}
        disagreement, of_images = found[0].disagreement, found[0].mirror_disagreement
        if between is not None:
            disagreement, of_images = between[label], None
        classes[name] = ClassSignals(
            predicted_ml=_mean([one.predicted_ml for one in found], weights) or 0.0,
            expected_ml=_mean([one.expected_ml for one in found], weights) or 0.0,
            disagreement=disagreement,
            mirror_disagreement=of_images,
            **mean,
        )
    return Signals(classes, _mean([watch.distance for watch in watches], weights))


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if known else None


def _between(watches: Sequence[Watch]) -> list[float | None]:
    """1 - Dice between members, of each class; at 0 that of FOREGROUND."""
    coarsest = min((watch.labels for watch in watches), key=lambda labels: labels.size)
    maps = [_nearest(watch.labels, coarsest.shape) for watch in watches]
    found: list[float | None] = []
    for label in range(watches[0].classes):
        votes = sum((one == label if label else one > 0).astype(np.int64) for one in maps)
        total = float(np.sum(votes))
        common = float(np.sum(votes * votes)) - total
        found.append(1.0 - common / ((len(maps) - 1) * total) if total else None)
    return found


def _nearest(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The class numbers at the nearest voxels of a grid of `shape` voxels with the same outer faces."""
    places = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for old, new in zip(labels.shape, shape, strict=True)
    ]
    return labels[np.ix_(*places)]
