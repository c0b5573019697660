"""Pictures that look alike, which are of one patient where no one says so."""

from dataclasses import replace

import numpy as np
import scipy
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.datasets.dataset import Case, Dataset

SIDE = 32
"""Pixels along each side of the reduced picture."""

LEAST_CORRELATION = 0.77
LARGEST_RATIO = 1.12
"""Of two pictures' proportions, width to height."""

CONTENT_LEVEL = 0.15
CONTENT_SHARE = 0.02
BLOCK = 1024


def with_content_groups(dataset: Dataset) -> Dataset:
    """The dataset with one patient for all pictures that look alike, such as neighbouring slices of one patient, or one
    picture in two sizes or windows; cases that share a patient still do. The log says how many groups there are.

    The part of each picture with content is reduced to 32 x 32 pixels and these to their ranks, which a window does not
    change. Two pictures are alike where the correlation is at least 0.77 and their proportions differ by at most 12 %,
    and what is alike to one of a group is of the group. Of a volume the middle slice counts.

    The limits were read off 82 pictures of MedSeg and SIRM (about 60 patients), by the most similar pairs. The 18
    pairs within them show one patient each by vessels, heart and lesions (one pair less surely); they make 69 groups.
    Just below, different patients prevail, among some far slices of one patient, which are missed: where patients are
    known, `patients.csv` is better.

    Raises InputError as `Case.read_image`.
    """
    signatures = [_signature(case) for case in track(list(dataset), "Comparing pictures", len(dataset))]
    patients = sorted({case.patient for case in dataset})
    number = {patient: index for index, patient in enumerate(patients)}
    of_case = np.array([number[case.patient] for case in dataset])
    one, other = alike(np.array([ranks for ranks, _ in signatures]), np.array([ratio for _, ratio in signatures]))
    links = coo_array((np.ones(len(one), bool), (of_case[one], of_case[other])), shape=(len(patients),) * 2)
    groups, group = connected_components(links, directed=False)
    first = [patients[int(np.flatnonzero(group == index)[0])] for index in range(groups)]
    log.info(
        "%s: %d pictures of %d patients are %d groups by their content",
        dataset.root,
        len(dataset),
        len(patients),
        groups,
    )
    cases = (replace(case, patient=first[group[index]]) for case, index in zip(dataset, of_case, strict=True))
    return Dataset(dataset.root, tuple(cases), dataset.layout)


def alike(ranks: np.ndarray, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (indices, indices) of pictures that look alike; each pair in both orders.

    `ranks`: (pictures, pixels), of mean 0 and length 1; `ratios`: width to height of each.
    """
    ones, others = [], []
    for start in range(0, len(ranks), BLOCK):  # the table of all pairs may not fit into memory
        close = ranks[start : start + BLOCK] @ ranks.T >= LEAST_CORRELATION
        quotient = ratios[start : start + BLOCK, None] / ratios
        one, other = np.nonzero(close & (np.maximum(quotient, 1 / quotient) <= LARGEST_RATIO))
        ones.append(one + start)
        others.append(other)
    return np.concatenate(ones), np.concatenate(others)


def _signature(case: Case) -> tuple[np.ndarray, float]:
    """The ranks of the reduced picture, (1024,), float32, of mean 0 and length 1, and its width to its height."""
    array = case.read_image().array
    axis = int(np.argmin(array.shape[:3]))
    plane = np.moveaxis(array, axis, 0)[array.shape[axis] // 2].astype(np.float32)
    plane = _content(plane.mean(axis=2) if plane.ndim == 3 else plane)
    reduced = Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BOX)
    ranks = scipy.stats.rankdata(np.asarray(reduced)) - (SIDE**2 + 1) / 2
    return (ranks / max(float(np.linalg.norm(ranks)), 1.0)).astype(np.float32), plane.shape[0] / plane.shape[1]


def _content(plane: np.ndarray) -> np.ndarray:
    """The part of a picture that is not dark border: a row or column counts where more than 2 % of its pixels are
    brighter than 15 % of the range."""
    low, high = np.percentile(plane, [1, 99])
    bright = plane > low + CONTENT_LEVEL * (high - low)
    kept = [np.flatnonzero(bright.mean(axis=other) > CONTENT_SHARE) for other in (1, 0)]
    if not all(len(indices) for indices in kept):
        return plane
    (top, bottom), (left, right) = ((indices[0], indices[-1] + 1) for indices in kept)
    return plane[top:bottom, left:right]
