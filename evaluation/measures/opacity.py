"""The type of an opacity by its density: ground glass and consolidation within the infection, in each lung."""

from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.lung_sides import SIDES, InfectionSides, LungSlices, percent_of

TYPES = {"ground_glass": "ground glass", "consolidation": "consolidation"}
SOURCE = (
    "of eight HU between the two, -300 told COVID-19 best in BMC Infectious Diseases 2021 (doi "
    "10.1186/s12879-021-06556-z); the outer limits leave out voxels that are mostly air, and what is denser than soft "
    "tissue"
)
"""Of the default limits."""


@dataclass(frozen=True)
class OpacityLimits:
    """From which HU on, and below which, infection is ground glass or consolidation. Raises InputError for limits that
    are not finite or not ascending, and where the two overlap: a voxel is of one type."""

    ground_glass_hu: tuple[float, float] = (-750.0, -300.0)
    consolidation_hu: tuple[float, float] = (-300.0, 50.0)

    def __post_init__(self) -> None:
        for name in TYPES:
            low, high = self.of(name)
            if not (np.isfinite([low, high]).all() and low < high):
                raise InputError(f"{name}_hu: a lower and a higher limit are needed, found {low:g} and {high:g}")
        if self.ground_glass_hu[1] > self.consolidation_hu[0]:
            raise InputError(
                f"ground_glass_hu ends where consolidation_hu begins or before, found {self.ground_glass_hu[1]:g} and "
                f"{self.consolidation_hu[0]:g}"
            )

    def of(self, name: str) -> tuple[float, float]:
        """The limits of a type in `TYPES`."""
        return self.ground_glass_hu if name == "ground_glass" else self.consolidation_hu

    @property
    def words(self) -> str:
        """The limits for readers."""
        limits = {name: self.of(name) for name in TYPES}
        return ", ".join(f"{TYPES[name]} {low:g} to {high:g} HU" for name, (low, high) in limits.items())


DEFAULT_LIMITS = OpacityLimits()


def opacity(
    hu: np.ndarray,
    sides: InfectionSides,
    lungs: tuple[LungSlices, LungSlices],
    *,
    voxel_ml: float,
    limits: OpacityLimits,
) -> dict[str, float | None]:
    """Volume (ml) of ground glass and consolidation in the infection of each lung and both, and its share of the lung
    (percent, infection included); columns as `opacity_definitions`, None where there is no lung.

    `hu`: the CT within the box of `sides`, (x, y, z); `lungs`: left and right. Voxels of a type have HU from its lower
    limit on to below its upper one; infection outside both limits is neither.

    >>> from pneumoseg.evaluation.measures.lung_sides import infection_sides, lung_slices
    >>> labels = np.array([[[1]], [[3]], [[3]], [[0]], [[2]]])
    >>> sides = infection_sides(labels, (1.0, 1.0, 1.0), (1, 2), infection=3)
    >>> hu = np.array([[[-800]], [[-500]], [[-300]], [[0]], [[-800]]])
    >>> row = opacity(hu, sides, lung_slices(labels, sides, (1, 2)), voxel_ml=1.0, limits=OpacityLimits())
    >>> row["ground_glass_left_ml"], row["consolidation_left_ml"], row["consolidation_right_ml"]
    (1.0, 0.5, 0.5)
    """
    values = hu[sides.infected]
    whole = [float(lung.whole.sum()) for lung in lungs]
    row: dict[str, float | None] = {}
    for name in TYPES:
        low, high = limits.of(name)
        of_type = (values >= low) & (values < high)
        voxels = [float(share[of_type].sum()) for share in (1.0 - sides.of_right, sides.of_right)]
        for side, count, of_lung in zip(SIDES, voxels, whole, strict=True):
            row[f"{name}_{side}_ml"] = count * voxel_ml
            row[f"{name}_percent_{side}"] = percent_of(count, of_lung)
        row[f"{name}_ml"] = sum(voxels) * voxel_ml
        row[f"{name}_percent"] = percent_of(sum(voxels), sum(whole))
    return row


def opacity_definitions(limits: OpacityLimits) -> dict[str, str]:
    """Definition and source of each column of `opacity`.

    >>> opacity_definitions(OpacityLimits())["ground_glass_left_ml"][:61]
    'Volume of the infection of the left lung with -750 to -300 HU'
    """
    definitions = {}
    for name, words in TYPES.items():
        low, high = limits.of(name)
        with_hu = f"with {low:g} to {high:g} HU (the upper limit excluded: {words}); empty without a CT in HU"
        for side in SIDES:
            of_side = f"Volume of the infection of the {side} lung {with_hu}; sides as of infection_{side}_ml."
            definitions[f"{name}_{side}_ml"] = of_side
            share = f"{name}_{side}_ml / lung_{side}_ml * 100; empty without a {side} lung."
            definitions[f"{name}_percent_{side}"] = share
        definitions[f"{name}_ml"] = f"Volume of the infection of both lungs {with_hu}. By default, {SOURCE}."
        definitions[f"{name}_percent"] = f"{name}_ml / lungs_ml * 100; empty without lungs."
    return definitions
