"""Training batches made on the fly: each sample is a function of (seed, epoch, step, index) and of nothing else.

So the number of workers changes nothing, and a resumed run goes on with the very next sample.
"""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor, reusable_processes
from pneumoseg.pipeline.runtime.prefetch import results_ahead
from pneumoseg.pipeline.runtime.processes import may_start_processes
from pneumoseg.pipeline.sampling import augmentation, interpolation, patches
from pneumoseg.pipeline.sampling.custom_transforms import apply_transforms
from pneumoseg.pipeline.settings.schema import Settings

TRAINING, VALIDATION, CALIBRATION, COMPARISON = range(4)
"""Independent random streams."""


@dataclass(frozen=True, eq=False)
class Batch:
    """`images`: float32 (n, x, y[, z], 1), normalised. `labels`: uint8 (n, x, y[, z], 1) class numbers."""

    images: np.ndarray
    labels: np.ndarray


def steps_in_epoch(shapes: Sequence[patches.Shape], settings: Settings) -> int:
    """Steps per epoch on volumes of these shapes: the setting, or as many as cover each grid tile (or image) once."""
    if settings.patches.shape is None or settings.patches.sampling == "grid":
        tiles = sum(len(patches.grid_corners(shape, patches.patch_shape(settings, shape))) for shape in shapes)
        return -(-tiles // settings.patches.batch)
    return settings.training.steps_per_epoch


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
    """Image (float32, normalised) and labels (uint8) of one augmented patch, both (x, y, z)."""
    rng = _generator(settings, epoch, step, index)
    case, corner, shape = _place(rng, cases, settings, epoch, step * settings.patches.batch + index)
    choice = settings.augmentation
    places = None
    if choice.enabled:
        places = augmentation.draw_places(rng, corner, shape, spacing_mm=case.facts["spacing_mm"], settings=choice)
    if places is None:
        image = patches.crop(case.image, corner, shape, fill=case.air)
        labels = patches.crop(case.labels, corner, shape)
    else:
        image = interpolation.read(case.image, places, choice.image_order, outside=case.air)
        # The spline swings beyond the window at edges.
        np.clip(image, 0.0, 1.0, out=image)
        labels = interpolation.read(case.labels, places, 0)
    if choice.enabled:
        image, labels = augmentation.mirror(
            rng, image, labels, mirrored=settings.labels.table.mirrored(), settings=choice
        )
    image = normalise(image, case)
    if choice.enabled:
        image = augmentation.change_intensities(rng, image, choice)
    if choice.enabled and choice.transforms:
        flat = (Ellipsis, 0) if settings.dimensions == 2 else ()
        changed = apply_transforms(
            rng, image[flat], labels[flat], names=choice.transforms, classes=len(settings.labels.names)
        )
        image, labels = (array.reshape(shape) for array in changed)
    return image, labels


def validation_batches(cases: Sequence[StoredCase], settings: Settings) -> list[Batch]:
    """The fixed patches that choose the best model: plain crops, as many on each class as on each other class; of full
    images each case once.

    They depend on the seed and the cases alone.
    """
    if settings.patches.shape is None:
        return [_stack([_plain(*tile)], settings) for tile in _tiles(tuple(cases), settings)]
    samples = _plain_samples(cases, settings, settings.training.validation_patches, VALIDATION)
    size = settings.patches.batch
    return [_stack(samples[start : start + size], settings) for start in range(0, len(samples), size)]


def plain_batch(cases: Sequence[StoredCase], settings: Settings, count: int, *, stream: int) -> Batch:
    """`count` fixed patches, as those of `validation_batches`, of a random stream of their own."""
    return _stack(_plain_samples(cases, settings, count, stream), settings)


def _plain_samples(cases: Sequence[StoredCase], settings: Settings, count: int, stream: int) -> list:
    samples = []
    for index in range(count):
        rng = np.random.default_rng([settings.seed, stream, index])
        foreground = len(settings.labels.names) - 1
        label = 1 + index % foreground
        case = cases[(index // foreground) % len(cases)]
        shape = patches.patch_shape(settings, case.image.shape)
        voxels = case.foreground(label)
        if len(voxels):
            corner = patches.corner_around(voxels[rng.integers(len(voxels))], case.image.shape, shape)
        else:
            corner = patches.random_corner(rng, case.image.shape, shape)
        samples.append(_plain(case, corner, shape))
    return samples


def _plain(case: StoredCase, corner: patches.Shape, shape: patches.Shape) -> tuple[np.ndarray, np.ndarray]:
    """Image (float32, normalised) and labels (uint8) of a patch that is not augmented."""
    image = patches.crop(case.image, corner, shape, fill=case.air)
    return normalise(image, case), patches.crop(case.labels, corner, shape)


def normalise(image: np.ndarray, case: StoredCase) -> np.ndarray:
    """The z-score by the statistics of the whole volume, in a new float32 array."""
    result = np.subtract(image, np.float32(case.facts["mean"]), dtype=np.float32, order="C")
    result /= np.float32(case.facts["sd"])
    return result


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
    steps = steps_in_epoch([case.image.shape for case in cases], settings)
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
    if settings.patches.shape is None or settings.patches.sampling == "grid":
        tiles = _tiles(tuple(cases), settings)
        order = np.random.default_rng([settings.seed, TRAINING, epoch]).permutation(len(tiles))
        return tiles[order[number % len(tiles)]]
    case = cases[rng.integers(len(cases))]
    shape = patches.patch_shape(settings, case.image.shape)
    if rng.random() < settings.patches.foreground_share:
        present = [label for label in settings.patches.foreground_labels if case.facts["voxels"][label]]
        if present:
            voxels = case.foreground(present[rng.integers(len(present))])
            return case, patches.corner_around(voxels[rng.integers(len(voxels))], case.image.shape, shape), shape
    return case, patches.random_corner(rng, case.image.shape, shape), shape


@functools.lru_cache(maxsize=1)
def _tiles(cases: tuple[StoredCase, ...], settings: Settings) -> list:
    """Case, corner and shape of each tile of a grid over each case."""
    tiles = []
    for case in cases:
        shape = patches.patch_shape(settings, case.image.shape)
        tiles += [(case, corner, shape) for corner in patches.grid_corners(case.image.shape, shape)]
    return tiles


def _stack(samples, settings: Settings) -> Batch:
    images = np.stack([image for image, _ in samples])[..., None]
    labels = np.stack([labels for _, labels in samples])[..., None]
    if settings.dimensions == 2:
        images, labels = images[:, :, :, 0], labels[:, :, :, 0]
    return Batch(images, labels)
