"""Mean and standard deviation over all voxels of the training cases, for networks that are normalised by these."""

from collections.abc import Sequence

import numpy as np

from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.preprocessing.intensity import FLAT_SD
from pneumoseg.pipeline.settings.schema import Settings


def with_statistics(settings: Settings, cases: Sequence[StoredCase]) -> Settings:
    """The settings with preprocessing.statistics of these cases; unchanged unless the normalisation is "dataset"."""
    if settings.preprocessing.normalisation != "dataset":
        return settings
    sizes = [float(np.prod(case.shape)) for case in cases]
    sds = [[0.0 if sd == FLAT_SD else sd for sd in case.facts["sd"]] for case in cases]
    statistics = pooled([case.facts["mean"] for case in cases], sds, sizes)
    preprocessing = settings.preprocessing.model_copy(update={"statistics": statistics})
    return settings.model_copy(update={"preprocessing": preprocessing})


def pooled(means, sds, sizes: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Mean and standard deviation of each channel over all voxels of images, from those of each image.

    `means`, `sds`: (images, channels); `sizes`: voxels of each image.

    >>> pooled([[0.0], [2.0]], [[1.0], [1.0]], [10, 10])  # a variance of 1 within and of 1 between the images
    ((1.0, 1.4142135623730951),)
    """
    mean = np.average(means, axis=0, weights=sizes)
    mean_square = np.average(np.square(means) + np.square(sds), axis=0, weights=sizes)
    sd = np.sqrt(np.maximum(mean_square - np.square(mean), 0.0))
    return tuple((float(one), float(other) if other > 1e-6 else FLAT_SD) for one, other in zip(mean, sd, strict=True))
