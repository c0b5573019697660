"""The precision in which a network predicts fastest on this processor, found by timing the network itself.

Instruction sets say which precisions are possible; which of them is fastest, and whether its results agree with those
in float32, is measured once for each model, tile, number of threads and processor, and kept beside the model's
converted network.
"""

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.pipeline.prediction.agreement import agreement
from pneumoseg.pipeline.prediction.converted_files import TIMES, first_writable, places
from pneumoseg.pipeline.preprocessing.intensity import normalised
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.runtime.measured_choice import (
    MeasuredChoice,
    in_words,
    keep,
    known_here,
    processor_part,
    quickest,
    recall,
)
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.schema import Settings

LARGEST_TILE_VOXELS = 2**17
"""Larger tiles are timed by a part of them, so that it takes seconds; the order of the precisions is the same."""
LARGEST_DIFFERENCE = 0.03
"""Of the probabilities, on average: far above rounding (0.003 for 8 bit), far below what a faulty kernel gives."""

Network = Callable[[np.ndarray], np.ndarray]


def fastest_precision(
    files: Sequence[Path],
    settings: Settings,
    ways: Mapping[str, Callable[[tuple[int, ...], int], Network]],
    *,
    engine: str,
    threads: int | None = None,
) -> MeasuredChoice:
    """The precision of `ways` in which the networks of `files` compute a tile fastest.

    `ways`: by precision, float32 first, a function that opens the networks for tiles of a shape and a batch of so many.
    """
    if len(ways) == 1:
        return MeasuredChoice(next(iter(ways)), {})
    shape, batch = timed_tiles(settings)
    key = times_key(settings, tuple(ways), engine=engine, threads=threads)
    paths = places(files[0], _ending(files))
    for path in paths:
        if (known := recall(path, key)) and known.name in ways:
            return known
    log.info("timing %s in %s on this processor once", _words(files), ", ".join(ways))
    tiles = np.repeat(_tile(settings, shape)[None], batch, axis=0)

    def make_ready(open_networks: Callable[[tuple[int, ...], int], Network]) -> Callable[[], np.ndarray]:
        return functools.partial(open_networks(shape, batch), tiles)

    choice = quickest(
        {name: functools.partial(make_ready, open_networks) for name, open_networks in ways.items()},
        agrees=lambda output, reference: agreement(output, reference).probability_difference < LARGEST_DIFFERENCE,
    )
    log.info("%s: %s a tile", _words(files), in_words(choice))
    if writable := first_writable(paths):
        keep(writable, key, choice)
    return choice


def known_choices(path: Path) -> list[str]:
    """What has been measured on this kind of processor for a model file, in words."""
    times = {key: words for place in places(path, TIMES)[::-1] for key, words in known_here(place).items()}
    return [f"{key}: {words}" for key, words in times.items()]


def timed_tiles(settings: Settings) -> tuple[tuple[int, ...], int]:
    """The shape of the tiles that are timed, and how many at a time."""
    shape = patches.capped_shape(settings, LARGEST_TILE_VOXELS)
    batch = 1 if settings.patches.shape is None else settings.prediction.batch
    return shape, max(1, min(batch, LARGEST_TILE_VOXELS // int(np.prod(shape))))


def times_key(settings: Settings, precisions: Sequence[str], *, engine: str, threads: int | None) -> str:
    """All that the times depend on beside the networks."""
    return ", ".join(
        (
            f"{engine} {importlib.metadata.version('openvino' if engine == 'openvino' else 'tensorflow')}",
            processor_part(),
            f"threads {threads or 'all'}",
            f"tile {'x'.join(map(str, settings.patches.shape or ('full',)))}",
            f"batch {settings.prediction.batch}",
            " ".join(precisions),
        )
    )


def _ending(files: Sequence[Path]) -> str:
    """Of the name of the file with the times: networks that compute as one have a file of their own."""
    if len(files) == 1:
        return TIMES
    hashes = "".join(sha256_of(file) for file in files)
    return f"-with-{hashlib.sha256(hashes.encode()).hexdigest()[:12]}{TIMES}"


def _words(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{len(files)} networks of {files[0].parent.parent}"


def _tile(settings: Settings, shape: tuple[int, ...]) -> np.ndarray:
    """A generated CT, whatever its spacing, as a network of these settings sees it: float32 (x, y[, z], channels)."""
    from pneumoseg.data_io.phantoms.generate import SMALLEST_AXIS, make_phantom  # seldom needed, and slow to import

    full = patches.in_three_axes(shape, settings)
    x, y, z = (max(size, SMALLEST_AXIS) for size in full)
    image, _ = make_phantom(seed=0, index=0, shape=(x, y, z))
    own_grid = {"spacing_mm": None, "size": None, "values": "hu"}
    preprocessing = settings.preprocessing.model_copy(update=own_grid)
    channels = image.with_array(np.repeat(image.array[..., None], preprocessing.channels, axis=3))
    prepared = Preprocessor(preprocessing).apply(Scan.from_volume(channels))
    corner = [(size - tile) // 2 for size, tile in zip(prepared.shape, full, strict=True)]
    tile = patches.crop_slices(prepared.image, corner, full, fill=prepared.air, settings=settings)
    return patches.as_network_sees(normalised(tile, prepared.mean, prepared.sd)[None], settings)[0]
