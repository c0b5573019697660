"""Airways, vessels and ribs as straight tapered segments, drawn on a grid by their partial volumes."""

from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.phantoms.anatomy import Mesh

GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight tapered segments: `start`, `end` (n, 3) in mm; `start_radius`, `end_radius` (n,) in mm."""

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray

    @classmethod
    def along(cls, line: np.ndarray, start_radius: float, end_radius: float | None = None) -> "Tubes":
        """The tube around a polyline (n, 3) in mm."""
        radius = np.linspace(start_radius, start_radius if end_radius is None else end_radius, len(line))
        return cls(line[:-1], line[1:], radius[:-1], radius[1:])

    @classmethod
    def joined(cls, tubes: list["Tubes"]) -> "Tubes":
        """The segments of all tubes."""
        names = ("start", "end", "start_radius", "end_radius")
        return cls(*(np.concatenate([getattr(tube, name) for tube in tubes]) for name in names))

    def widened(self, wall_mm: float) -> "Tubes":
        """The tubes with `wall_mm` added to every radius."""
        return Tubes(self.start, self.end, self.start_radius + wall_mm, self.end_radius + wall_mm)


def fractions(tubes: Tubes, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Partial volumes of the tubes: flat indices of the voxels, and the fraction (0..1] of each voxel, float32.

    The tubes are filled with evenly spread sample points that represent equal parts of their volume, so that a vessel
    thinner than a voxel gives a partial volume as in a scanner.
    """
    origin = np.array([axis.ravel()[0] for axis in mesh])
    spacing = np.array([axis.ravel()[1] - axis.ravel()[0] for axis in mesh])
    shape = tuple(axis.size for axis in mesh)
    step = 0.6 * float(np.prod(spacing)) ** (1 / 3)
    voxels, shares = [], []
    length = np.linalg.norm(tubes.end - tubes.start, axis=1)
    slices = np.maximum(1, np.ceil(length / step)).astype(int)
    piece = np.repeat(np.arange(len(slices)), slices)
    along = (np.arange(len(piece)) - np.repeat(np.cumsum(slices) - slices, slices) + 0.5) / slices[piece]
    centre = tubes.start[piece] + along[:, None] * (tubes.end - tubes.start)[piece]
    radius = tubes.start_radius[piece] + along * (tubes.end_radius - tubes.start_radius)[piece]
    direction = ((tubes.end - tubes.start) / np.maximum(length, 1e-6)[:, None])[piece]
    steep = np.abs(direction[:, 2:]) > 0.8
    across = np.cross(direction, np.where(steep, [[1.0, 0, 0]], [[0, 0, 1.0]]))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upright = np.cross(direction, across)
    count = np.maximum(1, np.round(np.pi * radius**2 / step**2)).astype(int)
    share = np.pi * radius**2 * (length / slices)[piece] / count / float(np.prod(spacing))
    for chunk in np.array_split(np.arange(len(count)), max(1, int(count.sum()) // 1_000_000)):
        disc = np.repeat(chunk, count[chunk])
        order = np.arange(len(disc)) - np.repeat(np.cumsum(count[chunk]) - count[chunk], count[chunk])
        away = radius[disc] * np.sqrt((order + 0.5) / count[disc]) * (count[disc] > 1)
        turn = GOLDEN_ANGLE * (order + 7 * disc)
        place = centre[disc] + (away * np.cos(turn))[:, None] * across[disc]
        place += (away * np.sin(turn))[:, None] * upright[disc]
        index = np.round((place - origin) / spacing).astype(np.int64)
        inside = ((index >= 0) & (index < shape)).all(axis=1)
        flat, where = np.unique(np.ravel_multi_index(index[inside].T, shape), return_inverse=True)
        voxels.append(flat)
        shares.append(np.bincount(where, weights=share[disc[inside]], minlength=len(flat)))
    flat, where = np.unique(np.concatenate(voxels), return_inverse=True)
    total = np.bincount(where, weights=np.concatenate(shares), minlength=len(flat))
    return flat, np.minimum(total, 1).astype(np.float32)


def draw_tubes(hu: np.ndarray, where: np.ndarray, tubes: Tubes, *, mesh: Mesh, value_hu: float) -> None:
    """Blends `value_hu` into the C-ordered `hu` by the tubes' partial volumes, where the bool array `where` is True."""
    flat, share = fractions(tubes, mesh)
    inside = where.reshape(-1)[flat]
    flat, share = flat[inside], share[inside]
    voxels = hu.reshape(-1)
    voxels[flat] += share * (value_hu - voxels[flat])
