"""All settings of an experiment: one frozen group per concern, every field with its unit, range and default.

The defaults are those of the preset `covid-3d-unet`. Settings come from a preset (a YAML file that holds what differs
from the defaults) and from single changes such as `training.epochs=5`. The groups are defined in `data`, `training`
and `prediction` beside this file and can be imported from here.
"""

from typing import Annotated

from pydantic import Field, model_validator

from pneumoseg.pipeline.settings.data import (
    AugmentationSettings,
    DataSettings,
    LabelSettings,
    PatchSettings,
    PreprocessingSettings,
)
from pneumoseg.pipeline.settings.field_types import Group
from pneumoseg.pipeline.settings.prediction import (
    EvaluationSettings,
    PostprocessingSettings,
    PredictionSettings,
    is_random_slices,
)
from pneumoseg.pipeline.settings.training import (
    LossSettings,
    NetworkSettings,
    PlateauSettings,
    TrainingSettings,
)

__all__ = [
    "AugmentationSettings",
    "DataSettings",
    "EvaluationSettings",
    "LabelSettings",
    "LossSettings",
    "NetworkSettings",
    "PatchSettings",
    "PlateauSettings",
    "PostprocessingSettings",
    "PredictionSettings",
    "PreprocessingSettings",
    "Settings",
    "TrainingSettings",
]


class Settings(Group):
    """An experiment's settings; see the groups for their fields."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataSettings = DataSettings()
    labels: LabelSettings = LabelSettings()
    preprocessing: PreprocessingSettings = PreprocessingSettings()
    patches: PatchSettings = PatchSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    network: NetworkSettings = NetworkSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()
    prediction: PredictionSettings = PredictionSettings()
    postprocessing: PostprocessingSettings = PostprocessingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def dimensions(self) -> int:
        """Spatial dimensions of the network: 2 where patches have two axes."""
        return 3 if self.patches.shape is None else len(self.patches.shape)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a volume that the network sees, x, y, z: all but that across the slices of a 2D network."""
        return tuple(axis for axis in range(3) if self.dimensions == 3 or axis != self.patches.axis)

    @property
    def channels(self) -> int:
        """Input channels of the network: of the images, times the windows, times the slices side by side."""
        how = self.preprocessing
        return how.channels * (1 + len(how.further_windows_hu)) * (2 * self.patches.neighbours + 1)

    @property
    def divisor(self) -> int:
        """The divisor of the network's input sizes: 2 for each level below the first."""
        return 2 ** (len(self.network.filters) - 1)

    @property
    def lung_labels(self) -> tuple[int, ...]:
        """The classes that are lungs: postprocessing.lungs; none where that is the default and their names hold no
        "lung"."""
        lungs, names = self.postprocessing.lungs, self.labels.names
        changed = lungs != PostprocessingSettings().lungs
        return lungs if changed or all("lung" in "".join(names[label : label + 1]).lower() for label in lungs) else ()

    @property
    def model_choice(self) -> str:
        """A sentence on how the model is chosen, for the report."""
        training = self.training
        shown = f"{training.validation_patches} fixed patches"
        if self.patches.shape is None or self.patches.sampling == "grid":
            shown = "the whole images"
        extreme = "smallest" if training.best_is_smallest else "largest"
        held_out = f"{training.validation_share:.0%} of the fold's training patients, who were not trained on"
        if is_random_slices(self.evaluation.splits):
            held_out = "the split's validation slices, which were not trained on"
        averaged = "" if training.average_decay is None else " (moving averages of the trained weights)"
        return {
            "validation": f"the epoch with the {extreme} {training.best} on {shown} of {held_out}; the test cases "
            "were not looked at",
            "training": f"the epoch with the {extreme} training {training.best}; the test cases were not looked at",
            "none": "none: the weights of the last epoch, trained on all of the fold's training cases",
        }[training.monitor] + averaged

    @property
    def held_out(self) -> str:
        """A sentence on the cases that a training on a whole dataset leaves out; "" where it has all."""
        if self.training.monitor != "validation":
            return ""
        single = is_random_slices(self.evaluation.splits)
        whose = "slices, whoever the patient is," if single else "patients"
        share = f"{100 * self.training.validation_share:.0f} % of the {whose}"
        return (
            f"{share} are not trained on, their {self.training.best} chooses the epoch; to train on all, set "
            "training.monitor to training or none"
        )

    @model_validator(mode="after")
    def _patches_fit(self):
        classes = len(self.labels.names)
        wrong = [label for label in self.patches.foreground_labels if label >= classes]
        if wrong:
            raise ValueError(f"patches.foreground_labels are below {classes}, the number of classes, found {wrong}")
        if self.data.source_weights and (self.patches.shape is None or self.patches.sampling == "grid"):
            raise ValueError(
                "data.source_weights are for patches drawn at random; full images and grids show all alike"
            )
        if self.patches.batch % self.training.devices:
            raise ValueError(
                f"patches.batch is shared equally by training.devices, found {self.patches.batch} patches for "
                f"{self.training.devices} devices"
            )
        if self.augmentation.equalise and self.preprocessing.values == "picture":
            raise ValueError("augmentation.equalise is for CTs in HU, found preprocessing.values picture")
        if self.augmentation.equalise and self.preprocessing.equalise != "never":
            raise ValueError(
                "augmentation.equalise is a share of slices that are not equalised otherwise, found "
                f"preprocessing.equalise {self.preprocessing.equalise}; set one of both"
            )
        axes = self.prediction.mirror_axes
        if len(set(axes)) != len(axes) or not set(axes) <= set(self.axes):
            raise ValueError(
                f"prediction.mirror_axes are different ones of the network's axes, {list(self.axes)}, "
                f"found {list(axes)}"
            )
        parts = self.postprocessing
        if parts.active and max((parts.infection, *parts.lungs)) >= classes:
            raise ValueError(
                f"postprocessing.lungs and infection are below {classes}, the number of classes, found "
                f"{list(parts.lungs)} and {parts.infection}"
            )
        for name, value, default in (
            ("network.output", self.network.output, "softmax"),
            ("prediction.threshold", self.prediction.threshold, 0.5),
        ):
            if value != default and classes != 2:
                raise ValueError(f"{name} {value} is for two classes, background and one more, found {classes} classes")
        axis = self.patches.axis
        if self.data.cases == "slices" or self.preprocessing.values == "picture":
            if self.patches.neighbours:
                raise ValueError("patches.neighbours are of volumes; pictures, and slices that are cases, have none")
            if self.preprocessing.size is not None and self.preprocessing.size[axis] is not None:
                raise ValueError(
                    f"preprocessing.size is null across the slices, axis {axis}, found {list(self.preprocessing.size)}"
                )
        shape, divisor = self.patches.shape or (), self.divisor
        if any(size % divisor for size in shape):
            nearest = [max(divisor, round(size / divisor) * divisor) for size in shape]
            most = max(levels for levels in range(1, 32) if all(size % 2 ** (levels - 1) == 0 for size in shape))
            fewer = f", or network.filters of {most} levels at most" if most > 1 else ""
            raise ValueError(
                f"patches.shape must be divisible by {divisor}, as the network has {len(self.network.filters)} levels, "
                f"found {list(shape)}; use {nearest}{fewer}"
            )
        return self
