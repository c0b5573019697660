"""Small cohort files for tests."""

from dataclasses import replace

import numpy as np

from pneumoseg.data_io.datasets.cohort_file import CohortEntry, write_cohort

SHAPE = (4, 5, 6)
PREPARATION = {"shape": list(SHAPE), "mask": "classical"}


def entry(name: str, **changes) -> CohortEntry:
    """The entry of a healthy study; hashes come from its name."""
    number = f"{sum(map(ord, name)):064x}"
    made = CohortEntry(
        name=name,
        patient=f"of {name}",
        diseased=False,
        score=0.0,
        content=number,
        source=number,
        lung_ml=4000.0,
        lung_mean_hu=-800.0,
        slices=300,
        spacing_mm=(2.5, 2.5, 5.0),
    )
    return replace(made, **changes)


def arrays(count: int, shape=SHAPE):
    """For each study HU counted from its number, and lungs in half of the slices."""
    for number in range(count):
        image = (np.arange(np.prod(shape)).reshape(shape) - 1000 + number).astype(np.int16)
        lungs = np.zeros(shape, np.uint8)
        lungs[: shape[0] // 2] = 1
        yield image, lungs


def write(path, entries, shape=SHAPE):
    """A cohort file of the entries with `arrays`."""
    write_cohort(path, entries, arrays(len(entries), shape), shape=shape, preparation=PREPARATION)
    return path
