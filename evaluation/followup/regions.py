"""Volumes of lungs and infection at one date, for both lungs, each lung and its thirds."""

from dataclasses import dataclass

from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.lung_sides import SIDES, LungSlices, split_lungs

LEFT, RIGHT, INFECTION = 1, 2, 3
"""The classes of `LUNG_LABELS`."""

THIRDS = ("lower", "middle", "upper")
REGIONS = (
    "lungs",
    *(f"lung_{side}" for side in SIDES),
    *(f"lung_{side}_{third}" for side in SIDES for third in THIRDS),
)


@dataclass(frozen=True)
class RegionVolume:
    """Volumes of one region (ml): the lung, infection included, and its infection."""

    lung_ml: float
    infection_ml: float

    @property
    def infected_percent(self) -> float | None:
        """Infected share of the lung in percent; None where there is no lung."""
        return 100.0 * self.infection_ml / self.lung_ml if self.lung_ml else None


def region_volumes(mask: Volume) -> dict[str, RegionVolume]:
    """The volumes of each of the `REGIONS`, measured on the mask's own grid.

    `mask`: the classes of `LUNG_LABELS`, with a lung at least. Sides and thirds are those of `measures.lung_sides`:
    infection belongs to the nearer lung, and each lung is cut into thirds of its height.
    """
    voxel_ml = mask.grid.voxel_volume_ml
    both = split_lungs(mask.array, mask.spacing_mm, (LEFT, RIGHT), infection=INFECTION)

    def volume(*parts: LungSlices) -> RegionVolume:
        whole, infected = (
            voxel_ml * sum(float(getattr(part, name).sum()) for part in parts) for name in ("whole", "infected")
        )
        return RegionVolume(whole, infected)

    volumes = [
        volume(*both),
        *(volume(lung) for lung in both),
        *(volume(part) for lung in both for part in lung.parts()),
    ]
    return dict(zip(REGIONS, volumes, strict=True))
