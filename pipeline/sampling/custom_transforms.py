"""Custom transforms, or those of batchgenerators, for training patches, named "module:class" in the settings.

    from batchgenerators.transforms.noise_transforms import RicianNoiseTransform

    def rician():
        return RicianNoiseTransform(noise_variance=(0, 0.1), p_per_sample=0.2)

A transform is called with `data`, float32 (1, channels, x, y[, z]), normalised, and `seg`, the class numbers (255: a
voxel that does not count), and gives both back in a dict, as batchgenerators' do; it may overwrite them. What it draws
from NumPy's or Python's global generator is decided by the sample's own seed.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.partial_labels import IGNORED
from pneumoseg.pipeline.settings import plugins


def make_transform(name: str) -> Callable:
    """The transform of that name. Raises InputError where it does not exist or needs arguments."""
    make = plugins.find(name, {}, "transform")
    try:
        return make()
    except TypeError as error:
        raise InputError(
            f"transform {name}: cannot be made without arguments ({error}); name a function that returns it"
        ) from error


def apply_transforms(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, *, names: Sequence[str], classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image (float32, (x, y[, z], channels)) and labels (uint8, (x, y[, z]), below `classes`) of a patch after each of
    the transforms.

    Raises InputError for a transform that cannot be made, changes the shape or leaves a voxel without a class. Voxels
    that do not count, IGNORED, have none.
    """
    content = {"data": np.moveaxis(image, -1, 0)[None].copy(), "seg": labels[None, None].astype(np.int16)}
    shapes = [array.shape for array in content.values()]
    with _seeded(int(rng.integers(2**32))):
        for name in names:
            content = make_transform(name)(**content)
            found = [content[part].shape for part in ("data", "seg")]
            if found != shapes:
                raise InputError(f"transform {name}: data and seg keep the shapes {shapes}, found {found}")
            of_classes = content["seg"][content["seg"] != IGNORED]
            low, high = of_classes.min(initial=0), of_classes.max(initial=0)
            if low < 0 or high >= classes:
                raise InputError(f"transform {name}: seg holds classes 0 to {classes - 1}, found {low:g} to {high:g}")
    return np.moveaxis(content["data"][0], 0, -1).astype(np.float32), content["seg"][0, 0].astype(np.uint8)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators that batchgenerators draws from, and puts their state back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
