"""How masks of CTs in HU agree with what is known of those CTs: lungs drawn by others, or slices marked as infected.

    pneumoseg predict SERIES -o mask.nii.gz
    python scripts/benchmark/transfer.py mask.nii.gz --series SERIES --slices labels.csv --json series.json
    python scripts/benchmark/transfer.py mask.nii.gz --lungs lungs.nrrd --json lungs.json

MASK holds 0 background, 1 left lung, 2 right lung, 3 infection. `labels.csv`: the columns rank_by_slice_location
(0 is the lowest Slice Location), infected, and lobe_1 .. lobe_5 in the order of COVID-CT-MD (Afshar et al., Scientific
Data 8, 121, 2021): left lower, left upper, right lower, right middle, right upper. Whether the ranks really count from
the feet, the lobes tell: an upper lobe marked below the lower lobe of its side means that they count from the head
(`--from-head`). `--lungs`: a mask on the same grid, not 0 in the lungs.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from scipy import ndimage

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.scripts.benchmark.machine import report

LOBES = {"left": ("lobe_1", "lobe_2"), "right": ("lobe_3", "lobe_4", "lobe_5")}
LUNGS, INFECTION = (1, 2), 3
BODY_HU = -400.0


def transfer(
    mask: Annotated[Path, typer.Argument(help="Mask that was predicted.")],
    series: Annotated[Path | None, typer.Option("--series", help="Its DICOM series.")] = None,
    slices: Annotated[Path | None, typer.Option("--slices", help="CSV of infected slices.")] = None,
    from_head: Annotated[
        bool, typer.Option("--from-head", help="The ranks of that CSV count from the head down.")
    ] = False,
    lungs: Annotated[Path | None, typer.Option("--lungs", help="Lung mask by others.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Measures one mask."""
    from pneumoseg.data_io.formats.reading import open_scan, read_labels, read_volume
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS

    predicted = read_labels(mask, LUNG_LABELS)
    figures: dict = {}
    if lungs is not None:
        drawn = read_volume(lungs)
        if not drawn.grid.matches(predicted.grid):
            raise InputError(f"{lungs} and {mask} must lie on one grid, found {drawn.grid} and {predicted.grid}")
        figures["lungs_dice"] = _dice(drawn.array != 0, predicted.array != 0)
    if series is not None:
        figures["lung_voxels_outside_body"] = outside_body(predicted.array, open_scan(series).read().array)
        figures["left_of_right_mm"] = left_of_right_mm(predicted.array, predicted.grid.affine)
        if slices is not None:
            heights_mm = predicted.grid.affine[2, 2] * np.arange(predicted.array.shape[2]) + predicted.grid.affine[2, 3]
            order = ranks_of_heights(series, heights_mm)
            order = len(order) - 1 - order if from_head else order
            marked = pd.read_csv(slices).set_index("rank_by_slice_location").loc[order]
            figures |= slice_agreement(predicted.array, predicted.spacing_mm, marked)
    report(figures, json_file)


def slice_agreement(mask: np.ndarray, spacing_mm: tuple[float, float, float], marked: pd.DataFrame) -> dict:
    """Area under the ROC curve of the infected area per slice, in all and by the nearer lung; None where no slice or
    every slice is marked.

    `mask`: class numbers (x, y, z); `marked`: one row per slice along z. Where a side has no marked slice, all that is
    predicted there is false: its share of the infected voxels is given.
    """
    from pneumoseg.evaluation.measures.lung_sides import split_lungs
    from pneumoseg.evaluation.measures.ranking import roc_auc

    area = np.count_nonzero(mask == INFECTION, axis=(0, 1))
    height = bounding_box(mask > 0)[2]
    figures: dict = {"slices": len(marked), "infected_slices": int(marked["infected"].sum())}
    figures["slice_auc"] = _defined(roc_auc(marked["infected"].to_numpy() == 1, area))
    for (side, lobes), lung in zip(
        LOBES.items(), split_lungs(mask, spacing_mm, LUNGS, infection=INFECTION), strict=True
    ):
        infected = np.zeros(len(marked))
        infected[height] = lung.infected
        figures[f"{side}_slice_auc"] = _defined(roc_auc(marked[list(lobes)].any(axis=1).to_numpy(), infected))
        figures[f"{side}_infected_share"] = float(infected.sum() / max(area.sum(), 1))
    return figures


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second)))


def outside_body(mask: np.ndarray, hu: np.ndarray) -> int:
    """Labelled voxels outside the body: the largest piece of tissue of each slice and what it encloses."""
    outside = 0
    for index in range(mask.shape[2]):
        pieces, count = ndimage.label(hu[:, :, index] > BODY_HU)
        body = np.zeros(pieces.shape, bool)
        if count:
            body = ndimage.binary_fill_holes(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax())
        outside += int(np.count_nonzero((mask[:, :, index] != 0) & ~body))
    return outside


def left_of_right_mm(mask: np.ndarray, affine: np.ndarray) -> float:
    """How far the left lung's centre lies to the patient's left of the right lung's (x of RAS+ grows to the right)."""
    centres = [np.argwhere(mask == label).mean(axis=0) for label in LUNGS]
    return float(affine[0, :3] @ (centres[1] - centres[0]))


def ranks_of_heights(series: Path, heights_mm: np.ndarray) -> np.ndarray:
    """For each slice along z the rank of its Slice Location in the series (0 is the lowest)."""
    import pydicom

    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(series.glob("*.dcm"))]
    locations = np.array([float(header.SliceLocation) for header in headers])
    places_mm = np.array([float(header.ImagePositionPatient[2]) for header in headers])
    ranks = locations.argsort().argsort()
    nearest = np.abs(places_mm[None, :] - heights_mm[:, None]).argmin(axis=1)
    if len(set(nearest)) != len(headers):
        raise InputError(f"{series}: {len(headers)} slices do not lie one by one on the mask's {len(heights_mm)}")
    return ranks[nearest]


if __name__ == "__main__":
    typer.run(transfer)
