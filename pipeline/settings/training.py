"""Settings of the network, its loss and its training."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pneumoseg.pipeline.settings.field_types import (
    Count,
    Group,
    Name,
    NotNegative,
    NotNegativeCount,
    Plugins,
    Positive,
    Share,
)

LOSSES_BY_NAME = ("loss", "crossentropy", "dice-crossentropy", "jaccard-distance", "tversky")
"""The loss, and the metrics of pipeline/training/metrics.py that are the better the smaller they are."""


def history_name(name: str) -> str:
    """The column of the metric in history.csv.

    >>> history_name("jaccard-distance")
    'jaccard_distance'
    """
    return name.replace("-", "_")


class NetworkSettings(Group):
    """The network by name (see pipeline/networks/registry.py) or as "module:function".

    `filters`: channels of each level. `convolutions` of each block of the standard U-Net. `output`: "softmax" over the
    classes, or "sigmoid", the probability of the one class beside the background. `batch_norm`: batch normalisation,
    where the network supports it; the plain U-Net always uses instance normalisation. `batch_norm_momentum`: weight of
    the previous value in each update of the moving statistics used by prediction; a run of a few hundred steps needs
    less than the usual 0.99, as the statistics lag behind the weights otherwise.
    """

    name: Name = "standard-unet"
    filters: Annotated[tuple[Count, ...], Field(min_length=2, max_length=16)] = (32, 64, 128, 256, 512)
    convolutions: Annotated[int, Field(ge=1, le=8)] = 2
    output: Literal["softmax", "sigmoid"] = "softmax"
    batch_norm: bool = True
    batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99

    @model_validator(mode="after")
    def _has_such_blocks(self):
        if self.convolutions != 2 and self.name != "standard-unet" and ":" not in self.name:
            raise ValueError(f"convolutions {self.convolutions} is for the standard-unet, found {self.name}")
        return self


class LossSettings(Group):
    """The loss by name (see pipeline/training/losses.py) or as "module:function".

    `alpha` weighs false negatives and `beta` false positives (Tversky); `smooth` is added to numerator and denominator.
    `focus`: the exponent of the focal losses, null for the default of each. `class_weights`: one per class (Dice,
    Jaccard and focal losses). `balance`: weight of the cross-entropy in combo and unified focal loss, the rest is that
    of Dice or Tversky."""

    name: Name = "tversky-crossentropy"
    alpha: Positive = 0.5
    beta: Positive = 0.5
    smooth: Positive = 1e-6
    focus: Positive | None = None
    class_weights: Annotated[tuple[NotNegative, ...], Field(max_length=256)] | None = None
    balance: Share = 0.5


class PlateauSettings(Group):
    """Reduces the learning rate when the monitored loss stops improving; `patience` and `cooldown` in epochs."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 15
    min_delta: NotNegative = 1e-4
    cooldown: NotNegativeCount = 1
    min_learning_rate: NotNegative = 1e-5


class TrainingSettings(Group):
    """The training of the weights. `monitor`: the loss used by plateau, early stopping and the choice of the best
    model.

    `best`: the score by which the best epoch is chosen, "loss" or one of `metrics`: the smallest of LOSSES_BY_NAME, the
    largest of any other.

    "validation": the loss on `validation_patches` fixed patches (all tiles of a grid, or the full images) of
    `validation_share` of the training patients, who are held out; "training": the training loss; "none": the weights of
    the last epoch.

    `steps_per_epoch` is for patches drawn at random; a grid or full images give as many steps as cover each case once.
    `schedule`: "constant-decay" is constant for four fifths of the training, then falls to zero. `optimizer`: adam,
    rmsprop, or sgd with a Nesterov momentum of 0.99. `accumulated_steps`: steps per update of the weights, by the mean
    of their gradients. `average_decay`: the decay of a moving average of the weights, which replaces them at the end;
    null for none. `deep_supervision`: number of coarser decoder levels with an output of their own, the first with half
    the weight of the full resolution, the next with a quarter. `deterministic`: weights that are reproducible to the
    last bit, and predictions in float32 unless another precision is asked for; slower. `devices`: GPUs that each
    compute an equal share of every batch (batch normalisation is over the whole batch; under TensorFlow
    `gradient_clip_norm` holds for the gradient of each share, and gradients and weights cannot be averaged over steps).
    """

    epochs: Count = 1000
    steps_per_epoch: Count = 150
    learning_rate: Positive = 1e-3
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    schedule: Literal["plateau", "cosine", "polynomial", "constant", "constant-decay"] = "plateau"
    plateau: PlateauSettings = PlateauSettings()
    early_stop_patience: Count | None = 100
    gradient_clip_norm: Positive | None = None
    accumulated_steps: Count = 1
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    deep_supervision: NotNegativeCount = 0
    deterministic: bool = False
    devices: Count = 1
    monitor: Literal["validation", "training", "none"] = "validation"
    best: Name = "loss"
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation_patches: Count = 16
    metrics: Plugins = ("tversky", "soft-dice", "dice-crossentropy")
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    workers: Annotated[int, Field(ge=0, le=256)] | None = None

    @property
    def best_is_smallest(self) -> bool:
        """Whether the smallest `best` is the best; otherwise the largest."""
        return self.best in LOSSES_BY_NAME

    @model_validator(mode="after")
    def _has_a_loss_to_monitor(self):
        if self.monitor == "none" and (self.schedule == "plateau" or self.early_stop_patience is not None):
            raise ValueError(
                "monitor none has no loss for schedule plateau and early_stop_patience to follow; "
                "set schedule to cosine or constant and early_stop_patience to null"
            )
        if self.best not in ("loss", *self.metrics):
            raise ValueError(f"best is loss or one of the metrics, {', '.join(self.metrics)}, found {self.best}")
        if self.best != "loss" and self.monitor == "none":
            raise ValueError(f"monitor none keeps the last epoch; best {self.best} needs validation or training")
        return self
