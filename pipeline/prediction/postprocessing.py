"""Postprocessing of a segmentation: small components, stray ones and holes, on uint8 label arrays (x, y, z).

No function changes its input. Voxels belong together where they share a face, an edge
or a corner (26 neighbours). Work is done on the bounding box of the class in question, one class at a time, so that
the component numbers (up to four bytes a voxel) never cover more than that.
"""

from collections.abc import Iterable, Iterator, Sequence

import cc3d
import fill_voids
import numpy as np
from scipy import ndimage

from pneumoseg.data_io.volumes.bounding_box import bounding_box, widened
from pneumoseg.pipeline.settings.schema import PostprocessingSettings

Box = tuple[slice, ...]


def postprocess(labels: np.ndarray, voxel_volume_ml: float, settings: PostprocessingSettings) -> np.ndarray:
    """The steps that are switched on, in this order; the array itself where none is.

    1. `smallest_infection_ml`: smaller infections become lung (`remove_small`).
    2. `largest_component`: each lung is one piece, held together by infection (`keep_largest_component`).
    3. `infection_in_lungs_only`: infection that touches no lung goes (`remove_outside`); after 2, so that infection
       beside a stray piece of lung goes with it.
    4. `fill_holes`: what the steps before have left hollow is filled, too (`fill_lung_holes`).
    """
    lungs, infection, smallest_ml = settings.lungs, settings.infection, settings.smallest_infection_ml
    if smallest_ml > 0:
        labels = remove_small(labels, infection, smallest_ml, voxel_volume_ml=voxel_volume_ml, replacements=lungs)
    if settings.largest_component:
        labels = keep_largest_component(labels, lungs, together_with=(infection,))
    if settings.infection_in_lungs_only:
        labels = remove_outside(labels, infection, lungs)
    if settings.fill_holes:
        labels = fill_lung_holes(labels, lungs, infection)
    return labels


def keep_largest_component(labels: np.ndarray, classes: Iterable[int], together_with: Sequence[int] = ()) -> np.ndarray:
    """Each of `classes` reduced to its largest component; its other voxels become background.

    Classes in `together_with` connect (a lung that infection cuts in two stays one) but are neither counted nor
    removed. Where several components are equally large, all of them stay.
    """
    corrected = labels.copy(order="K")
    for label in classes:
        mask = _is_any(labels, (label, *together_with))
        box = bounding_box(mask)
        components, count = _components(mask[box])
        voxels = labels[box] == label
        sizes = _sizes(components, count, voxels)
        corrected[box][voxels & ~_chosen(components, sizes == sizes.max())] = 0
    return corrected


def remove_small(
    labels: np.ndarray, label: int, below_ml: float, *, voxel_volume_ml: float, replacements: Sequence[int]
) -> np.ndarray:
    """Components of `label` smaller than `below_ml` become the class of `replacements` that most of their
    neighbouring voxels have (the first named of equals), or background where none has."""
    corrected = labels.copy(order="K")
    box = bounding_box(labels == label, margin=1)
    components, count = _components(labels[box] == label)
    if count == 0:
        return corrected
    statistics = cc3d.statistics(components)
    small = statistics["voxel_counts"] * voxel_volume_ml < below_ml
    small[0] = False
    for number in np.flatnonzero(small).tolist():
        around, part = _part(components, statistics["bounding_boxes"][number], number)
        corrected[box][around][part] = _most_frequent_neighbour(labels[box][around], part, replacements, 0)
    return corrected


def remove_outside(labels: np.ndarray, label: int, lungs: Sequence[int]) -> np.ndarray:
    """Components of `label` that touch no voxel of `lungs` become background."""
    corrected = labels.copy(order="K")
    box = bounding_box(labels == label, margin=1)
    lung = _is_any(labels[box], lungs)
    voxels = labels[box] == label
    components, count = _components(voxels | lung)
    corrected[box][voxels & _chosen(components, _sizes(components, count, lung) == 0)] = 0
    return corrected


def fill_lung_holes(labels: np.ndarray, lungs: Sequence[int], infection: int) -> np.ndarray:
    """Background that `lungs` and `infection`, taken as one body, enclose on all sides becomes part of it.

    A hole becomes the lung that most of its neighbouring voxels belong to (the first named of equals), or infection
    where no lung borders on it. What reaches the edge of the volume is not enclosed, neither is what leaks out
    through a face; other classes are not changed.
    """
    corrected = labels.copy(order="K")
    body = _is_any(labels, (*lungs, infection))
    box = bounding_box(body)
    # A voxel wider: fill_voids (2.1) takes some background in the edges and corners of its array for enclosed.
    filled = fill_voids.fill(np.pad(body[box], 1), in_place=True)[1:-1, 1:-1, 1:-1]
    holes = filled & (labels[box] == 0)
    components, count = _components(holes)
    if count == 0:
        return corrected
    bounding_boxes = cc3d.statistics(components)["bounding_boxes"]
    for number in range(1, count + 1):
        around, part = _part(components, bounding_boxes[number], number)
        corrected[box][around][part] = _most_frequent_neighbour(labels[box][around], part, lungs, infection)
    return corrected


def _is_any(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    # np.isin would take eight bytes a voxel.
    mask = np.zeros_like(labels, bool)
    for label in classes:
        mask |= labels == label
    return mask


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Component numbers 1, 2, ... (0 outside `mask`), and how many there are."""
    if mask.size == 0:
        return np.zeros(mask.shape, np.uint16), 0
    # As uint8: cc3d (4.1) underestimates how many numbers a bool array one voxel thick may need, and raises.
    return cc3d.connected_components(mask.astype(np.uint8), connectivity=26, return_N=True)


def _sizes(components: np.ndarray, count: int, where: np.ndarray) -> np.ndarray:
    """How many voxels of `where` each component has; component 0, the outside, counts as none."""
    sizes = np.zeros(count + 1, np.int64)
    for numbers, chosen in _planes(components, where):
        sizes += np.bincount(numbers[chosen], minlength=count + 1)
    sizes[0] = 0
    return sizes


def _chosen(components: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Where the voxels of the components lie for which `choice`, one flag per number, is true."""
    mask = np.empty_like(components, bool)
    for plane, numbers in _planes(mask, components):
        plane[...] = choice[numbers]
    return mask


def _planes(one: np.ndarray, other: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two arrays plane by plane, as counting and looking up take eight bytes a voxel; along the axis whose planes lie
    together in memory."""
    return zip(one.T, other.T, strict=True) if one.flags.f_contiguous else zip(one, other, strict=True)


def _part(components: np.ndarray, box: Box, number: int) -> tuple[Box, np.ndarray]:
    """One component's box, wider by a voxel where the array allows, and its voxels therein."""
    around = widened(box, components.shape)
    return around, components[around] == number


def _most_frequent_neighbour(labels: np.ndarray, part: np.ndarray, classes: Sequence[int], otherwise: int) -> int:
    shell = ndimage.binary_dilation(part, np.ones((3, 3, 3), bool)) & ~part
    counts = np.bincount(labels[shell], minlength=256)
    most = max(classes, key=lambda label: counts[label], default=otherwise)
    return most if counts[most] else otherwise
