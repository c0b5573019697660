"""Masks as NumPy arrays."""

from pathlib import Path

import numpy as np

from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume

SUFFIX = ".npy"


def write_label_array(path: str | Path, labels: Volume, table: LabelTable) -> None:
    """Writes the class numbers, uint8, as the image's file orders them: (x, y, z), or (rows, columns) of one slice.

    The file appears whole or not at all. It holds neither place nor names of the classes.
    """
    array = labels.restore()
    array = array[:, :, 0].T if array.shape[2] == 1 else array
    with write_aside(Path(path)) as aside, open(aside, "wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
