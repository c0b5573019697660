"""How much of the lungs is infected: volumes in ml and mean HU of each class of a segmentation."""

from collections.abc import Sequence

import numpy as np

from data_io.labels import LabelTable
from data_io.scan import Scan
from data_io.volume import Volume


def volumetry(
    scan: Scan, mask: Volume, table: LabelTable, lungs: Sequence[int], infection: int, in_hu: bool = True
) -> dict:
    """Facts about a segmented CT, for one row of a table. Reads the scan slab by slab.

    For each class NAME but the background: `NAME_ml`, and `NAME_mean_hu` (None where the class is absent, or where the
    scan is not `in_hu`). `lungs_ml`: `lungs` and `infection` together, as infection overwrites lung in the masks.
    `infected_percent`: infection / lungs_ml * 100; None where no voxel is lung, be there infection or not. Without
    `lungs`, as of a model of other organs, these two are left out.
    """
    counts = np.zeros(len(table), np.int64)
    sums = np.zeros(len(table))
    for place, slab in scan.slabs():
        labels = mask.array[place].ravel(order="F")
        counts += np.bincount(labels, minlength=len(table))
        sums += np.bincount(labels, weights=slab.ravel(order="F"), minlength=len(table))
    volumes_ml = counts * scan.grid.voxel_volume_ml
    facts: dict[str, float | None] = {}
    for label, name in enumerate(table.names[1:], start=1):
        facts[f"{name}_ml"] = round(float(volumes_ml[label]), 3)
        facts[f"{name}_mean_hu"] = round(float(sums[label] / counts[label]), 1) if in_hu and counts[label] else None
    if not lungs:
        return facts
    every = {label for label in (*lungs, infection) if label < len(table)}
    total_ml = float(sum(volumes_ml[label] for label in every))
    facts["lungs_ml"] = round(total_ml, 3)
    graded = infection in every and any(counts[label] for label in every - {infection})
    facts["infected_percent"] = round(100.0 * float(volumes_ml[infection]) / total_ml, 2) if graded else None
    return facts
