"""Are these the lungs of one patient? How well they agree once registered."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.regions import INFECTION
from pneumoseg.evaluation.followup.registration import Registration, inside_of, lung_picture

LEAST_DICE, LEAST_RIGID_DICE = 0.9, 0.92
LEAST_CORRELATION = 0.16
"""Of generated patients, those who are one agree with 0.85 and more, two with 0.14 at most (18 pairs); of real CTs, one
patient with 0.17 and more (1 pair, both ways), two with 0.12 at most (20 pairs, both ways)."""

DETAIL_VOXELS = 2.0
"""Details are what a Gaussian of this standard deviation blurs away: 6 mm."""

BORDER_VOXELS = 2
FEWEST_VOXELS = 500
"""With fewer voxels of 3 mm in both lungs, there is no correlation."""


@dataclass(frozen=True)
class Similarity:
    """How well the lungs of both dates agree: Dice after the `rigid` step, and after the `whole` registration.

    `detail_correlation`: of the CTs inside both lungs, without infection, after their smooth part has been taken away:
    vessels, which are a patient's own. None without CTs.
    """

    rigid_dice: float
    dice: float
    detail_correlation: float | None

    def check(self, least_dice: float | None = None, least_correlation: float = LEAST_CORRELATION) -> None:
        """Raises InputError where these are hardly the lungs of one patient.

        With CTs, the Dice after the whole registration must reach `least_dice`, by default 0.9, and the correlation its
        limit. Masks alone do not show vessels, and a B-spline bends the lungs of one person onto those of another:
        there the Dice after the rigid step must reach `least_dice`, by default 0.92.
        """
        with_ct = self.detail_correlation is not None
        dice, step = (self.dice, "the registration") if with_ct else (self.rigid_dice, "the rigid registration")
        if least_dice is None:
            least_dice = LEAST_DICE if with_ct else LEAST_RIGID_DICE
        if dice < least_dice:
            hint = "" if with_ct else ", give the CTs, which tell patients apart better,"
            raise InputError(
                f"lungs of one patient overlap with a Dice of at least {least_dice:g} after {step}, found {dice:.3f}: "
                f"are these two patients, or is a part of the lungs missing? Correct the inputs{hint} or lower the "
                "limit",
                options=("min_similarity",),
            )
        if self.detail_correlation is not None and self.detail_correlation < least_correlation:
            raise InputError(
                f"vessels of one patient agree after the registration, with a correlation of at least "
                f"{least_correlation:g}, found {self.detail_correlation:.3f}: are these two patients? Correct the "
                "inputs or lower the limit",
                options=("min_correlation",),
            )


def similarity(
    follow_up: Volume, baseline: Volume, images: tuple[Volume, Volume] | None, registration: Registration
) -> Similarity:
    """Measures it on the grid of 3 mm. `follow_up`, `baseline`: masks; `images`: their CTs in HU, in that order."""
    fixed, moving = lung_picture(follow_up, None), lung_picture(baseline, None)
    lungs = _bool(inside_of(fixed))
    rigid, whole = (
        _bool(inside_of(_on(moving, fixed, transform))) for transform in (registration.rigid, registration.whole)
    )
    correlation = None
    if images is not None:
        free = [_free_of_infection(mask, fixed, transform) for mask, transform in (
            (follow_up, sitk.Transform()), (baseline, registration.whole),
        )]  # fmt: skip
        pictures = [lung_picture(mask, image) for mask, image in zip((follow_up, baseline), images, strict=True)]
        details = [
            sitk.GetArrayFromImage(_on(picture, fixed, transform))
            for picture, transform in zip(pictures, (sitk.Transform(), registration.whole), strict=True)
        ]
        correlation = _detail_correlation(details[0], details[1], free[0] & free[1])
    return Similarity(_dice(lungs, rigid), _dice(lungs, whole), correlation)


def _free_of_infection(mask: Volume, fixed: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    healthy = mask.with_array(np.where(mask.array == INFECTION, 0, mask.array))
    return _bool(inside_of(_on(lung_picture(healthy, None), fixed, transform)))


def _detail_correlation(one: np.ndarray, other: np.ndarray, free: np.ndarray) -> float | None:
    core = ndimage.binary_erosion(free, iterations=BORDER_VOXELS)
    if np.count_nonzero(core) < FEWEST_VOXELS:
        return None
    details = [(values - _smooth(values, free))[core] for values in (one, other)]
    if min(float(np.std(values)) for values in details) == 0:
        return 0.0
    return float(np.corrcoef(*details)[0, 1])


def _smooth(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A Gaussian mean over what is inside alone."""
    weights = ndimage.gaussian_filter(inside.astype(np.float32), DETAIL_VOXELS)
    return ndimage.gaussian_filter(np.where(inside, values, 0), DETAIL_VOXELS) / np.maximum(weights, 1e-3)


def _on(image: sitk.Image, fixed: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    return sitk.Resample(image, fixed, transform, sitk.sitkLinear, 0.0)


def _bool(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image) > 0


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    voxels = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2.0 * np.count_nonzero(one & other) / voxels) if voxels else 0.0
