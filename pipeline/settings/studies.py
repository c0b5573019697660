"""Settings of networks for whole studies: of a CT they say whether there is the disease, how severe it is, or both.

The defaults are those of the preset `hrct-joint`: the network and the training of the thesis "GPU enabled CNN based
COVID-19 HRCT images classifier" (PSG Tech), as far as it gives them.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pneumoseg.pipeline.settings.field_types import (
    Count,
    Group,
    NotNegative,
    Positive,
    PositiveRange,
    Share,
    Window,
)

StudyShape = tuple[
    Annotated[int, Field(ge=4, le=1024)], Annotated[int, Field(ge=4, le=1024)], Annotated[int, Field(ge=4, le=1024)]
]
"""Voxels along z, y, x of the prepared CTs of a cohort file."""

Head = Literal["label", "score"]

LARGEST_SCORE = 100.0
"""Scores are learnt as shares of it."""


class StudyInputSettings(Group):
    """What the network sees of a prepared CT. `shape`: voxels (z, y, x), as the cohort file has them. `window_hu`
    becomes 0..1. `lungs`: "multiplied", the value outside the lungs is 0; "channel", their mask is a second channel;
    "ignored"."""

    shape: StudyShape = (64, 128, 128)
    window_hu: Window = (-1000.0, 400.0)
    lungs: Literal["multiplied", "channel", "ignored"] = "multiplied"

    @property
    def channels(self) -> int:
        """Input channels of the network."""
        return 2 if self.lungs == "channel" else 1


class StudyAugmentationSettings(Group):
    """Random changes of a whole training CT, drawn anew in each epoch; none with `enabled` false.

    Rotation about the long axis of the body (degrees either way), a `scale` for all axes, a `shift` along each axis as
    a share of its size, a left-right mirror image with probability one half. `brightness`: factor of the windowed
    values. `noise_sd`: standard deviation of the noise, in windowed values, at most; air and what is outside the lungs
    (value 0) gets none.
    """

    enabled: bool = True
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale: PositiveRange = (0.9, 1.1)
    shift: Share = 0.05
    mirror: bool = True
    brightness: PositiveRange = (0.95, 1.05)
    noise_sd: NotNegative = 0.02


class StudyNetworkSettings(Group):
    """The network by name, see pipeline/networks/study_networks.py.

    `filters`: channels of each level; each level halves the size. `first_stride`: stride of the first convolution.
    `depth`: residual blocks (resnet) or convolutions (densenet) of each level. `encoder`: the U-Net whose encoder is
    the trunk of the unet-encoder. `dense_units` of the layer before the outputs, `dropout` after it. `heads`: "label",
    the probability of the disease (sigmoid); "score", the severity (linear); or both.
    """

    name: Literal["hrct-cnn", "resnet", "densenet", "unet-encoder"] = "hrct-cnn"
    filters: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] = (64, 64, 128, 256)
    first_stride: Literal[1, 2] = 1
    depth: Annotated[int, Field(ge=1, le=64)] = 2
    encoder: Literal["standard-unet", "residual-unet", "plain-unet"] = "standard-unet"
    batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    dense_units: Count = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    heads: Annotated[tuple[Head, ...], Field(min_length=1, max_length=2)] = ("label", "score")

    @model_validator(mode="after")
    def _fits(self):
        if len(set(self.heads)) != len(self.heads):
            raise ValueError(f"heads are label, score or both, each once, found {list(self.heads)}")
        if self.name == "densenet" and (odd := [width for width in self.filters if width % self.depth]):
            raise ValueError(
                f"filters of the densenet are divisible by depth {self.depth}, as its layers share them, found {odd}"
            )
        if self.name == "unet-encoder" and self.first_stride != 1:
            raise ValueError("first_stride is 1 for the unet-encoder, whose convolutions are those of a U-Net, found 2")
        return self


class StudyTrainingSettings(Group):
    """The training of the weights by Adam: binary cross-entropy of the label, mean squared error of the score / 100.

    `score_weight`: of the score's loss in the sum of both. `class_weights`: "auto" weighs both labels alike, whatever
    their number; "none" each study alike. `validation_share` of the training patients, with the same distribution of
    labels and scores, is held out: it chooses the epoch with the smallest loss, and the threshold of the label; with 0
    the last epoch counts, and the threshold is 0.5. `early_stop_patience`: epochs without a smaller loss after which
    training ends, null for never. `schedule`: of the learning rate, constant or a cosine that ends at 0.
    `deterministic`: weights that are reproducible to the last bit, slower.
    """

    epochs: Count = 100
    batch: Count = 2
    learning_rate: Positive = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    score_weight: Positive = 1.0
    class_weights: Literal["auto", "none"] = "auto"
    gradient_clip_norm: Positive | None = None
    validation_share: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    early_stop_patience: Count | None = 20
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    deterministic: bool = False

    @model_validator(mode="after")
    def _has_a_loss_to_follow(self):
        if self.early_stop_patience is not None and self.validation_share == 0:
            raise ValueError("early_stop_patience needs a validation_share above 0; set it to null")
        return self


class StudyEvaluationSettings(Group):
    """How studies are split: "kfold" into `folds`, "hold-out:SHARE", "leave-one-out", or a JSON file of splits;
    patients are never split, and folds have the same distribution of labels and scores. `grad_cam`: where the network
    found what it says of each test study."""

    splits: Annotated[str, Field(max_length=4096)] = "kfold"
    folds: Annotated[int, Field(ge=2, le=10_000)] = 5
    grad_cam: bool = True


class StudySettings(Group):
    """The settings of a whole-CT experiment; see the groups for their fields. `kind` tells files with these settings
    from those of segmentations, which have none."""

    kind: Literal["studies"] = "studies"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    input: StudyInputSettings = StudyInputSettings()
    augmentation: StudyAugmentationSettings = StudyAugmentationSettings()
    network: StudyNetworkSettings = StudyNetworkSettings()
    training: StudyTrainingSettings = StudyTrainingSettings()
    evaluation: StudyEvaluationSettings = StudyEvaluationSettings()

    @property
    def model_choice(self) -> str:
        """A sentence on how the model is chosen, for the report."""
        training = self.training
        if not training.validation_share:
            return "none: the weights of the last epoch, trained on all of the fold's training studies; threshold 0.5"
        threshold = "; the threshold of the label is that of the largest Youden index there"
        return (
            f"the epoch with the smallest loss on {training.validation_share:.0%} of the fold's training patients, who "
            f"were not trained on{threshold if 'label' in self.network.heads else ''}; the test studies were not "
            "looked at"
        )

    @property
    def held_out(self) -> str:
        """A sentence on the studies that a training on a whole cohort leaves out; "" where it has all."""
        share = self.training.validation_share
        if not share:
            return ""
        return (
            f"{100 * share:.0f} % of the patients are not trained on, their loss chooses the epoch; to train on all, "
            "set training.validation_share to 0 and training.early_stop_patience to null"
        )

    @model_validator(mode="after")
    def _input_is_large_enough(self):
        least = 2 ** (len(self.network.filters) - 1) * self.network.first_stride
        if min(self.input.shape) < least:
            raise ValueError(
                f"input.shape is at least {least} along each axis, as the network has {len(self.network.filters)} "
                f"levels, found {list(self.input.shape)}; use fewer network.filters"
            )
        return self
