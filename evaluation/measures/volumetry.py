"""How much of the lungs is infected: volumes in ml and mean HU of each class of a segmentation."""

from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume

Facts = dict[str, float | bool | None]


def volumetry(
    scan: Scan, mask: Volume, table: LabelTable, *, lungs: Sequence[int], infection: int, in_hu: bool = True
) -> Facts:
    """Facts about a segmented CT, for one row of a table. Reads the scan slab by slab.

    For each class NAME but the background: `NAME_ml`, and `NAME_mean_hu` (None where the class is absent, or where the
    scan is not `in_hu`). `lungs_ml` and `lungs_mean_hu`: `lungs` and `infection` together, as infection overwrites lung
    in the masks. `infected_percent`: infection / lungs_ml * 100; None where no voxel is lung, be there infection or
    not. `lungs_touch_lowest_slice`, `lungs_touch_highest_slice` and `lungs_touch_sides`: whether the lungs reach that
    end of the scan, and so may go on beyond it. Without `lungs`, as of a model of other organs, these are left out.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> mask = Volume.from_source(np.array([[[1], [1]], [[2], [3]]]), np.diag([10.0, 10.0, 10.0, 1.0]))
    >>> ct = Scan.from_volume(mask.with_array(np.array([[[-900], [-700]], [[-800], [0]]])))
    >>> facts = volumetry(ct, mask, LUNG_LABELS, lungs=(1, 2), infection=3)
    >>> facts["lung_left_ml"], facts["lung_left_mean_hu"], facts["infected_percent"]
    (2.0, -800.0, 25.0)
    """
    counts = np.zeros(len(table), np.int64)
    sums = np.zeros(len(table))
    for place, slab in scan.slabs():
        labels = mask.array[place]
        inside = labels > 0  # most voxels are background, of which nothing is asked
        classes = labels[inside]
        counts += np.bincount(classes, minlength=len(table))
        sums += np.bincount(classes, weights=slab[inside], minlength=len(table))
    volumes_ml = counts * scan.grid.voxel_volume_ml
    facts: Facts = {}
    for label, name in enumerate(table.names[1:], start=1):
        facts[f"{name}_ml"] = round(float(volumes_ml[label]), 3)
        facts[f"{name}_mean_hu"] = round(float(sums[label] / counts[label]), 1) if in_hu and counts[label] else None
    if not lungs:
        return facts
    every = sorted({label for label in (*lungs, infection) if label < len(table)})
    total_ml, voxels = float(volumes_ml[every].sum()), int(counts[every].sum())
    total = total_name(table)
    facts[f"{total}_ml"] = round(total_ml, 3)
    facts[f"{total}_mean_hu"] = round(float(sums[every].sum() / voxels), 1) if in_hu and voxels else None
    graded = infection in every and any(counts[label] for label in every if label != infection)
    facts["infected_percent"] = round(100.0 * float(volumes_ml[infection]) / total_ml, 2) if graded else None
    facts |= {f"lungs_touch_{end}": touched for end, touched in _touched(mask.array, every).items()}
    return facts


def total_name(table: LabelTable) -> str:
    """What lungs and infection together are called in the facts: "lungs", unless that is the name of a class.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> total_name(LUNG_LABELS)
    'lungs'
    """
    return "lungs" if "lungs" not in table.names else "lungs_and_infection"


def _touched(array: np.ndarray, classes: Sequence[int]) -> dict[str, bool]:
    """Which ends of a mask (x, y, z), axes as RAS+, hold any of the classes."""
    sides = (array[0], array[-1], array[:, 0], array[:, -1])
    return {
        "lowest_slice": bool(np.isin(array[:, :, 0], classes).any()),
        "highest_slice": bool(np.isin(array[:, :, -1], classes).any()),
        "sides": any(bool(np.isin(side, classes).any()) for side in sides),
    }
