"""Draws the anatomy of a phantom as HU and labels on a grid: tissues, bones, airways, pulmonary vessels."""

from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.phantoms.anatomy import (
    Fields,
    Mesh,
    Patient,
    SmoothField,
    airway_lines,
    body_level,
    bone_lines,
    cage_level,
    curve,
    ellipsoid,
    heart_level,
    lung_level,
    mesh_box,
    mesh_part,
    vessel_lines,
)
from pneumoseg.data_io.phantoms.tubes import Tubes, draw_tubes, fractions
from pneumoseg.data_io.volumes.hounsfield import AIR_HU

FAT_HU, MUSCLE_HU = -100, 52
LEFT, RIGHT = 1, 2
MURRAY_POWER = 2.5
HILA = (
    (1, (40, -9, 7), (34, -14, -16), (36, -20, 4)),
    (-1, (-41, -16, 15), (-34, -18, -14), (-42, -22, 6)),
)
"""Per side (1 right, -1 left): entry points of artery, vein and bronchus into the lung (mm)."""


@dataclass(frozen=True, eq=False)
class LungPlaces:
    """Lattice points inside the lungs: `places` (n, 3) and the levels of lungs and rib cage there (n,), in mm."""

    places: np.ndarray
    lung_level: np.ndarray
    cage_level: np.ndarray


def draw_tissues(patient: Patient, fields: Fields, mesh: Mesh, *, hu: np.ndarray, labels: np.ndarray) -> None:
    """Fills `hu` (float32) and `labels` (uint8), both (nx, ny, nz), with body, organs, spine and lungs."""
    x, y, z = mesh
    coarse, middle = fields.coarse(mesh), fields.middle(mesh)
    body = body_level(patient, mesh, 1.8 * coarse)
    cage = cage_level(patient, mesh)
    hu[...] = AIR_HU
    table = np.abs(y + patient.cage_depth_mm + 44 + 0.8 * patient.fat_mm - (x / 46) ** 2 + 0 * z)
    hu[(table < 12) & (np.abs(x) < 200)] = -940
    hu[(np.abs(table - 12) < 1.5) & (np.abs(x) < 200)] = -120
    hu[body < 0] = 20
    inside = body < -1.6
    hu[inside] = (FAT_HU + 7 * middle)[inside]
    deep = (body < -patient.fat_mm - 3 * coarse) & (cage > 0)
    # Fat between the muscles of the chest wall.
    streaks = np.clip(
        2.0 * np.abs(np.sin((np.minimum(cage, 30) + 7 * coarse + 0.1 * np.abs(x)) / 6)) + 0.45 * middle - 0.1, 0, 1
    )
    hu[deep] = (FAT_HU + (MUSCLE_HU - FAT_HU) * np.where(cage > 9, streaks, 1) + 5 * middle)[deep]
    hollow = (cage <= 0) & inside
    hu[hollow] = (-78 + 26 * middle)[hollow]
    _draw_abdomen(patient, mesh, hollow, middle, hu)
    heart = heart_level(patient, mesh)
    hu[(heart < 0) & hollow] = (patient.blood_hu + 4 * coarse)[(heart < 0) & hollow]
    lung = lung_level(patient, fields, mesh)
    lungs = (lung < 0) & (cage < -1)
    labels[...] = np.where(lungs, np.where(x < 0, LEFT, RIGHT), 0)
    # Gravity: the lungs of a supine patient are denser at the back.
    gravity = -34 * (y + 0.1 * patient.cage_depth_mm) / patient.cage_depth_mm
    air = patient.lung_hu + gravity + 14 * coarse + 16 * middle + 22 * fields.fine(mesh)
    hu[lungs] = air[lungs]
    del air
    for side in (1, -1):
        fissure = z - 0.95 * y * (1.0 if side > 0 else 1.15) - 8 - 3 * coarse
        hu[lungs & (np.abs(fissure) < 0.7) & (x * side > 0)] += 130
    _draw_spine(patient, mesh, middle, hu, labels)
    _draw_plates(patient, mesh, hu, labels)


def _draw_abdomen(patient: Patient, mesh: Mesh, hollow: np.ndarray, middle: np.ndarray, hu: np.ndarray) -> None:
    """The organs below the diaphragm: liver to the right, stomach with gas and spleen to the left."""
    x, y, z = mesh
    depth = patient.dome(x, y) - z - 2.5
    below = (depth > 0) & hollow
    hu[below] = -95
    liver = ellipsoid(mesh, (58, 4, patient.dome_right_mm - 62), (112.0, 105.0, 84.0)) + 2 * middle
    hu[below & (liver < 0)] = (58 + 3 * middle)[below & (liver < 0)]
    top = patient.dome_left_mm
    spleen = ellipsoid(mesh, (-0.68 * patient.cage_width_mm, -38, top - 34), (30.0, 44.0, 36.0))
    hu[below & (spleen < 0)] = 48
    stomach = ellipsoid(mesh, (-52, 18, top - 40), (44.0, 50.0, 40.0)) + 4 * middle
    # Gas collects at the front of a supine patient.
    hu[below & (stomach < 0)] = 22
    hu[below & (stomach < 0) & (y > 55 - 1.4 * patient.gas_mm)] = -960
    wall = (depth <= 0) & (depth > -2.5) & hollow
    hu[wall] = MUSCLE_HU


def _draw_spine(patient: Patient, mesh: Mesh, middle: np.ndarray, hu: np.ndarray, labels: np.ndarray) -> None:
    """Vertebral bodies and discs, canal, arches and processes."""
    depth = patient.cage_depth_mm
    z_low, z_high = float(mesh[2].min()), float(mesh[2].max())
    box = mesh_box(mesh, (-46, -depth - 46, z_low), (46, 0, z_high))
    x, y, z = mesh_part(mesh, box)
    hu_part, outside = hu[box], labels[box] == 0
    if hu_part.size:
        spine_y = patient.spine_y(z)
        phase = np.mod(z + 4, 26.0)
        waist = 1.5 * np.cos(2 * np.pi * (phase - 2.5) / 26)
        vertebra = np.sqrt((x / 1.18) ** 2 + (y - spine_y) ** 2) - 15 - waist
        canal = np.sqrt(x**2 + (y - spine_y + 24) ** 2)
        arch = (np.abs(canal - 11.5) < 3) & (phase > 8)
        transverse = np.sqrt((y - spine_y + 25 - 0.18 * np.abs(x)) ** 2 + (phase - 15) ** 2) - 5.5
        spinous = np.maximum(np.abs(x) - 2.6, np.abs(y - spine_y + 46) - 14)
        spinous = np.maximum(spinous, np.abs(phase - 10 - 0.3 * (y - spine_y + 46)) - 7)
        bone = arch | ((transverse < 0) & (np.abs(x) < 33) & (np.abs(x) > 10)) | (spinous < 0)
        hu_part[outside & bone] = 0.75 * patient.bone_hu
        hu_part[outside & (canal < 8.5)] = 30
        marrow = 0.34 * patient.bone_hu + 28 * middle[box]
        shell = (vertebra > -1.8) | ((phase > 4.5) & (phase < 6.3)) | (phase > 24.4)
        body = np.where(shell, 0.8 * patient.bone_hu, marrow)
        body = np.where(phase < 4.8, 85, body)
        hu_part[outside & (vertebra < 0)] = body[outside & (vertebra < 0)]


def _draw_plates(patient: Patient, mesh: Mesh, hu: np.ndarray, labels: np.ndarray) -> None:
    """The shoulder blades, behind the ribs, and the breast bone."""
    low = patient.apex_mm - 135
    width = patient.cage_width_mm
    box = mesh_box(mesh, (-1.1 * width, -1.6 * width, low), (1.1 * width, -20, patient.apex_mm + 10))
    x, y, z = part = mesh_part(mesh, box)
    if hu[box].size:
        rise = np.clip((z - low) / 120, 0, 1)
        across = np.abs(x) - 0.66 * width
        plane = np.abs(cage_level(patient, part) - 17 - 2 * np.cos(across / 9) - 10 * (rise > 0.85) * (rise - 0.85))
        blade = (plane < 2.2 + 2.5 * (np.abs(across - 26 * rise) < 6)) & (np.abs(across) < 8 + 24 * rise) & (z > low)
        blade &= (y < -0.2 * width) & (labels[box] == 0) & (z < patient.apex_mm - 8)
        hu[box][blade] = 0.7 * patient.bone_hu
    box = mesh_box(mesh, (-22, 20, -62), (22, 150, patient.apex_mm - 18))
    x, y, z = part = mesh_part(mesh, box)
    if hu[box].size:
        front = y - (patient.cage(np.maximum(z, 0))[1] + patient.cage(np.maximum(z, 0))[2] + 7)
        half_width = 12 + 7 * np.clip((z - patient.apex_mm + 50) / 30, 0, 1)
        level = np.maximum(np.abs(front) - 5.5, np.abs(x) - half_width)
        hu[box] = np.where(level < 0, np.where(level > -1.8, 0.6, 0.3) * patient.bone_hu, hu[box])


def draw_skeleton_and_mediastinum(
    patient: Patient, mesh: Mesh, hu: np.ndarray, *, labels: np.ndarray, tree: Tubes, bronchi: Tubes
) -> None:
    """Adds ribs, great vessels, the pulmonary vessels `tree`, the `bronchi`, and the airways (labelled background)."""
    wall = labels == 0
    bones, cartilages = bone_lines(patient)
    draw_tubes(hu, wall, Tubes.joined([Tubes.along(line, 6.0) for line in cartilages]), mesh=mesh, value_hu=110)
    ribs = Tubes.joined([Tubes.along(line, 5.4, 5.0) for line in bones])
    draw_tubes(hu, wall, ribs, mesh=mesh, value_hu=0.9 * patient.bone_hu)
    draw_tubes(hu, wall, ribs.widened(-2.1), mesh=mesh, value_hu=0.35 * patient.bone_hu)
    gullet = curve([[-2, -30, patient.apex_mm + 60], [-4, -34, 20], [-12, -36, -60], [-22, -20, -130]])
    draw_tubes(hu, wall, Tubes.along(gullet, 7.0), mesh=mesh, value_hu=35)
    vessels = Tubes.joined([Tubes.along(line, radius) for line, radius in vessel_lines(patient)])
    draw_tubes(hu, wall, vessels, mesh=mesh, value_hu=patient.blood_hu)
    lungs = ~wall
    draw_tubes(hu, lungs, bronchi.widened(1.3), mesh=mesh, value_hu=-60)
    draw_tubes(hu, lungs, tree, mesh=mesh, value_hu=patient.blood_hu)
    draw_tubes(hu, lungs, bronchi, mesh=mesh, value_hu=-970)
    airways = Tubes.joined([Tubes.along(line, radius) for line, radius in airway_lines(patient)])
    flat, share = fractions(airways.widened(1.6), mesh)
    labels.reshape(-1)[flat[share > 0.5]] = 0
    everywhere = np.ones_like(wall)
    draw_tubes(hu, everywhere, airways.widened(1.6), mesh=mesh, value_hu=20)
    draw_tubes(hu, everywhere, airways, mesh=mesh, value_hu=-985)


def lung_places(patient: Patient, fields: Fields, pitch_mm: float = 5.0) -> LungPlaces:
    """All lattice points inside the lungs, `pitch_mm` apart."""
    reach = np.arange(-150, 151, pitch_mm, dtype=np.float32)
    mesh = (reach[:, None, None], reach[None, :, None], reach[None, None, :])
    level, cage = lung_level(patient, fields, mesh), cage_level(patient, mesh)
    indices = np.argwhere((level < 0) & (cage < -1))
    return LungPlaces(reach[indices], level[tuple(indices.T)], cage[tuple(indices.T)])


def grow_tree(
    rng: np.random.Generator, root: np.ndarray, places: np.ndarray, *, leaf_mm: float, trunk_mm: float
) -> Tubes:
    """A branching tree from `root` (3,) to all of `places` (n, 3), added from near to far.

    Each point is joined to the node that minimises its distance plus 0.55 times the path length from the root. Radii
    follow Murray's law, r^p = sum of the branches' r^p, with p = 3 in Murray (1926) and 2.5 here for thicker trunks, at
    most `trunk_mm`.
    """
    order = np.argsort(np.linalg.norm(places - root, axis=1))
    nodes = np.empty((2 * len(places) + 1, 3))
    walked, leaves = np.zeros(len(nodes)), np.zeros(len(nodes))
    parent = np.zeros(len(nodes), dtype=int)
    nodes[0] = root
    count = 1
    for place in places[order]:
        x, y, z = (nodes[:count] - place).T
        distance = np.sqrt(x * x + y * y + z * z)
        joint = int(np.argmin(distance + 0.55 * walked[:count]))
        bend = 0.5 * (nodes[joint] + place) + rng.normal(0, 0.09 * distance[joint], 3)
        for node in (bend, place):
            nodes[count], parent[count] = node, joint
            walked[count] = walked[joint] + np.sqrt(((node - nodes[joint]) ** 2).sum())
            joint, count = count, count + 1
        leaves[joint] = 1
    for node in range(count - 1, 0, -1):  # parents have lower numbers
        leaves[parent[node]] += leaves[node]
    radius = np.minimum(leaf_mm * np.maximum(leaves, 1) ** (1 / MURRAY_POWER), trunk_mm)
    start_radius = np.where(parent == 0, radius, np.minimum(radius[parent], 1.25 * radius))
    return Tubes(nodes[parent][1:], nodes[1:], start_radius[1:], radius[1:])


def lung_trees(rng: np.random.Generator, inside: LungPlaces) -> tuple[Tubes, Tubes]:
    """The vessels (arteries and veins) and the bronchi of both lungs."""
    places = inside.places
    vessels, bronchi = [], []
    for side, artery, vein, airway in HILA:
        lung = places[(np.sign(places[:, 0]) == side) & (inside.lung_level < -4)]
        for root, count in ((artery, 400), (vein, 260)):
            leaves = lung[rng.choice(len(lung), count, replace=False)] + rng.uniform(-2.5, 2.5, (count, 3))
            vessels.append(grow_tree(rng, np.array(root), leaves, leaf_mm=0.62, trunk_mm=7.0))
        near = lung[np.linalg.norm(lung - np.array(airway), axis=1) < 75]
        bronchi.append(
            grow_tree(rng, np.array(airway), near[rng.choice(len(near), 22, replace=False)], leaf_mm=0.75, trunk_mm=4.0)
        )
    return Tubes.joined(vessels), Tubes.joined(bronchi)


def random_fields(rng: np.random.Generator) -> Fields:
    """The smooth fields of one patient, drawn from `rng`."""
    return Fields(SmoothField.random(rng, 32.0), SmoothField.random(rng, 11.0), SmoothField.random(rng, 4.0))
