"""COVID-19 lesions of a phantom: ground glass and consolidation, mostly subpleural, basal and posterior."""

from dataclasses import dataclass, replace

import numpy as np

from pneumoseg.data_io.phantoms.anatomy import Fields, Mesh, Patient, mesh_box, mesh_part
from pneumoseg.data_io.phantoms.tissue import LungPlaces

INFECTION = 3
MEAN_SHARE = 0.082
"""Mean infected share of the lungs over patients: about 1 % of all voxels, as lungs fill a tenth of the scan."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesion:
    """One lesion: an ellipsoid with its short axis perpendicular to the pleura and an irregular rim.

    `centre` (3,), `radii` (3,) in mm, `axes` (3, 3): unit vectors in rows, the first one across the pleura; `edge_mm`:
    width of the rim; `value_hu`: attenuation of the infected tissue; `core_hu`: of a denser core, NaN without one.
    """

    centre: np.ndarray
    radii: np.ndarray
    axes: np.ndarray
    edge_mm: float
    value_hu: float
    core_hu: float

    def shells(self, away: tuple) -> np.ndarray:
        """Normalised radius: 0 at the centre, 1 on the surface. `away`: offsets along x, y, z (mm), broadcast."""
        total = 0.0
        for axis, radius in zip(self.axes, self.radii, strict=True):
            total = total + ((axis[0] * away[0] + axis[1] * away[1] + axis[2] * away[2]) / radius) ** 2
        return np.sqrt(total)


def random_lesions(
    rng: np.random.Generator,
    patient: Patient,
    inside: LungPlaces,
    *,
    least: int = 2,
    infected_share: float | None = None,
) -> list[Lesion]:
    """`least` to eight lesions, scaled to the infected share of the lungs, by default one drawn for this patient."""
    places = inside.places
    drawn = float(np.clip(MEAN_SHARE * 0.8 * np.exp(0.7 * rng.standard_normal()), 0.015, 0.38))
    share = drawn if infected_share is None else infected_share
    count = int(np.clip(round(2.5 + 14 * share + rng.normal(0, 1.4)), least, 8))
    weight = np.exp(inside.cage_level / 9 - (places[:, 2] - patient.base_mm) / 65 - places[:, 1] / 55)
    lesions: list[Lesion] = []
    for _ in range(count):
        index = int(rng.choice(len(places), p=weight / weight.sum()))
        # Lower the probability of another lesion nearby.
        weight = weight * (1 - 0.97 * np.exp(-((np.linalg.norm(places - places[index], axis=1) / 45) ** 2)))
        lesions.append(_random_lesion(rng, patient, places[index]))
    # Normalised radius of each lattice point in its nearest lesion: scaling the lesions by the quantile at `share`
    # makes them cover exactly that share.
    shells = np.min([lesion.shells(tuple((places - lesion.centre).T)) for lesion in lesions], axis=0)
    scale = float(np.quantile(shells, share))
    return [replace(lesion, radii=lesion.radii * scale) for lesion in lesions]


def _random_lesion(rng: np.random.Generator, patient: Patient, centre: np.ndarray) -> Lesion:
    width, depth, centre_y = (float(value) for value in patient.cage(np.array(centre[2])))
    outwards = np.array([centre[0] / width**2, (centre[1] - centre_y) / depth**2, 0.0])
    outwards += rng.normal(0, 0.15, 3) * np.linalg.norm(outwards)
    outwards /= np.linalg.norm(outwards)
    along = np.cross(outwards, [0.0, 0.0, 1.0])
    along /= np.linalg.norm(along)
    radii = (
        10 * rng.lognormal(0, 0.3) * np.array([rng.uniform(0.55, 0.85), rng.uniform(0.9, 1.6), rng.uniform(0.8, 1.4)])
    )
    kind = rng.random()
    if kind < 0.55:
        edge, value, core = rng.uniform(3, 6), rng.uniform(-680, -420), np.nan
    elif kind < 0.8:
        edge, value, core = rng.uniform(2.5, 5), rng.uniform(-560, -350), rng.uniform(-120, 40)
    else:
        edge, value, core = rng.uniform(1.5, 3), rng.uniform(-40, 55), np.nan
    axes = np.stack([outwards, along, np.cross(outwards, along)])
    return Lesion(centre=centre, radii=radii, axes=axes, edge_mm=edge, value_hu=value, core_hu=core)


def draw_lesion(lesion: Lesion, fields: Fields, mesh: Mesh, *, hu: np.ndarray, labels: np.ndarray) -> None:
    """Adds one lesion to `hu` (float32) and `labels` (uint8), both (nx, ny, nz), within the lungs only."""
    reach = float(lesion.radii.max()) * 1.45 + lesion.edge_mm
    box = mesh_box(mesh, tuple(lesion.centre - reach), tuple(lesion.centre + reach))
    if not labels[box].size:
        return
    part = mesh_part(mesh, box)
    middle, fine = fields.middle(part), fields.fine(part)
    shells = lesion.shells(tuple(axis - place for axis, place in zip(part, lesion.centre, strict=True)))
    rim = shells + np.float32(0.16) * middle + np.float32(0.05) * fine
    scale = float(lesion.radii.min())
    lung = labels[box] > 0
    opacity = np.clip(0.5 + (1 - rim) * scale / lesion.edge_mm, 0, 1) * np.clip(
        0.86 + 0.16 * fine + 0.1 * middle, 0.35, 1
    )
    value = np.full_like(rim, lesion.value_hu)
    if np.isfinite(lesion.core_hu):
        value += np.float32(lesion.core_hu - lesion.value_hu) * np.clip((0.62 - rim) * 4, 0, 1)
    mixed = hu[box] + opacity * np.maximum(value - hu[box], 0)
    hu[box] = np.where(lung, mixed, hu[box])
    labels[box][lung & (rim < 1)] = INFECTION
