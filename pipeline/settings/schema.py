"""All settings of an experiment: one frozen group per concern, every field with its unit, range and default.

The defaults are those of the preset `covid-3d-unet`. Settings come from a preset (a YAML file that holds what differs
from the defaults) and from single changes such as `training.epochs=5`.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.pipeline.settings.field_types import (
    ClassNumber,
    Count,
    Group,
    Name,
    NotNegative,
    NotNegativeCount,
    NotNegativeRange,
    Positive,
    PositiveRange,
    Share,
    Spacing,
    Window,
)

Labels = Annotated[tuple[Annotated[int, Field(ge=1, le=255)], ...], Field(max_length=255)]
Plugins = Annotated[tuple[Name, ...], Field(max_length=100)]
Axes = Annotated[tuple[Literal[0, 1, 2], ...], Field(max_length=3)]


class LabelSettings(Group):
    """The classes, in the order of their numbers in the masks; 0 is the background."""

    names: Annotated[tuple[Name, ...], Field(max_length=256)] = LUNG_LABELS.names
    colours: Annotated[tuple[tuple[ClassNumber, ClassNumber, ClassNumber], ...], Field(max_length=256)] = (
        LUNG_LABELS.colours
    )
    mirror_pairs: Annotated[tuple[tuple[ClassNumber, ClassNumber], ...], Field(max_length=128)] = (
        LUNG_LABELS.mirror_pairs
    )

    @property
    def table(self) -> LabelTable:
        """The same as the LabelTable that files and figures take."""
        return LabelTable(self.names, self.colours, self.mirror_pairs)

    @model_validator(mode="after")
    def _is_a_table(self):
        LabelTable(self.names, self.colours, self.mirror_pairs)
        return self


class DataSettings(Group):
    """How files are read. `grid`: which form of a NIfTI header says where the voxels lie, where it has both; see
    data_io/formats/nifti_placement.py."""

    grid: GridForm = "sform"


class PreprocessingSettings(Group):
    """From HU on the scanner's grid to 0..1 on the network's grid.

    `window_hu` becomes 0..1. A volume whose values already lie in 0..255 is taken as windowed by
    `windowed_source_hu`. `spacing_mm` null keeps each volume's own grid. `image_order` is the spline order of the
    resampling (labels are resampled class by class). `steps` names functions of one's own, "module:function", applied
    after the window: see pipeline/preprocessing/preprocessor.py. `equalise`: which volumes' slices are equalised
    (CLAHE) on the network's grid: "never", "hu" (those in HU, for a network trained on slices that came equalised) or
    "always".
    """

    window_hu: Window = (-1250.0, 250.0)
    windowed_source_hu: Window = (-1250.0, 250.0)
    spacing_mm: tuple[Spacing, Spacing, Spacing] | None = (1.58, 1.58, 2.70)
    image_order: Literal[0, 1, 3] = 3
    normalisation: Literal["z-score", "none"] = "z-score"
    steps: Plugins = ()
    equalise: Literal["never", "hu", "always"] = "never"


class PatchSettings(Group):
    """What the network is trained on.

    `shape` in voxels: three numbers, or two for a 2D network on axial slices; null is the full image. `sampling`:
    random places, or every tile of a grid once an epoch. `foreground_share` of the patches at random places, of no
    others, is centred on a voxel of `foreground_labels`.
    """

    shape: Annotated[tuple[Count, ...], Field(max_length=10)] | None = (160, 160, 80)
    batch: Count = 2
    sampling: Literal["random", "grid"] = "random"
    foreground_share: Share = 0.0
    foreground_labels: Labels = (3,)

    @model_validator(mode="after")
    def _two_or_three_axes(self):
        if self.shape is not None and len(self.shape) not in (2, 3):
            raise ValueError(f"shape has two or three numbers, found {list(self.shape)}")
        if self.shape is None and self.batch != 1:
            raise ValueError("full images differ in shape, so that batch must be 1")
        return self


class AugmentationSettings(Group):
    """Random changes of each training patch. `probability` is that of each change but mirroring; a range whose ends are
    equal to the neutral value switches a change off. Rotation and scaling happen in millimetres about the patch's
    centre; elastic sigma in voxels and alpha as in batchgenerators; intensity changes act on normalised values.
    `blur_sigma` is in voxels; `low_resolution` is the share of its size that the patch is shrunk to before it is
    enlarged again.
    `transforms`: further ones in batchgenerators' interface, each "module:class" or a function that gives one; they
    come last, see pipeline/sampling/custom_transforms.py."""

    enabled: bool = True
    probability: Share = 0.15
    scale: PositiveRange = (0.85, 1.25)
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    elastic_alpha: NotNegativeRange = (0.0, 900.0)
    elastic_sigma: PositiveRange = (9.0, 13.0)
    brightness: PositiveRange = (0.5, 2.0)
    contrast: PositiveRange = (0.3, 3.0)
    gamma: PositiveRange = (0.7, 1.5)
    noise_variance: NotNegativeRange = (0.0, 0.05)
    blur_sigma: NotNegativeRange = (0.0, 0.0)
    low_resolution: PositiveRange = (1.0, 1.0)
    mirror_axes: Axes = (0, 1, 2)
    mirror_probability: Share = 0.5
    image_order: Literal[0, 1, 3] = 3
    transforms: Plugins = ()


class NetworkSettings(Group):
    """The network by name (see pipeline/networks/registry.py, or "module:function" of one's own).

    `filters`: its width, level by level. `batch_norm`: in the networks that may have it; the plain U-Net always
    normalises each sample by itself. `batch_norm_momentum`: share of the old value in each update of the moving
    statistics that prediction uses; a run of a few hundred steps needs less than the usual 0.99, or the statistics lag
    behind the weights.
    """

    name: Name = "standard-unet"
    filters: Annotated[tuple[Count, ...], Field(min_length=2, max_length=16)] = (32, 64, 128, 256, 512)
    batch_norm: bool = True
    batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99


class LossSettings(Group):
    """The loss by name (see pipeline/training/losses.py, or "module:function" of one's own).

    `alpha` weighs false negatives and `beta` false positives (Tversky); `smooth` is added to numerator and denominator.
    `focus`: the exponent of the focal losses, null for each one's usual. `class_weights`: one for each class (Dice and
    focal). `balance`: the cross-entropy's share of combo and unified focal loss, the rest is Dice's or Tversky's."""

    name: Name = "tversky-crossentropy"
    alpha: Positive = 0.5
    beta: Positive = 0.5
    smooth: Positive = 1e-6
    focus: Positive | None = None
    class_weights: Annotated[tuple[NotNegative, ...], Field(max_length=256)] | None = None
    balance: Share = 0.5


class PlateauSettings(Group):
    """Lower the learning rate when the monitored loss stands still (epochs)."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 15
    min_delta: NotNegative = 1e-4
    cooldown: NotNegativeCount = 1
    min_learning_rate: NotNegative = 1e-5


class TrainingSettings(Group):
    """How the weights are found. `monitor`: what plateau, early stop and the choice of the best model look at.

    "validation": the loss on `validation_patches` fixed patches (or the full images) of `validation_share` of the
    training patients, which are not trained on; "training": the training loss; "none": no choice, the last weights
    count.

    `steps_per_epoch` counts where patches are drawn at random; a grid or full images give as many steps as cover each
    case once. `schedule`: "constant-decay" is constant but for the last fifth, in which the rate falls to zero.
    `optimizer`: adam, or sgd with a Nesterov momentum of 0.99. `accumulated_steps`: weights change once in so many
    steps, by the mean of their gradients. `average_decay`: the weights that count are a moving average of the trained
    ones, which keeps this share of itself at each step.
    `deep_supervision`: so many coarser levels of the decoder are trained to predict as well, the first with half the
    weight of the full resolution, the next with a quarter.
    `deterministic`: the same weights to the last bit at each repetition, slower.
    """

    epochs: Count = 1000
    steps_per_epoch: Count = 150
    learning_rate: Positive = 1e-3
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Literal["plateau", "cosine", "polynomial", "constant", "constant-decay"] = "plateau"
    plateau: PlateauSettings = PlateauSettings()
    early_stop_patience: Count | None = 100
    gradient_clip_norm: Positive | None = None
    accumulated_steps: Count = 1
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    deep_supervision: NotNegativeCount = 0
    deterministic: bool = False
    monitor: Literal["validation", "training", "none"] = "validation"
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation_patches: Count = 16
    metrics: Plugins = ("tversky", "soft-dice", "dice-crossentropy")
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    workers: Annotated[int, Field(ge=0, le=256)] | None = None

    @model_validator(mode="after")
    def _monitors_something(self):
        if self.monitor == "none" and (self.schedule == "plateau" or self.early_stop_patience is not None):
            raise ValueError(
                "monitor none leaves nothing for schedule plateau and early_stop_patience to look at; "
                "set schedule to cosine or constant and early_stop_patience to null"
            )
        return self


class PredictionSettings(Group):
    """Sliding-window prediction: `overlap` of neighbouring tiles as a share of the tile, `weights` of a tile's voxels
    in the average, tiles per `batch`. `mirror_axes`: average over mirror images along these axes too (0 left-right,
    1 front-back, 2 feet-head). `skip_air`: a tile without a voxel above -900 HU is background without being looked at
    (not with preprocessing steps of one's own, equalised slices, or a window that begins above). `inside_body`: what
    lies outside the body is background, see pipeline/preprocessing/body_mask.py.
    """

    overlap: Annotated[float, Field(ge=0, le=0.95)] = 0.5
    weights: Literal["gaussian", "uniform"] = "gaussian"
    batch: Count = 1
    mirror_axes: Axes = ()
    skip_air: bool = True
    inside_body: bool = False


class PostprocessingSettings(Group):
    """Corrections of a finished mask, in this order; none by default.

    `smallest_infection_ml`: smaller pieces become the lung around them; `largest_component`: of each lung only the
    largest piece stays; `infection_in_lungs_only`: infection that touches no lung becomes background; `fill_holes`:
    background enclosed by a lung becomes lung. `lungs` and `infection`: the classes that play these parts.
    """

    smallest_infection_ml: NotNegative = 0.0
    largest_component: bool = False
    infection_in_lungs_only: bool = False
    fill_holes: bool = False
    lungs: Labels = (1, 2)
    infection: Count = 3

    @property
    def active(self) -> bool:
        """Whether anything is switched on."""
        steps = (self.largest_component, self.infection_in_lungs_only, self.fill_holes)
        return self.smallest_infection_ml > 0 or any(steps)


class EvaluationSettings(Group):
    """How cases are split: "kfold", "published", "hold-out:SHARE", "leave-one-out" or a JSON file of splits.

    `folds` and `stratify_by_source` (each fold gets its share of every source, where there are enough cases) are for
    "kfold"; patients are never split. `tolerances_mm`: of the surface Dice, for classes other than lungs (1 mm) and
    infection (3 mm), or instead of these; pairs such as [[infection, 2]]."""

    splits: Annotated[str, Field(max_length=4096)] = "kfold"
    folds: Annotated[int, Field(ge=2, le=10_000)] = 5
    stratify_by_source: bool = True
    tolerances_mm: Annotated[tuple[tuple[Name, NotNegative], ...], Field(max_length=256)] = ()


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
    def divisor(self) -> int:
        """What the network's input sizes must be divisible by: 2 for each level below the first."""
        return 2 ** (len(self.network.filters) - 1)

    @property
    def lung_labels(self) -> tuple[int, ...]:
        """The classes that are lungs; none where postprocessing.lungs is left as it is and these are not called so."""
        lungs, names = self.postprocessing.lungs, self.labels.names
        chosen = lungs != PostprocessingSettings().lungs
        return lungs if chosen or all("lung" in "".join(names[label : label + 1]).lower() for label in lungs) else ()

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        training = self.training
        shown = "the whole images" if self.patches.shape is None else f"{training.validation_patches} fixed patches"
        averaged = "" if training.average_decay is None else " (moving averages of the trained weights)"
        return {
            "validation": f"the epoch with the smallest loss on {shown} of {training.validation_share:.0%} of the "
            "fold's training patients, who were not trained on; the test cases were not looked at",
            "training": "the epoch with the smallest training loss; the test cases were not looked at",
            "none": "none: the weights of the last epoch, trained on all of the fold's training cases",
        }[training.monitor] + averaged

    @model_validator(mode="after")
    def _patches_fit(self):
        classes = len(self.labels.names)
        wrong = [label for label in self.patches.foreground_labels if label >= classes]
        if wrong:
            raise ValueError(f"patches.foreground_labels are below {classes}, the number of classes, found {wrong}")
        axes = self.prediction.mirror_axes
        if len(set(axes)) != len(axes) or any(axis >= self.dimensions for axis in axes):
            raise ValueError(
                f"prediction.mirror_axes are different axes of a {self.dimensions}D network, found {list(axes)}"
            )
        parts = self.postprocessing
        if parts.active and max(parts.infection, *parts.lungs) >= classes:
            raise ValueError(
                f"postprocessing.lungs and infection are below {classes}, the number of classes, found "
                f"{list(parts.lungs)} and {parts.infection}"
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
