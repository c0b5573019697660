"""Findings in the lungs of a phantom that are not COVID-19: lobar consolidation, nodules, effusion, emphysema.

None of them is labelled as infection.
"""

import numpy as np

from pneumoseg.data_io.phantoms.anatomy import Mesh
from pneumoseg.data_io.phantoms.generate import Body
from pneumoseg.data_io.phantoms.lesions import Lesion, draw_lesion
from pneumoseg.data_io.phantoms.tissue import LEFT, RIGHT

OTHERS = ("lobar", "nodules", "effusion", "emphysema")
FLUID_HU = 12.0
EDGE_MM = 4.0


def draw_other(
    kind: str, rng: np.random.Generator, body: Body, mesh: Mesh, *, hu: np.ndarray, labels: np.ndarray
) -> None:
    """Adds the finding, one of OTHERS, to `hu` (float32), both (nx, ny, nz); an effusion is no lung in `labels`."""
    draw = {"lobar": _lobar, "nodules": _nodules, "effusion": _effusion, "emphysema": _emphysema}[kind]
    draw(rng, body, mesh, hu, labels)


def _lobar(rng: np.random.Generator, body: Body, mesh: Mesh, hu: np.ndarray, labels: np.ndarray) -> None:
    """One lobe filled with dense tissue up to its fissure, in part or whole."""
    x, y, z = mesh
    side, upper = int(rng.choice([LEFT, RIGHT])), bool(rng.random() < 0.4)
    fissure = z - 0.95 * y * (1.0 if side == RIGHT else 1.15) - 8 - 3 * body.fields.coarse(mesh)
    depth_mm = (fissure if upper else -fissure) + 0 * x
    centre = rng.uniform(-50, 30) if upper else rng.uniform(-70, -30)
    away = np.abs(y - centre) - rng.uniform(45, 90) + 10 * body.fields.middle(mesh)
    inside = np.clip(0.5 + np.minimum(depth_mm, -away) / EDGE_MM, 0, 1)
    value = rng.uniform(-30, 50) + 25 * body.fields.fine(mesh)
    filled = hu + 0.93 * inside * np.maximum(value - hu, 0)
    hu[...] = np.where(labels == side, filled, hu)


def _nodules(rng: np.random.Generator, body: Body, mesh: Mesh, hu: np.ndarray, labels: np.ndarray) -> None:
    """Ten to thirty round nodules, everywhere in both lungs."""
    unlabelled = labels.copy()
    for centre in body.inside.places[rng.choice(len(body.inside.places), int(rng.integers(10, 31)), replace=False)]:
        radius = float(rng.uniform(4, 11))
        nodule = Lesion(
            centre=centre,
            radii=np.full(3, radius),
            axes=np.eye(3),
            edge_mm=1.5,
            value_hu=float(rng.uniform(-10, 60)),
            core_hu=float("nan"),
        )
        draw_lesion(nodule, body.fields, mesh, hu=hu, labels=unlabelled)


def _effusion(rng: np.random.Generator, body: Body, mesh: Mesh, hu: np.ndarray, labels: np.ndarray) -> None:
    """Fluid behind one or both lungs of a supine patient, with collapsed lung above it."""
    _, y, _ = mesh
    for side in (LEFT, RIGHT) if rng.random() < 0.5 else (int(rng.choice([LEFT, RIGHT])),):
        level_mm = -body.patient.cage_depth_mm * rng.uniform(0.35, 0.7)
        height_mm = level_mm - y + 3 * body.fields.coarse(mesh)
        lung = labels == side
        collapsed = np.clip(1 - np.abs(height_mm + 6) / 8, 0, 1)
        denser = hu + 0.6 * collapsed * np.maximum(-150 - hu, 0)
        hu[...] = np.where(lung, denser, hu)
        fluid = lung & (height_mm > 0)
        hu[fluid] = FLUID_HU
        labels[fluid] = 0


def _emphysema(rng: np.random.Generator, body: Body, mesh: Mesh, hu: np.ndarray, labels: np.ndarray) -> None:
    """Dark patches, mostly in the upper lungs."""
    _, _, z = mesh
    patches = np.clip(body.fields.middle(mesh) + 0.4 * body.fields.coarse(mesh) + z / 90, 0, 1)
    darker = np.maximum(hu - rng.uniform(60, 120) * patches, -985)
    hu[...] = np.where((labels > 0) & (hu < -600), darker, hu)
