"""Training batches made on the fly: each sample is a function of (seed, epoch, step, index) and of nothing else.

So the number of workers changes nothing, and a resumed run goes on with the very next sample.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, replace

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.partial_labels import IGNORED, with_hidden
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.preprocessing.intensity import normalised
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor, reusable_processes
from pneumoseg.pipeline.runtime.prefetch import results_ahead
from pneumoseg.pipeline.runtime.processes import may_start_processes
from pneumoseg.pipeline.sampling import augmentation, interpolation, patches
from pneumoseg.pipeline.sampling.custom_transforms import apply_transforms
from pneumoseg.pipeline.settings.schema import Settings

TRAINING, VALIDATION, CALIBRATION, COMPARISON = range(4)
"""Independent random streams."""
TRIES = 20
"""To find a random patch in which some voxels count."""


Tile = tuple[StoredCase, patches.Shape, patches.Shape]
"""A case, and corner and shape of a patch of it."""


@dataclass(frozen=True, eq=False)
class Batch:
    """`images`: float32 (n, x, y[, z], channels), normalised. `labels`: (n, x, y[, z], 1) class numbers, uint8, or
    int32 as of `partial_labels.with_hidden` where a case has classes that are not labelled."""

    images: np.ndarray
    labels: np.ndarray


def steps_in_epoch(shapes: Sequence[patches.Shape], settings: Settings) -> int:
    """Steps per epoch on volumes of these shapes: the setting, or as many as cover each grid tile (or image) once, if
    none is left out."""
    if _covers_volumes(settings):
        tiles = sum(len(patches.grid_corners(shape, patches.patch_shape(settings, shape))) for shape in shapes)
        return -(-tiles // settings.patches.batch)
    return settings.training.steps_per_epoch


def steps_on_cases(cases: Sequence[StoredCase], settings: Settings) -> int:
    """Steps per epoch on these cases: as `steps_in_epoch`, less the tiles that are left out."""
    if _covers_volumes(settings):
        return -(-len(_tiles(tuple(cases), settings)) // settings.patches.batch)
    return settings.training.steps_per_epoch


def _covers_volumes(settings: Settings) -> bool:
    """Whether an epoch goes through all tiles of a grid (or images) instead of random patches."""
    return settings.patches.shape is None or settings.patches.sampling == "grid"


def make_batch(cases: Sequence[StoredCase], settings: Settings, epoch: int, *, step: int) -> Batch:
    """The training batch of one step."""
    count = settings.patches.batch
    samples = [training_sample(cases, settings, epoch, step=step, index=index) for index in range(count)]
    return _stack(samples, settings)


def cases_in_batch(cases: Sequence[StoredCase], settings: Settings, epoch: int, *, step: int) -> list[str]:
    """The names of the cases that the patches of that batch are from."""
    first = step * settings.patches.batch
    generators = [_generator(settings, epoch, step, index) for index in range(settings.patches.batch)]
    return [_place(rng, cases, settings, epoch, first + index)[0].name for index, rng in enumerate(generators)]


def training_sample(cases, settings: Settings, epoch: int, *, step: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (float32 (x, y, z, channels), normalised) and labels (x, y, z), as of `Batch`, of one augmented patch."""
    rng = _generator(settings, epoch, step, index)
    case, corner, shape = _place(rng, cases, settings, epoch, step * settings.patches.batch + index)
    choice = settings.augmentation
    if case.equalised is not None and rng.random() < choice.equalise:
        case = case.equalised
    places = None
    if choice.enabled:
        places = augmentation.draw_places(rng, corner, shape, spacing_mm=case.facts["spacing_mm"], settings=choice)
    if places is None:
        image = patches.crop_slices(case.image, corner, shape, fill=case.air, settings=settings)
        labels = patches.crop(case.labels, corner, shape)
    else:
        image = _read_image(case, places, settings)
        labels = interpolation.read(case.labels, places, 0)
    if choice.enabled:
        image, labels = augmentation.mirror(
            rng, image, labels, mirrored=settings.labels.table.mirrored(), settings=choice
        )
    image = normalise(image, case, settings)
    if choice.enabled:
        image = augmentation.change_intensities(rng, image, choice)
    if choice.enabled and choice.transforms:
        flat = patches.as_network_sees(image[None], settings)[0], patches.as_network_sees(labels[None], settings)[0]
        changed = apply_transforms(rng, *flat, names=choice.transforms, classes=len(settings.labels.names))
        image, labels = (array.reshape(old.shape) for array, old in zip(changed, (image, labels), strict=True))
    return image, with_hidden(labels, case.facts["hidden"])


def _read_image(case: StoredCase, places: interpolation.Places, settings: Settings) -> np.ndarray:
    """The image at `places`, with the channels of the neighbouring slices: float32 (x, y, z, channels) in 0..1."""
    order, channels = settings.augmentation.image_order, []
    for origin in patches.neighbouring(places.origin, settings):
        moved = replace(places, origin=origin)
        for channel, air in enumerate(case.air):
            channels.append(interpolation.read(case.image[..., channel], moved, order, outside=air))
    image = np.stack(channels, axis=3)
    # The spline swings beyond the window at edges.
    return np.clip(image, 0.0, 1.0, out=image)


def validation_batches(cases: Sequence[StoredCase], settings: Settings) -> Iterator[Batch]:
    """The fixed patches that choose the best model: plain crops, as many on each class as on each other class; of a
    grid, or of full images, each tile once.

    They depend on the seed and the cases alone.
    """
    if _covers_volumes(settings):
        tiles = iter(_tiles(tuple(cases), settings))
    else:
        tiles = _plain_tiles(cases, settings, settings.training.validation_patches, VALIDATION)
    samples = (_plain(*tile, settings) for tile in tiles)
    while batch := list(itertools.islice(samples, settings.patches.batch)):
        yield _stack(batch, settings)


def plain_batch(cases: Sequence[StoredCase], settings: Settings, count: int, *, stream: int) -> Batch:
    """`count` fixed patches, as those of `validation_batches`, of a random stream of their own."""
    return _stack([_plain(*tile, settings) for tile in _plain_tiles(cases, settings, count, stream)], settings)


def _plain_tiles(cases: Sequence[StoredCase], settings: Settings, count: int, stream: int) -> Iterator[Tile]:
    for index in range(count):
        rng = np.random.default_rng([settings.seed, stream, index])
        foreground = len(settings.labels.names) - 1
        label = 1 + index % foreground
        case = cases[(index // foreground) % len(cases)]
        shape = patches.patch_shape(settings, case.shape)
        voxels = case.foreground(label)
        if len(voxels):
            corner = patches.corner_around(voxels[rng.integers(len(voxels))], case.shape, shape)
        else:
            corner = _random_corner(rng, case, shape)
        yield case, corner, shape


def _plain(
    case: StoredCase, corner: patches.Shape, shape: patches.Shape, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Image (float32, normalised) and labels, as of `Batch`, of a patch that is not augmented."""
    image = patches.crop_slices(case.image, corner, shape, fill=case.air, settings=settings)
    labels = with_hidden(patches.crop(case.labels, corner, shape), case.facts["hidden"])
    return normalise(image, case, settings), labels


def normalise(image: np.ndarray, case: StoredCase, settings: Settings) -> np.ndarray:
    """The z-score of (x, y, z, channels) by the statistics of the whole volume, or of the training's data set, in a new
    float32 array."""
    pairs = settings.preprocessing.statistics
    return normalised(image, *(zip(*pairs, strict=True) if pairs else (case.facts["mean"], case.facts["sd"])))


def training_batches(
    cases: Sequence[StoredCase],
    settings: Settings,
    epoch: int,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Batch]:
    """The batches of one epoch, in order, made ahead by `executor`; which one changes nothing about them.

    Without an executor by `workers` processes, which stay for the next epoch (0: in this one, as where none may be
    started). Two batches are made ahead for each of the `workers`, none by a SerialExecutor. Custom transforms seed
    NumPy's global generator, so that an executor of threads has one thread at most where there are any. Raises
    InputError where one of the processes was killed.
    """
    steps = steps_on_cases(cases, settings)
    workers = default_workers() if workers is None else workers
    if executor is None:
        executor = reusable_processes(workers) if workers and may_start_processes() else SerialExecutor()
    batch_of_step = functools.partial(_batch_of_step, cases, settings, epoch)
    if isinstance(executor, SerialExecutor):
        for step in range(steps):
            yield executor.submit(batch_of_step, step).result()
        return
    try:
        yield from results_ahead(executor, batch_of_step, range(steps), ahead=2 * max(1, workers))
    except BrokenExecutor as error:
        raise InputError(
            f"a process that makes training batches was killed, perhaps because memory ran out, with training.workers "
            f"{workers} and patches.batch {settings.patches.batch}: resume the training when there is more memory, or "
            "begin again with less of either",
            options=("resume",),
        ) from error


def _batch_of_step(cases: Sequence[StoredCase], settings: Settings, epoch: int, step: int) -> Batch:
    return make_batch(cases, settings, epoch, step=step)


def default_workers() -> int:
    """One process per two cores that this process may use, at most eight: the network needs the rest."""
    return max(1, min(8, hardware.usable_cores() // 2))


def _generator(settings: Settings, epoch: int, step: int, index: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, TRAINING, epoch, step, index])


def _place(rng, cases: Sequence[StoredCase], settings: Settings, epoch: int, number: int):
    """Case, corner and shape of the sample."""
    if _covers_volumes(settings):
        tiles = _tiles(tuple(cases), settings)
        order = np.random.default_rng([settings.seed, TRAINING, epoch]).permutation(len(tiles))
        return tiles[order[number % len(tiles)]]
    case = _drawn(rng, cases)
    shape = patches.patch_shape(settings, case.shape)
    if rng.random() < settings.patches.foreground_share:
        present = [label for label in settings.patches.foreground_labels if case.facts["voxels"][label]]
        if present:
            voxels = case.foreground(present[rng.integers(len(present))])
            return case, patches.corner_around(voxels[rng.integers(len(voxels))], case.shape, shape), shape
    return case, _random_corner(rng, case, shape), shape


def _drawn(rng: np.random.Generator, cases: Sequence[StoredCase]) -> StoredCase:
    """One of the cases, each as probable as its weight is large."""
    weights = [case.weight for case in cases]
    if len(set(weights)) == 1:
        return cases[int(rng.integers(len(cases)))]
    return cases[int(rng.choice(len(cases), p=np.asarray(weights) / sum(weights)))]


def _random_corner(rng: np.random.Generator, case: StoredCase, shape: patches.Shape) -> patches.Shape:
    """A corner at random; where voxels of the case do not count, of a patch with some that do, if one is soon found."""
    corner = patches.random_corner(rng, case.shape, shape)
    for _ in range(TRIES if case.facts["ignored"] else 0):
        if (patches.crop(case.labels, corner, shape, fill=IGNORED) != IGNORED).any():
            break
        corner = patches.random_corner(rng, case.shape, shape)
    return corner


@functools.lru_cache(maxsize=4)
def _tiles(cases: tuple[StoredCase, ...], settings: Settings) -> list[Tile]:
    """Case, corner and shape of each tile of a grid over each case; without those in which no voxel counts, and those
    that hold no foreground, where the settings leave them out. Raises InputError where no tile is left."""
    tiles, foreground = [], settings.patches.foreground_labels
    for case in cases:
        shape = patches.patch_shape(settings, case.shape)
        corners = patches.grid_corners(case.shape, shape)
        if case.facts["ignored"]:
            corners = [one for one in corners if (patches.crop(case.labels, one, shape) != IGNORED).any()]
        if settings.patches.empty == "drop":
            corners = [one for one in corners if np.isin(patches.crop(case.labels, one, shape), foreground).any()]
        tiles += [(case, corner, shape) for corner in corners]
    if not tiles:
        raise InputError(
            f"patches.empty drop: no tile of the {len(cases)} cases, in training or validation, holds a voxel of "
            f"{list(foreground)}; correct patches.foreground_labels, or keep empty tiles"
        )
    return tiles


def _stack(samples, settings: Settings) -> Batch:
    images = np.stack([image for image, _ in samples])
    labels = np.stack([labels for _, labels in samples])[..., None]
    return Batch(patches.as_network_sees(images, settings), patches.as_network_sees(labels, settings))
