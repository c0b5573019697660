"""Anatomy of a phantom: body, rib cage, lungs, bones and organs as shapes in millimetres.

Coordinates are millimetres in the patient: x to the right, y to the front, z up, the origin in the middle of the chest.
Most shapes are level functions: negative inside, zero on the surface, growing by about one per millimetre outwards.
Axes are given as open meshes, float32 arrays of shape (nx, 1, 1), (1, ny, 1), (1, 1, nz).
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, CubicSpline
from scipy.sparse import csr_array

REACH_MM = 240.0
"""Smooth fields are defined from -REACH_MM to REACH_MM along each axis; beyond, the last value is kept."""

CAGE_POWER = 2.4
"""Exponent of the superellipse of the rib cage: 2 is an ellipse, larger values are boxier."""

Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class SmoothField:
    """A random function of position with mean 0 and standard deviation 1, smooth over about `knot_mm`.

    A cubic B-spline with random coefficients (n, n, n), the same function on every grid.
    """

    coefficients: np.ndarray
    knot_mm: float

    @classmethod
    def random(cls, rng: np.random.Generator, knot_mm: float) -> "SmoothField":
        """A field drawn from `rng`."""
        count = int(np.ceil(2 * REACH_MM / knot_mm)) + 3
        # The mean square of the cubic B-spline's weights is 0.479 along each of the three axes.
        return cls(rng.standard_normal((count,) * 3, dtype=np.float32) / np.float32(0.479**1.5), knot_mm)

    def __call__(self, mesh: Mesh) -> np.ndarray:
        """The values on an open mesh: float32 (nx, ny, nz)."""
        # Sparse products: four weights per voxel and axis, and sums that do not depend on the number of threads.
        (x, first_x), (y, first_y), (z, first_z) = (self._weights(axis.ravel()) for axis in mesh)
        knots_x, knots_y, knots_z = x.shape[1], y.shape[1], z.shape[1]
        values = self.coefficients[
            first_x : first_x + knots_x, first_y : first_y + knots_y, first_z : first_z + knots_z
        ]
        values = z @ values.transpose(2, 1, 0).reshape(knots_z, -1)
        values = y @ values.reshape(-1, knots_y, knots_x).transpose(1, 2, 0).reshape(knots_y, -1)
        values = x @ values.reshape(len(mesh[1].ravel()), knots_x, -1).transpose(1, 0, 2).reshape(knots_x, -1)
        return values.reshape(np.broadcast_shapes(*(axis.shape for axis in mesh)))

    def _weights(self, axis_mm: np.ndarray) -> tuple[csr_array, int]:
        """The B-spline weights (voxels, knots) of the knots in reach, and the index of the first one."""
        count = len(self.coefficients)
        place = np.clip((axis_mm + REACH_MM) / self.knot_mm, 0, count - 3 - 1e-3) + 3.0
        first, last = int(place.min()) - 3, int(place.max()) + 1
        weights = BSpline.design_matrix(place, np.arange(count + 4.0), 3)
        return csr_array(weights.astype(np.float32))[:, first:last], first


@dataclass(frozen=True, eq=False)
class Fields:
    """The smooth fields of one patient, by the scale of their structure."""

    coarse: SmoothField
    middle: SmoothField
    fine: SmoothField


@dataclass(frozen=True)
class Patient:
    """Measurements of one patient, in millimetres and HU.

    `cage_width_mm`, `cage_depth_mm`: half axes of the rib cage; `apex_mm`, `base_mm`: heights of the lungs' top and
    bottom; `dome_right_mm`, `dome_left_mm`: tops of the diaphragm; `heart_scale`: 1 is average; `gas_mm`: radius of the
    gas in the stomach; `breast_mm`: thickness of the breasts, 0 for none.
    """

    cage_width_mm: float
    cage_depth_mm: float
    apex_mm: float
    base_mm: float
    dome_right_mm: float
    dome_left_mm: float
    fat_mm: float
    muscle_mm: float
    breast_mm: float
    heart_scale: float
    gas_mm: float
    blood_hu: float
    bone_hu: float
    lung_hu: float
    rib_pitch_mm: float
    rib_drop_mm: float
    trachea_mm: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Patient":
        """A patient drawn from `rng`."""
        size = rng.normal(1.0, 0.045)
        dome = rng.uniform(-76, -56)
        return cls(
            cage_width_mm=float(np.clip(130 * size * rng.normal(1, 0.03), 117, 144)),
            cage_depth_mm=float(np.clip(94 * size * rng.normal(1, 0.05), 82, 108)),
            apex_mm=float(np.clip(116 * size, 104, 128)),
            base_mm=float(rng.uniform(-134, -120)),
            dome_right_mm=float(dome),
            dome_left_mm=float(dome - rng.uniform(10, 22)),
            fat_mm=float(np.clip(rng.gamma(4.0, 4.0), 6, 32)),
            muscle_mm=float(rng.uniform(9, 16)),
            breast_mm=float(rng.uniform(18, 36) * (rng.random() < 0.45)),
            heart_scale=float(np.clip(rng.normal(1.0, 0.06), 0.88, 1.15)),
            gas_mm=float(rng.uniform(12, 30)),
            blood_hu=float(rng.uniform(130, 190) if rng.random() < 0.2 else rng.uniform(36, 52)),
            bone_hu=float(rng.uniform(420, 620)),
            lung_hu=float(rng.normal(-850, 14)),
            rib_pitch_mm=float(rng.uniform(21, 24)),
            rib_drop_mm=float(rng.uniform(78, 100)),
            trachea_mm=float(rng.uniform(7.5, 9.5)),
        )

    @property
    def body_width_mm(self) -> float:
        """Half of the body's width."""
        return self.cage_width_mm + 11 + self.muscle_mm + self.fat_mm

    def cage(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, half depth and centre (y) of the rib cage at heights `z`, each of the shape of `z`."""
        height = np.clip((z - self.base_mm) / (self.apex_mm - self.base_mm), 0, 1)
        profile = np.maximum(1 - height**3.4, 1e-4)
        flare = 1 - 0.08 * np.clip(height - 0.35, 0, 1)
        width = np.maximum(self.cage_width_mm * flare * profile**0.5, 2)
        depth = np.maximum(self.cage_depth_mm * (1 - 0.12 * height) * profile**0.45, 2)
        return width, depth, -14 * height**2

    def spine_y(self, z: np.ndarray) -> np.ndarray:
        """Centre (y) of the vertebral bodies at heights `z`, along the thoracic spine."""
        return -0.66 * self.cage_depth_mm + 9 * ((z - 10) / 130) ** 2

    def dome(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the diaphragm, (nx, ny, 1): two domes, the right one higher, deep at the rim and the back."""
        width, depth = self.cage_width_mm, self.cage_depth_mm
        heights = []
        for side, top in ((1, self.dome_right_mm), (-1, self.dome_left_mm)):
            rim = ((x - side * 0.46 * width) / (0.56 * width)) ** 2 + ((y - 0.12 * depth) / (0.95 * depth)) ** 2
            heights.append(top - 48 * rim**1.15)
        return np.where(x > 0, heights[0], heights[1])


def mesh_box(mesh: Mesh, low: tuple[float, ...], high: tuple[float, ...]) -> tuple[slice, slice, slice]:
    """Slices of the mesh between the corners `low` and `high` (mm)."""
    first = [int(np.searchsorted(axis.ravel(), edge)) for axis, edge in zip(mesh, low, strict=True)]
    last = [int(np.searchsorted(axis.ravel(), edge, side="right")) for axis, edge in zip(mesh, high, strict=True)]
    return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])


def mesh_part(mesh: Mesh, box: tuple[slice, slice, slice]) -> Mesh:
    """The mesh of the voxels in `box`."""
    return mesh[0][box[0]], mesh[1][:, box[1]], mesh[2][:, :, box[2]]


def superellipse(mesh: Mesh, width: np.ndarray, depth: np.ndarray, centre_y: np.ndarray, power: float) -> np.ndarray:
    """Level of a tube along z whose cross-section is a superellipse with half axes that change with z."""
    x, y, _ = mesh
    total = (np.abs(x) / width) ** power + (np.abs(y - centre_y) / depth) ** power
    return (total ** (1 / power) - 1) * np.minimum(width, depth)


def ellipsoid(
    mesh: Mesh, centre: tuple[float, float, float], radii: tuple[float, float, float], *, axes=None
) -> np.ndarray:
    """Level of an ellipsoid; `axes`: its three unit vectors in rows, by default those of the patient."""
    if axes is None:
        x, y, z = (((axis - place) / radius) ** 2 for axis, place, radius in zip(mesh, centre, radii, strict=True))
        total = x + y + z
    else:
        away = [axis - place for axis, place in zip(mesh, centre, strict=True)]
        steps = axes.astype(np.float32) / np.asarray(radii, dtype=np.float32)[:, None]
        total = np.zeros(1, dtype=np.float32)
        for step in steps:
            total = total + (away[0] * step[0] + away[1] * step[1] + away[2] * step[2]) ** 2
    return (np.sqrt(total) - 1) * min(radii)


def cage_level(patient: Patient, mesh: Mesh) -> np.ndarray:
    """Level of the inside of the rib cage."""
    return superellipse(mesh, *patient.cage(mesh[2]), CAGE_POWER)


def body_level(patient: Patient, mesh: Mesh, wobble: np.ndarray) -> np.ndarray:
    """Level of the skin, with breasts; `wobble` (mm) makes the outline uneven."""
    z = mesh[2]
    shoulder = np.clip((z - patient.apex_mm + 50) / 90, 0, 1)
    width = patient.body_width_mm * (1 - 0.22 * shoulder**2) * (1 - 0.04 * np.cos(z / 60))
    back = patient.cage_depth_mm + 30 + 0.8 * patient.fat_mm
    front = (patient.cage_depth_mm + 14 + patient.fat_mm) * (1 - 0.16 * shoulder)
    level = superellipse(mesh, width, (front + back) / 2, (front - back) / 2, 2.5)
    for side in (1, -1) if patient.breast_mm else ():
        centre = (side * 0.58 * patient.cage_width_mm, patient.cage_depth_mm * 0.82 + patient.fat_mm, -8.0)
        breast = ellipsoid(mesh, centre, (0.48 * patient.cage_width_mm, 22 + patient.breast_mm, 62.0))
        np.minimum(level, breast, out=level)
    return level + wobble


def heart_level(patient: Patient, mesh: Mesh) -> np.ndarray:
    """Level of the heart: an ellipsoid that points to the left, front and down, and the left atrium behind it."""
    scale = patient.heart_scale
    point = np.array([-0.74, 0.46, -0.49])
    point = point / np.linalg.norm(point)
    across = np.cross(point, [0.0, 0.0, 1.0])
    across = across / np.linalg.norm(across)
    axes = np.stack([point, across, np.cross(point, across)])
    ventricles = ellipsoid(mesh, (-15, 22, -36), (66 * scale, 45 * scale, 49 * scale), axes=axes)
    atrium = ellipsoid(mesh, (2, -14, -14), (38 * scale, 21 * scale, 26 * scale))
    return np.minimum(ventricles, atrium)


def lung_level(patient: Patient, fields: Fields, mesh: Mesh) -> np.ndarray:
    """Level of both lungs: the rib cage without diaphragm, mediastinum, heart, spine and aorta."""
    x, y, z = mesh
    spine_y = patient.spine_y(z)
    level = np.maximum(cage_level(patient, mesh), patient.base_mm - z)
    np.maximum(level, 0.8 * (patient.dome(x, y) - z), out=level)
    height = np.clip((z - 40) / 60, 0, 1)
    column = (9 + 4 * height) + (21 + 3 * height) * np.exp(-(((y + 20) / 46) ** 4))
    np.maximum(level, column - np.abs(x), out=level)
    np.maximum(level, 5 - heart_level(patient, mesh), out=level)
    spine = np.sqrt((x / 1.15) ** 2 + (y - spine_y + 3) ** 2) - 26
    np.maximum(level, -spine, out=level)
    aorta = np.sqrt((x + 25) ** 2 + (y - spine_y - 16) ** 2) - 17
    np.maximum(level, np.where(z < 52, -aorta, -np.float32(REACH_MM)), out=level)
    return level + 1.6 * fields.coarse(mesh) + 0.7 * fields.middle(mesh)


def bone_lines(patient: Patient) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Centre lines (n, 3) of ribs and collar bones, and of the rib cartilages."""
    bones, cartilages = [], []
    for number in range(12):
        height = patient.apex_mm + 2 - patient.rib_pitch_mm * number
        reach = (0.62, 0.74, 0.8)[number] if number < 3 else 0.8 - 0.07 * max(0, number - 6)
        progress = np.linspace(0, 1, 60)
        angle = np.radians(-82 + 152 * progress)
        z = height - patient.rib_drop_mm * min(1, 0.5 + 0.12 * number) * (1 - np.cos(np.pi * progress)) / 2
        width, depth, centre = patient.cage(z)
        width, depth = np.maximum(width, 24) + 5.5, np.maximum(depth, 26) + 5.5
        x = width * np.abs(np.cos(angle)) ** (2 / CAGE_POWER)
        y = centre + depth * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / CAGE_POWER)
        rib = np.stack([x, y, z], axis=1)
        bony = progress <= reach
        for side in (1, -1):
            mirrored = rib * [side, 1, 1]
            bones.append(mirrored[bony])
            if number < 7:
                last = mirrored[bony][-1]
                chest_z = max(patient.apex_mm - 30 - 16 * number, -40)
                sternum = [side * 12, patient.cage(np.array(chest_z))[1] - 2, chest_z]
                cartilages.append(curve([last, mirrored[min(59, int(59 * reach) + 7)], sternum]))
    top = patient.apex_mm
    for side in (1, -1):
        bones.append(curve([[side * 14, 52, top - 22], [side * 60, 46, top - 2], [side * 120, 6, top + 12]]))
    return bones, cartilages


def vessel_lines(patient: Patient) -> list[tuple[np.ndarray, float]]:
    """Centre lines (n, 3) and radii (mm) of the great vessels of the mediastinum."""
    back = patient.spine_y(np.array([-130.0, -60.0, 0.0, 35.0])) + 16
    top = patient.apex_mm
    aorta = [[6, 16, -14], [14, 16, 18], [6, 6, 46], [-14, -18, 54], [-25, back[3], 36]]
    aorta += [[-25, back[2], 0], [-25, back[1], -60], [-20, back[0], -130]]
    lines: list[tuple[list, float]] = [
        (aorta, 13.5),
        ([[27, 10, -20], [26, 12, 30], [20, 14, 68]], 9.0),
        ([[-16, 28, -8], [-14, 14, 14], [-8, 2, 20]], 13.0),
        ([[-8, 2, 20], [16, 0, 14], [40, -8, 8]], 9.5),
        ([[-8, 2, 20], [-24, -8, 24], [-40, -16, 16]], 9.5),
        ([[20, 14, 68], [-8, 20, 66], [-26, 18, 84]], 6.5),
        ([[8, 4, 52], [16, 0, 76], [24, 0, top + 20]], 5.0),
        ([[-14, -10, 56], [-20, -6, 80], [-26, -2, top + 20]], 4.5),
        ([[27, 8, -30], [24, 2, -60], [22, -4, -130]], 11.0),
    ]
    return [(curve(points), radius * (1 if radius < 8 else patient.heart_scale)) for points, radius in lines]


def airway_lines(patient: Patient) -> list[tuple[np.ndarray, float]]:
    """Centre lines (n, 3) and radii (mm) of the trachea and the two main bronchi."""
    trachea = curve([[0, -8, patient.apex_mm + 60], [2, -10, 80], [3, -16, 32]])
    right = curve([[3, -16, 34], [18, -19, 18], [36, -20, 4]])
    left = curve([[3, -16, 34], [-16, -18, 19], [-42, -22, 6]])
    return [(trachea, patient.trachea_mm), (right, 0.78 * patient.trachea_mm), (left, 0.68 * patient.trachea_mm)]


def curve(points: list, count: int = 40) -> np.ndarray:
    """A smooth line (count, 3) through the points (mm)."""
    places = np.asarray(points, dtype=float)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))]
    return CubicSpline(along, places)(np.linspace(0, along[-1], count))
