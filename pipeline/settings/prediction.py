"""Settings of prediction, postprocessing and evaluation."""

from typing import Annotated, Literal

from pydantic import Field

from pneumoseg.pipeline.settings.field_types import Axes, Count, Group, Labels, Name, NotNegative

SLICES = "slices"


def is_random_slices(splits: str) -> bool:
    """Whether splits of that name are random single cases, "slices:TRAIN,VALIDATION,TEST"."""
    return splits.partition(":")[0] == SLICES


class PredictionSettings(Group):
    """Sliding-window prediction: `overlap` of neighbouring tiles as a share of the tile, `weights` of a tile's voxels
    in the average, tiles per `batch`. `mirror_axes`: average over mirror images along these axes too (0 left-right, 1
    front-back, 2 feet-head). `skip_air`: tiles without a voxel above -900 HU are background and not computed (except
    with user-defined preprocessing steps, equalised slices, or a window that begins above). `inside_body`: voxels
    outside the body are background, see pipeline/preprocessing/body_mask.py. `threshold`: of two classes, the second
    one is where its probability is above that.
    """

    overlap: Annotated[float, Field(ge=0, le=0.95)] = 0.5
    weights: Literal["gaussian", "uniform"] = "gaussian"
    batch: Count = 1
    mirror_axes: Axes = ()
    skip_air: bool = True
    inside_body: bool = False
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5


class PostprocessingSettings(Group):
    """Corrections of a finished mask, in this order; none by default.

    `smallest_infection_ml`: smaller components become the surrounding lung; `largest_component`: only the largest
    component of each lung is kept; `infection_in_lungs_only`: infection that touches no lung becomes background;
    `fill_holes`: background enclosed by a lung becomes lung. `lungs` and `infection`: the numbers of these classes.
    """

    smallest_infection_ml: NotNegative = 0.0
    largest_component: bool = False
    infection_in_lungs_only: bool = False
    fill_holes: bool = False
    lungs: Labels = (1, 2)
    infection: Count = 3

    @property
    def active(self) -> bool:
        """Whether any correction is switched on."""
        steps = (self.largest_component, self.infection_in_lungs_only, self.fill_holes)
        return self.smallest_infection_ml > 0 or any(steps)


class EvaluationSettings(Group):
    """How cases are split: "kfold", "published", "hold-out:SHARE", "leave-one-out", a JSON file of splits, or
    "slices:TRAIN,VALIDATION,TEST", shares of single slices or pictures at random, whoever the patient is.

    `folds` and `stratify_by_source` (cases of each source spread over all folds, where there are enough) are for
    "kfold"; patients are never split, except by "slices". `groups`: "content" also keeps pictures together that look
    alike. `tolerances_mm`: tolerances of the surface Dice by class, such as [[infection, 2]]; by default lungs 1 mm,
    infection 3 mm. `positive_ml`: a case has lesions from that volume in the reference on; what is predicted in the
    other cases is reported as false. `auc`: the area under the ROC curve of each class's probability over all voxels,
    per case and pooled; on volumes it costs time, and memory and disk space of 2 bytes per voxel and class.
    """

    splits: Annotated[str, Field(max_length=4096)] = "kfold"
    folds: Annotated[int, Field(ge=2, le=10_000)] = 5
    stratify_by_source: bool = True
    groups: Literal["patient", "content"] = "patient"
    tolerances_mm: Annotated[tuple[tuple[Name, NotNegative], ...], Field(max_length=256)] = ()
    positive_ml: NotNegative = 1.0
    auc: bool = False
