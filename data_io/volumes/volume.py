"""A 3D image, of one channel or several, and where it lies in the patient."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from pneumoseg.data_io.errors import InputError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
"""From the axes of DICOM and ITK (to the left, the back, up) to those used here (to the right, the front, up)."""

SAME_PLACE_VOXELS = 0.05
"""Two grids lie in one place where no corner is farther apart than this share of a voxel: headers round (an affine in
float32, spacings to four decimals), and what they round adds up towards the last voxel."""


LEAST_DETERMINANT = 1e-12
"""Of an affine's axes, in mm^3: the volume of the smallest voxel."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie: `shape` (x, y, z) and the 4x4 `affine` from voxel indices to RAS+ millimetres.

    `placement`: how the file that the grid was read from says so, for writers of the same format: a
    `nifti_placement.NiftiPlacement`, a `dicom.series.Series` or a `dicom.references.OfSeries`; None elsewhere. Raises
    InputError for an affine of another shape, and for one that is not finite and invertible.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    placement: object = None

    def __post_init__(self):
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not _is_invertible(affine[:3, :3]):
            raise InputError(
                f"an affine must be 4x4, finite and invertible, found {affine.tolist()}; correct the header"
            )
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along x, y, z: the norms of the affine's columns."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel (also right for oblique and sheared grids)."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def largest_cosine(self) -> float:
        """The largest cosine between two axes, 0..1: 0 where they are orthogonal, above where the grid is sheared, as
        that of a tilted gantry is; distances by `spacing_mm` alone are then wrong."""
        cosines = self.affine[:3, :3] / np.array(self.spacing_mm)
        return float(np.abs(cosines.T @ cosines - np.eye(3)).max())

    @property
    def axis_codes(self) -> str:
        """Nearest anatomical direction of each axis, for instance "LPS"."""
        return "".join(nib.aff2axcodes(self.affine))

    def distance_mm(self, other: "Grid") -> float:
        """The largest distance between corresponding corners of two grids of one shape."""
        return float(np.linalg.norm(((self.affine - other.affine) @ self._corners)[:3], axis=0).max())

    def matches(self, other: "Grid", tolerance_voxels: float = SAME_PLACE_VOXELS) -> bool:
        """Whether both have the same shape and no corner is apart by more than `tolerance_voxels` along an axis.

        >>> spacing_rounded = Grid((512, 512, 100), np.diag([0.7031, 0.7031, 2.0, 1.0]))
        >>> Grid((512, 512, 100), np.diag([0.703125, 0.703125, 2.0, 1.0])).matches(spacing_rounded)
        True
        """
        if self.shape != other.shape:
            return False
        apart = np.linalg.solve(self.affine, (other.affine - self.affine) @ self._corners)[:3]
        return bool(np.abs(apart).max() <= tolerance_voxels)

    def difference(self, other: "Grid") -> str:
        """What differs between two grids of one shape, for a message: distance, axes, spacing, origin, directions."""
        parts = [f"corners up to {self.distance_mm(other):.4g} mm apart"]
        directions = [grid.affine[:3, :3] / grid.spacing_mm for grid in (self, other)]
        for name, one, two in (
            ("axes", self.axis_codes, other.axis_codes),
            ("spacing in mm", _digits(self.spacing_mm), _digits(other.spacing_mm)),
            ("origin in mm", _digits(self.affine[:3, 3]), _digits(other.affine[:3, 3])),
            ("direction cosines", _digits(directions[0].T.ravel()), _digits(directions[1].T.ravel())),
        ):
            if one != two:
                parts.append(f"{name} {one} and {two}")
        return "; ".join(parts)

    @property
    def _corners(self) -> np.ndarray:
        """Voxel indices of the eight corners in homogeneous coordinates, (4, 8)."""
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in self.shape], indexing="ij")).reshape(3, -1)
        return np.vstack([corners, np.ones(corners.shape[1])])

    def canonical(self) -> "Grid":
        """The grid with axes permuted and flipped to the nearest RAS+."""
        orientation = nib.io_orientation(self.affine)
        affine = self.affine @ nib.orientations.inv_ornt_aff(orientation, self.shape)
        order = np.argsort(orientation[:, 0])
        x, y, z = (self.shape[axis] for axis in order)
        return Grid((x, y, z), affine)


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image in memory: `array` (x, y, z) with axes nearest to RAS+ (x to the right, y to the front, z up).

    An image of several channels, such as a picture's colours, has them on a fourth axis, (x, y, z, channels). A picture
    has one slice. `grid`: where the array lies. `stored_grid`: the grid of the file it was read from; `restore` gives
    its order, by flips and permutations alone. CT values are Hounsfield units (HU) unless something says otherwise,
    pictures have values of 0..255; label volumes are uint8 class numbers, of one channel. `extremes_of_whole`: of a
    slice, the smallest and largest value of the volume that it is of, which tell HU from grey values.
    """

    array: np.ndarray
    grid: Grid
    stored_grid: Grid
    extremes_of_whole: tuple[float, float] | None = None

    def __post_init__(self):
        if self.array.shape[:3] != self.grid.shape or self.array.ndim > 4:
            raise InputError(
                f"array (but for channels) and grid must have one shape, found {self.array.shape} and {self.grid.shape}"
            )

    @classmethod
    def from_source(cls, array: np.ndarray, affine: np.ndarray) -> "Volume":
        """A volume from an array as a file stores it, channels last if there are several; the array is turned to RAS+
        (a view, not a copy)."""
        if array.ndim not in (3, 4) or 0 in array.shape:
            raise InputError(
                f"a volume has three axes, or four with channels, and at least one voxel, found shape {array.shape}"
            )
        stored_grid = Grid(array.shape[:3], affine)
        turned = nib.orientations.apply_orientation(array, nib.io_orientation(stored_grid.affine))
        return cls(turned, stored_grid.canonical(), stored_grid)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along x, y, z."""
        return self.grid.spacing_mm

    def with_array(self, array: np.ndarray) -> "Volume":
        """The same place with other values, for instance its segmentation."""
        return Volume(array, self.grid, self.stored_grid)

    def restore(self) -> np.ndarray:
        """The array as the source grid orders it; the inverse of `from_source`."""
        theirs = nib.io_orientation(self.stored_grid.affine)
        # RAS+ by construction: asking the canonical affine again could break the tie of a 45 degree axis differently.
        ours = np.array([[0, 1], [1, 1], [2, 1]])
        return nib.orientations.apply_orientation(self.array, nib.orientations.ornt_transform(ours, theirs))


def on_grid_of(target: Volume, other: Volume, names: str) -> Volume:
    """`other` with its voxels in the order of `target`'s, on its grids; flips and permutations alone (a view). Each
    keeps its channels.

    `names`: both in words, such as "image and mask", for the error: raises InputError where shape or place differ.
    """
    # Each volume on its own may be turned otherwise: two nearly equal affines break the tie of a 45 degree axis
    # differently. So the turn is that from one to the other, which has no ties where both lie in the same place.
    turn = nib.io_orientation(np.linalg.solve(target.grid.affine, other.grid.affine))
    array = nib.orientations.apply_orientation(other.array, turn)
    shape = array.shape[:3]
    if shape != target.grid.shape:
        raise InputError(
            f"{names} must have one shape, found {target.grid.shape} and {shape} (axes turned alike); resample "
            "one to the other's grid"
        )
    affine = other.grid.affine @ nib.orientations.inv_ornt_aff(turn, other.grid.shape)
    turned = Grid(shape, affine)
    if not target.grid.matches(turned):
        stored = (target.stored_grid.axis_codes, other.stored_grid.axis_codes)
        axes = f"; orientation in the files {stored[0]} and {stored[1]}" if stored[0] != stored[1] else ""
        raise InputError(
            f"{names} must lie in the same place (to {SAME_PLACE_VOXELS:g} of a voxel at every corner), but differ: "
            f"{target.grid.difference(turned)}{axes}; resample one to the other's grid or correct its header"
        )
    return target.with_array(array)


def _is_invertible(directions: np.ndarray) -> bool:
    """Whether the columns (3, 3) are of some length and, each scaled to length 1, independent in float64."""
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float64: infinite or NaN, refused below
        lengths = np.linalg.norm(directions, axis=0)
        if not np.isfinite(lengths).all() or not abs(np.linalg.det(directions)) >= LEAST_DETERMINANT:
            return False
        # The axes of some columns that are nearly parallel have no nearest directions, for all their determinant.
        return not np.isnan(nib.io_orientation(nib.affines.from_matvec(directions))).any()


def _digits(values) -> str:
    """Numbers for a message, so precise that a difference of a micrometre shows."""
    return f"({', '.join(f'{round(float(value), 4) + 0.0:.10g}' for value in values)})"
