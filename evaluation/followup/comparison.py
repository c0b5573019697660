"""Compares two dates of a patient: volumes of each region, noise, and the label map of change."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.evaluation.followup.change import NEW, RESOLVED, UNCHANGED, change_map
from pneumoseg.evaluation.followup.examination import Examination, check_one_patient, ct_pair
from pneumoseg.evaluation.followup.noise import beyond, noise_of_change
from pneumoseg.evaluation.followup.regions import INFECTION, REGIONS, RegionVolume, region_volumes
from pneumoseg.evaluation.followup.registration import Registration, cropped_grid, moved, register
from pneumoseg.evaluation.followup.similarity import LEAST_CORRELATION, Similarity, similarity

AIR_HU = -1000.0
BOX_MARGIN_MM = 20.0

Row = dict[str, Any]

DEFINITIONS = {
    "region": "lungs, lung_left, lung_right, or the lower, middle or upper third of a lung's height.",
    "lung_baseline_ml": "Volume of the region at the baseline, infection included, on the baseline's own grid.",
    "lung_follow_up_ml": "Volume of the region at the follow-up, infection included, on its own grid.",
    "infection_baseline_ml": "Infected volume at the baseline, on its own grid.",
    "infection_follow_up_ml": "Infected volume at the follow-up, on its own grid.",
    "change_ml": "infection_follow_up_ml - infection_baseline_ml.",
    "change_percent": "change_ml / infection_baseline_ml * 100; empty where the baseline has no infection there.",
    "noise_ml": "Largest change_ml that the noise explains; empty where it is not known.",
    "beyond_noise": "Whether change_ml is larger than noise_ml; empty where that is not known.",
    "infected_percent_baseline": "infection_baseline_ml / lung_baseline_ml * 100; empty without lung.",
    "infected_percent_follow_up": "infection_follow_up_ml / lung_follow_up_ml * 100; empty without lung.",
    "change_percent_points": "infected_percent_follow_up - infected_percent_baseline.",
    "noise_percent_points": "Largest change_percent_points that the noise explains; empty where it is not known.",
    "percent_beyond_noise": "Whether change_percent_points is larger than noise_percent_points.",
}
"""Definition of each column of the table."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What became of the infection of one patient.

    `rows`: one per region, columns as `DEFINITIONS`; `change`: the classes of `CHANGE_LABELS` on the follow-up's grid;
    `shown`: see `Shown`; `noise_source`: "networks", "given" or None; `votes`: how many they gave.
    """

    rows: list[Row]
    change: Volume
    registration: Registration
    similarity: Similarity
    bending_mm: float
    with_ct: bool
    shown: "Shown"
    noise_source: str | None
    votes: int

    @property
    def label_map_ml(self) -> dict[str, float]:
        """Volumes of the label map: unchanged_ml, new_ml, resolved_ml."""
        voxel_ml = self.change.grid.voxel_volume_ml
        names = {"unchanged_ml": UNCHANGED, "new_ml": NEW, "resolved_ml": RESOLVED}
        return {name: float(np.count_nonzero(self.change.array == label)) * voxel_ml for name, label in names.items()}


@dataclass(frozen=True, eq=False)
class Shown:
    """What a figure shows, on the part of the follow-up's grid around the lungs, `grid`: `baseline`, moved there, and
    `follow_up`, CTs or pictures of the lungs; `change`: the classes of `CHANGE_LABELS`; all (x, y, z). `first_slice` of
    the `slices` of the follow-up is the lowest of these."""

    grid: Grid
    baseline: np.ndarray
    follow_up: np.ndarray
    change: np.ndarray
    first_slice: int
    slices: int


def compare(
    baseline: Examination,
    follow_up: Examination,
    *,
    noise_ml: float | None = None,
    least_dice: float | None = None,
    least_correlation: float = LEAST_CORRELATION,
) -> Comparison:
    """Compares two examinations with masks.

    `noise_ml`: the largest change of infected volume that noise explains, in any region, where it is known otherwise
    than from the voting networks. Volumes are those of each mask on its own grid, which no registration distorts; the
    label map rests on the baseline moved onto the follow-up's grid. Raises InputError for two patients (headers, or
    lungs that do not match, see `Similarity.check`), dates in the wrong order, and masks without lungs.
    """
    check_one_patient(baseline, follow_up)
    before, after = baseline.lungs, follow_up.lungs
    images = ct_pair(follow_up, baseline)
    registration = register(after, before, images)
    measured = similarity(after, before, images, registration)
    measured.check(least_dice, least_correlation)

    box = bounding_box(after.array > 0, [int(np.ceil(BOX_MARGIN_MM / step)) for step in after.spacing_mm])
    grid = cropped_grid(after.grid, box)
    infected = moved(before.array == INFECTION, before.grid, grid, registration) > 0.5
    part = change_map(infected, after.array[box] == INFECTION, after.spacing_mm)
    change = np.zeros(after.array.shape, np.uint8)
    change[box] = part
    pictures = images or (_drawn(after), _drawn(before))
    shown = Shown(
        grid,
        moved(pictures[1].array, before.grid, grid, registration, fill=AIR_HU),
        pictures[0].array[box],
        part,
        box[2].start,
        after.array.shape[2],
    )
    source = "given" if noise_ml is not None else "networks" if baseline.voters and follow_up.voters else None
    return Comparison(
        rows=_rows(baseline, follow_up, noise_ml),
        change=after.with_array(change),
        registration=registration,
        similarity=measured,
        bending_mm=registration.bending_mm(after),
        with_ct=images is not None,
        shown=shown,
        noise_source=source,
        votes=len(follow_up.voters) if source == "networks" else 0,
    )


def _rows(baseline: Examination, follow_up: Examination, noise_ml: float | None) -> list[Row]:
    before, after = region_volumes(baseline.lungs), region_volumes(follow_up.lungs)
    return [
        _row(
            region,
            before[region],
            after[region],
            [[votes.get(region) for votes in one.voters] for one in (baseline, follow_up)],
            noise_ml,
        )
        for region in REGIONS
    ]


def _row(
    region: str,
    before: RegionVolume,
    after: RegionVolume,
    votes: list[list[RegionVolume | None]],
    given_noise_ml: float | None,
) -> Row:
    change_ml = after.infection_ml - before.infection_ml
    percents = (before.infected_percent, after.infected_percent)
    points = None if percents[0] is None or percents[1] is None else percents[1] - percents[0]
    noise_ml = given_noise_ml
    noise_points = None
    if given_noise_ml is None and len(votes[0]) == len(votes[1]):
        noise_ml = noise_of_change(*([_ml(vote) for vote in of_date] for of_date in votes))
        noise_points = noise_of_change(*([_percent(vote) for vote in of_date] for of_date in votes))
    return {
        "region": region,
        "lung_baseline_ml": before.lung_ml,
        "lung_follow_up_ml": after.lung_ml,
        "infection_baseline_ml": before.infection_ml,
        "infection_follow_up_ml": after.infection_ml,
        "change_ml": change_ml,
        "change_percent": 100.0 * change_ml / before.infection_ml if before.infection_ml else None,
        "noise_ml": noise_ml,
        "beyond_noise": beyond(change_ml, noise_ml),
        "infected_percent_baseline": percents[0],
        "infected_percent_follow_up": percents[1],
        "change_percent_points": points,
        "noise_percent_points": noise_points,
        "percent_beyond_noise": beyond(points, noise_points),
    }


def _ml(vote: RegionVolume | None) -> float | None:
    return None if vote is None else vote.infection_ml


def _percent(vote: RegionVolume | None) -> float | None:
    return None if vote is None else vote.infected_percent


def _drawn(mask: Volume) -> Volume:
    """A picture of a mask in HU for a figure, where there is no CT: soft tissue, lung, infection."""
    return mask.with_array(np.array([0, -850, -850, -400], np.float32)[mask.array])
