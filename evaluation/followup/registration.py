"""Registers the lungs of two dates with SimpleITK: rigid, then B-spline.

The follow-up is the fixed image, the baseline is moved onto it. Both are reduced to pictures of the lungs on a grid of
3 mm: soft tissue outside, lung inside with the values of the CT where both dates have one, and infection filled with
the value of lung, as it may not be there at the other date. So borders and vessels decide, and lesions do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.slicer_seg import place
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Grid, Volume
from pneumoseg.evaluation.followup.regions import INFECTION

GRID_MM = 3.0
MARGIN_MM = 20.0
KNOTS_MM = 65.0
"""About how far the knots of the B-spline are apart: breathing is smooth, and lungs of others shall not fit."""

OUTSIDE_HU, LUNG_HU = 0.0, -850.0
NEAR_LUNGS_VOXELS = 3
SAMPLES = 12_000
SEED = 1
RIGID_STEPS, BSPLINE_STEPS = 60, 40


@dataclass(frozen=True, eq=False)
class Registration:
    """Where each point of the follow-up (LPS, mm) lies in the baseline: `rigid` alone, and `whole`, the B-spline
    followed by it, on and around the grid of the follow-up, as a field of 3 mm: that is far finer than its knots, and
    much faster to apply."""

    rigid: sitk.Transform
    whole: sitk.Transform

    @property
    def rotation_degrees(self) -> float:
        """The angle of the rigid part."""
        matrix = np.reshape(sitk.Euler3DTransform(self.rigid).GetMatrix(), (3, 3))
        return float(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))))

    def bending_mm(self, follow_up: Volume) -> float:
        """How far the B-spline moves the lungs of the follow-up's mask beyond the rigid part, on average (mm)."""
        picture = lung_picture(follow_up, None)
        fields = [
            sitk.GetArrayFromImage(_field(transform, picture.GetSize(), picture.GetOrigin()))
            for transform in (self.rigid, self.whole)
        ]
        lungs = sitk.GetArrayFromImage(inside_of(picture)) > 0
        return float(np.linalg.norm(fields[1][lungs] - fields[0][lungs], axis=-1).mean())


def register(follow_up: Volume, baseline: Volume, images: tuple[Volume, Volume] | None) -> Registration:
    """Finds the transforms. `follow_up`, `baseline`: masks, the classes of `LUNG_LABELS`; `images`: their CTs in HU, in
    that order, on the masks' grids.

    The metric is the correlation of both pictures at 12,000 random places (of a fixed seed) in and near the lungs.
    Raises InputError where the lungs cannot be laid onto each other at all.
    """
    fixed, moving = (
        lung_picture(mask, image) for mask, image in zip((follow_up, baseline), images or (None, None), strict=True)
    )
    centre, other = _centre(follow_up), _centre(baseline)
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(centre.tolist())
    rigid.SetTranslation((other - centre).tolist())
    try:
        method = _method(fixed)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, RIGID_STEPS, gradientMagnitudeTolerance=1e-9)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([3, 2])
        method.SetSmoothingSigmasPerLevel([2, 1])
        method.SetInitialTransform(rigid, True)
        method.Execute(fixed, moving)

        knots = [max(1, round(size * GRID_MM / KNOTS_MM)) for size in fixed.GetSize()]
        bspline = sitk.BSplineTransformInitializer(fixed, knots, 3)
        method = _method(fixed)
        method.SetMovingInitialTransform(rigid)
        method.SetInitialTransform(bspline, True)
        method.SetMetricFixedMask(sitk.BinaryDilate(inside_of(fixed), [NEAR_LUNGS_VOXELS] * 3))
        method.SetOptimizerAsLBFGSB(1e-6, BSPLINE_STEPS, 5, 1000, 1e10)
        method.SetShrinkFactorsPerLevel([2, 1])
        method.SetSmoothingSigmasPerLevel([1, 0])
        method.Execute(fixed, moving)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(
            f"the lungs of both dates cannot be registered ({reason}); are these the lungs of one patient?"
        ) from error
    covering = on_coarse_grid(np.zeros(follow_up.grid.shape, np.float32), follow_up.grid)
    start = [place_mm - GRID_MM for place_mm in covering.GetOrigin()]
    field = _field(sitk.CompositeTransform([rigid, bspline]), [size + 2 for size in covering.GetSize()], start)
    return Registration(rigid, sitk.DisplacementFieldTransform(field))


def lung_picture(mask: Volume, image: Volume | None) -> sitk.Image:
    """The lungs of a mask and 20 mm around them on an upright grid of 3 mm, in thousands of HU: 0 outside, inside the
    CT, and -0.85 in infection and where there is no CT."""
    box = bounding_box(mask.array > 0, [int(np.ceil(MARGIN_MM / step)) for step in mask.spacing_mm])
    labels = mask.array[box]
    values = np.full(labels.shape, OUTSIDE_HU, np.float32)
    values[labels > 0] = LUNG_HU
    if image is not None:
        free = (labels > 0) & (labels != INFECTION)
        values[free] = np.clip(image.array[box][free], -1000.0, OUTSIDE_HU)
    return on_coarse_grid(values / np.float32(1000), cropped_grid(mask.grid, box))


def on_coarse_grid(values: np.ndarray, grid: Grid) -> sitk.Image:
    """Values (x, y, z), float32, as their means on an upright grid of 3 mm that covers them."""
    image = itk_image(values, grid)
    image = sitk.BinShrink(image, [max(1, round(GRID_MM / step)) for step in grid.spacing_mm])
    ends = [
        image.TransformContinuousIndexToPhysicalPoint(
            [(size - 1) * end for size, end in zip(image.GetSize(), corner, strict=True)]
        )
        for corner in np.ndindex(2, 2, 2)
    ]
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    size = [int(np.ceil(length / GRID_MM)) + 1 for length in high - low]
    upright = np.eye(3).ravel().tolist()
    return sitk.Resample(
        image,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        low.tolist(),
        [GRID_MM] * 3,
        upright,
        OUTSIDE_HU,
        sitk.sitkFloat32,
    )


def inside_of(picture: sitk.Image) -> sitk.Image:
    """Where a picture of lungs without CT shows lung, or one with CT something as light: uint8 0 or 1."""
    return sitk.Cast(picture < (LUNG_HU + OUTSIDE_HU) / 2000, sitk.sitkUInt8)


def moved(values: np.ndarray, grid: Grid, onto: Grid, registration: Registration, *, fill: float = 0.0) -> np.ndarray:
    """Values (x, y, z) of the baseline on the grid of the follow-up, or a part of it, linearly interpolated: float32 of
    that shape."""
    target = sitk.Image([*onto.shape], sitk.sitkUInt8)
    place(target, onto)
    image = itk_image(values.astype(np.float32), grid)
    return sitk.GetArrayFromImage(sitk.Resample(image, target, registration.whole, sitk.sitkLinear, fill)).T


def itk_image(values: np.ndarray, grid: Grid) -> sitk.Image:
    """Values (x, y, z) as an image of SimpleITK that lies on `grid`."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    place(image, grid)
    return image


def cropped_grid(grid: Grid, box: Sequence[slice]) -> Grid:
    """The part of a grid in a box of voxels."""
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    x, y, z = (side.stop - side.start for side in box)
    return Grid((x, y, z), affine)


def _field(transform: sitk.Transform, size: Sequence[int], origin: Sequence[float]) -> sitk.Image:
    """The displacements (mm) of a transform on an upright grid of 3 mm."""
    upright = np.eye(3).ravel().tolist()
    return sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, [*size], [*origin], [GRID_MM] * 3, upright
    )


def _method(fixed: sitk.Image) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, SAMPLES / fixed.GetNumberOfPixels()), SEED)
    return method


def _centre(mask: Volume) -> np.ndarray:
    """The centre of the lungs, LPS (mm)."""
    lungs = mask.array > 0
    indices = [
        np.average(np.arange(size), weights=lungs.sum(axis=tuple(other for other in range(3) if other != axis)))
        for axis, size in enumerate(lungs.shape)
    ]
    return LPS_TO_RAS @ (mask.grid.affine @ [*indices, 1.0])[:3]
