"""Segmenting a whole CT: overlapping tiles through the network, averaged, and back on the scanner's grid.

Nothing of the size classes x volume is ever in memory: tiles are taken from the feet up, planes that no later tile
reaches are closed at once, interpolated to the scanner's grid and turned to class numbers.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import numpy as np

from pneumoseg.data_io.console import track
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.training_features import TrainingFeatures
from pneumoseg.pipeline.prediction.postprocessing import postprocess
from pneumoseg.pipeline.prediction.signals import Signals
from pneumoseg.pipeline.prediction.tile_outputs import Network, TileOutputs, WatchedNetwork, joined, mean_of, outputs_of
from pneumoseg.pipeline.prediction.watching import Watch, signals_of
from pneumoseg.pipeline.preprocessing import resampling
from pneumoseg.pipeline.preprocessing.body_mask import body_mask
from pneumoseg.pipeline.preprocessing.intensity import normalised, to_unit
from pneumoseg.pipeline.preprocessing.preprocessor import PreparedVolume, Preprocessor
from pneumoseg.pipeline.runtime.executors import background_threads
from pneumoseg.pipeline.runtime.prefetch import one_ahead
from pneumoseg.pipeline.runtime.timing import timed, timed_calls
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.schema import Settings

Sink = Callable[[int, np.ndarray], None]
"""Takes probabilities on the scan's RAS+ grid: first plane and float32 (classes, n, y, x), from z = 0 up."""

CERTAINLY_AIR_HU = -900.0


def ensemble(networks: Sequence[Network]) -> Network:
    """One network whose probabilities are the mean of several."""
    if len(networks) == 1:
        return networks[0]
    each = [outputs_of(network) for network in networks]
    return WatchedNetwork(lambda tiles: joined([outputs(tiles) for outputs in each]))


def mirrored(network: Network, axes: Sequence[int], labels: LabelTable, *, seen: Sequence[int] = (0, 1, 2)) -> Network:
    """Test-time mirroring: the mean over the tile and its mirror images along every combination of `axes`, which are
    among the volume's axes that the network has `seen`.

    Axis 0 is left-right: there the classes that are each other's mirror image change places. Features are those of the
    tile itself, and so are votes where several networks gave them; of a single network the images vote.
    """
    swapped = list(labels.mirrored())

    def once(flips: tuple[int, ...], tiles: np.ndarray) -> np.ndarray:
        turned = tuple(1 + list(seen).index(axis) for axis in flips)
        output = np.flip(network(np.ascontiguousarray(np.flip(tiles, turned))), turned)
        return output[..., swapped] if 0 in flips else output

    combinations: list[tuple[int, ...]] = [()]
    for axis in axes:
        combinations += [(*flips, axis) for flips in combinations]

    def mean(tiles: np.ndarray) -> TileOutputs:
        itself = outputs_of(network)(tiles)
        images = [itself.probabilities, *(once(flips, tiles) for flips in combinations[1:])]
        if itself.votes is None:
            voted = joined([TileOutputs(image) for image in images])
            return replace(voted, features=itself.features, mirror_images=True)
        return replace(itself, probabilities=mean_of(images))

    return WatchedNetwork(mean) if axes else network


@dataclass(frozen=True, eq=False)
class PreparedMember:
    """A CT as one network of an ensemble sees it. `weight`: of its probabilities in the mean over the ensemble.
    `training_features`: of each network that computes as this one, where it has them."""

    prepared: PreparedVolume
    network: Network
    settings: Settings
    weight: float = 1.0
    training_features: tuple[TrainingFeatures | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Segmentation:
    """`mask`: uint8 class numbers on the grid of the CT. `network_s`: wall-clock seconds of the networks, which compute
    in threads beside the rest; `postprocess_s`: of the postprocessing. `signals`: of how far the mask may be trusted,
    before postprocessing."""

    mask: Volume
    signals: Signals
    network_s: float
    postprocess_s: float


def segment_volume(
    image: Volume | Scan,
    network: Network,
    settings: Settings,
    *,
    features: TrainingFeatures | None = None,
    sink: Sink | None = None,
) -> Segmentation:
    """Segments a CT (HU) by one network on its own grid. `features`: of the network's training cases; `sink`: as of
    `segment`."""
    scan = image if isinstance(image, Scan) else Scan.from_volume(image)
    prepared = Preprocessor(settings.preprocessing).apply(scan)
    return segment([PreparedMember(prepared, network, settings, training_features=(features,))], scan, sink=sink)


def segment(members: Sequence[PreparedMember], scan: Scan, *, sink: Sink | None = None) -> Segmentation:
    """Segments `scan`, of which nothing but the grid is read, by an ensemble for which it has been prepared.

    Members may differ in spacing and patches: their probabilities meet on the grid of the scan, RAS+. The first one's
    settings say how the mask is postprocessed. `sink` is given the probabilities on that grid, plane by plane, as they
    are before that.
    """
    grid, threshold = scan.grid, members[0].settings.prediction.threshold
    timed_networks = [timed_calls(outputs_of(_mirrored_as_set(member))) for member in members]
    watches = [_watch(member) for member in members]
    labels = np.zeros(grid.shape, np.uint8, order="F")  # planes lie one after another, as files want them
    with ExitStack() as stack:
        planes = [
            stack.enter_context(closing(probability_planes(member.prepared, network, member.settings, watch=watch)))
            for member, (network, _), watch in zip(members, timed_networks, watches, strict=True)
        ]
        sizes = [member.prepared.shape for member in members]
        weights = [member.weight / sum(member.weight for member in members) for member in members]
        if sink is None:
            maps = list(zip(planes, sizes, strict=True))
            for start, part in resampling.most_probable_planes(maps, grid.shape, weights=weights, threshold=threshold):
                labels[:, :, start : start + len(part)] = part.transpose(2, 1, 0)
        else:
            for start, probabilities in _mean_planes(planes, sizes, weights, grid.shape):
                part = resampling.most_probable(probabilities, threshold)
                labels[:, :, start : start + len(part)] = part.transpose(2, 1, 0)
                sink(start, probabilities)
    labels, postprocess_s = timed(postprocess, labels, grid.voxel_volume_ml, members[0].settings.postprocessing)
    network_s = sum(seconds() for _, seconds in timed_networks)
    signals = signals_of(watches, members[0].settings.labels.names, weights)
    return Segmentation(Volume(labels, grid, scan.stored_grid), signals, network_s, postprocess_s)


def _mirrored_as_set(member: PreparedMember) -> Network:
    settings = member.settings
    return mirrored(member.network, settings.prediction.mirror_axes, settings.labels.table, seen=settings.axes)


def _watch(member: PreparedMember) -> Watch:
    return Watch(
        member.prepared.shape,
        len(member.settings.labels.names),
        member.prepared.grid.voxel_volume_ml,
        threshold=member.settings.prediction.threshold,
        training_features=member.training_features,
    )


def _mean_planes(
    planes: Sequence[Iterator[np.ndarray]],
    sizes: Sequence[tuple[int, int, int]],
    weights: Sequence[float],
    shape: tuple[int, int, int],
) -> Iterator[tuple[int, np.ndarray]]:
    """As `resampling.interpolated_planes` of each, the weighted mean; all come in the same slabs."""
    on_grid = [resampling.interpolated_planes(maps, size, shape) for maps, size in zip(planes, sizes, strict=True)]
    for slabs in zip(*on_grid, strict=True):
        mean = slabs[0][1] * np.float32(weights[0])
        for (_, slab), weight in zip(slabs[1:], weights[1:], strict=True):
            mean += slab * np.float32(weight)
        yield slabs[0][0], mean


def probability_planes(
    prepared: PreparedVolume, network: Callable[[np.ndarray], TileOutputs], settings: Settings, *, watch: Watch
) -> Generator[np.ndarray, None, None]:
    """Class probabilities on the network's grid, the weighted mean over the tiles: float32 (classes, n, y, x), from
    z = 0 up, as soon as they are final. `watch` is shown tiles and planes."""
    outside = ~body_mask(prepared.image[..., 0]).T if settings.prediction.inside_body else None
    volume_shape = prepared.shape
    shape = patches.patch_shape(settings, volume_shape)
    weights = patches.tile_weights(shape, settings.prediction.weights).T
    depth = min(shape[2], volume_shape[2])
    total = np.zeros((len(settings.labels.names), depth, volume_shape[1], volume_shape[0]), np.float32)
    seen = np.zeros(total.shape[1:], np.float32)
    first = 0
    tiles = _tile_outputs(prepared, network, settings, shape, watch=watch)
    with background_threads() as thread:
        for corner, output in one_ahead(tiles, thread):
            closed = max(corner[2], 0) - first
            if closed:
                mean = _probabilities(total[:, :closed], seen[:closed], outside, first)
                watch.add_planes(mean)
                yield mean
                first += closed
                for array in (*total, seen):
                    array[: depth - closed] = array[closed:]
                    array[depth - closed :] = 0
            inside, part = _overlap(corner, shape, volume_shape, first)
            total[(slice(None), *inside)] += output.T[(slice(None), *part)] * weights[part]
            seen[inside] += weights[part]
    mean = _probabilities(total, seen, outside, first)
    watch.add_planes(mean)
    yield mean


def _probabilities(total: np.ndarray, seen: np.ndarray, outside: np.ndarray | None, first: int) -> np.ndarray:
    """The weighted mean (classes, n, y, x) of the planes from `first` on; background wherever `outside` (z, y, x)."""
    mean = total / seen
    if outside is not None:
        mean[:, outside[first : first + len(seen)]] = np.eye(1, len(mean), dtype=np.float32).T
    return mean


def _tile_outputs(
    prepared: PreparedVolume,
    network: Callable[[np.ndarray], TileOutputs],
    settings: Settings,
    shape: tuple[int, ...],
    *,
    watch: Watch,
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Corners and probabilities (x, y, z, classes) of all tiles, from the feet up; the network sees no empty air."""
    corners = patches.grid_corners(prepared.shape, shape, settings.prediction.overlap)
    corners.sort(key=lambda corner: corner[2])
    background = np.zeros(len(settings.labels.names), np.float32)
    background[0] = 1.0
    background = np.broadcast_to(background, (*shape, len(background)))
    highest_air = _highest_air(settings)
    channels = prepared.image.shape[3]
    waiting: dict[tuple[int, ...], np.ndarray | None] = {}  # corners in order, with their tiles unless these are air
    for corner in track(corners, "Segmenting", len(corners)):
        tile = patches.crop_slices(prepared.image, corner, shape, fill=prepared.air, settings=settings)
        waiting[corner] = tile if tile[..., ::channels].max() > highest_air else None
        busy = [tile for tile in waiting.values() if tile is not None]
        if len(busy) < settings.prediction.batch and corner != corners[-1]:
            continue
        outputs = iter(())
        if busy:
            batch = normalised(np.stack(busy), prepared.mean, prepared.sd)
            found = network(patches.as_network_sees(batch, settings))
            watch.add_tiles(found)
            outputs = iter(found.probabilities.reshape(len(busy), *shape, -1))
        for place, kept in waiting.items():
            yield place, background if kept is None else next(outputs)
        waiting = {}


def _highest_air(settings: Settings) -> float:
    """The largest value of the prepared image's first channel that surely is air; none where the scale cannot tell."""
    how, window = settings.preprocessing, settings.preprocessing.window_hu
    tells = how.values == "hu" and not how.steps and how.equalise == "never" and window[0] < CERTAINLY_AIR_HU
    return to_unit(CERTAINLY_AIR_HU, window) if settings.prediction.skip_air and tells else -np.inf


def _overlap(corner, shape, volume_shape, first: int):
    """Slices (z, y, x) of the open planes, which begin at plane `first`, and of the tile, where both lie."""
    starts = [max(start, 0) for start in corner]
    stops = [min(start + size, end) for start, size, end in zip(corner, shape, volume_shape, strict=True)]
    inside = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
    part = [slice(start - low, stop - low) for start, stop, low in zip(starts, stops, corner, strict=True)]
    inside[2] = slice(starts[2] - first, stops[2] - first)
    return tuple(inside[::-1]), tuple(part[::-1])
