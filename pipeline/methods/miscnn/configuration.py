"""MIScnn's configuration from our settings; what it cannot express is refused by name.

The preset `miscnn` says what MIScnn does of itself: a setting that is neither expressed nor irrelevant must have the
value it has there, also one that is new in pipeline/settings/schema.py.
"""

import itertools
import json
import math
from typing import Any

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.schema import AugmentationSettings, Settings

EXPRESSED = {
    "seed",
    "labels.names",
    "preprocessing.window_hu",
    "preprocessing.spacing_mm",
    "preprocessing.image_order",
    "patches.shape",
    "patches.batch",
    "augmentation.enabled",
    "augmentation.probability",
    "augmentation.scale",
    "augmentation.rotation_deg",
    "augmentation.elastic_alpha",
    "augmentation.elastic_sigma",
    "augmentation.brightness",
    "augmentation.contrast",
    "augmentation.gamma",
    "augmentation.noise_variance",
    "augmentation.mirror_axes",
    "network.filters",
    "network.batch_norm",
    "network.batch_norm_momentum",
    "training.epochs",
    "training.steps_per_epoch",
    "training.learning_rate",
    "training.plateau.factor",
    "training.plateau.patience",
    "training.plateau.min_delta",
    "training.plateau.cooldown",
    "training.plateau.min_learning_rate",
    "training.early_stop_patience",
    "training.metrics",
    "training.workers",
    "prediction.overlap",
    "prediction.batch",
    "evaluation.splits",
    "evaluation.folds",
    "evaluation.stratify_by_source",
    "evaluation.groups",
}
"""Settings that MIScnn takes, within the bounds that `refusals` checks."""

IRRELEVANT = {
    "labels.colours",
    "labels.mirror_pairs",  # looked at by `refusals` where mirroring left-right makes them count
    "patches.foreground_labels",
    "training.validation_share",
    "training.validation_patches",
    "postprocessing.lungs",
    "postprocessing.infection",
}
"""Settings without effect on what MIScnn computes, given the values that the others must have."""

CHOICES: dict[str, tuple[str, ...]] = {
    "loss.name": ("tversky-crossentropy", "tversky"),
    "training.schedule": ("plateau", "constant"),
    "training.monitor": ("training", "none"),
    "training.precision": ("auto", "float32"),
}
METRICS = ("tversky", "soft-dice", "dice-crossentropy")


def configuration(settings: Settings) -> dict[str, Any]:
    """What the worker needs, as plain content for JSON; lengths in voxels but `spacing_mm`, angles in radians.

    Raises one InputError that names every setting that MIScnn cannot express.
    """
    if refused := refusals(settings):
        raise InputError(
            f"MIScnn 1.4.0 cannot express {'; '.join(refused)}: change these, or begin with the preset miscnn",
            options=("changes", "preset"),
        )
    training, shape = settings.training, settings.patches.shape or ()
    strides = [max(1, int(size * (1.0 - settings.prediction.overlap))) for size in shape]
    return {
        "seed": settings.seed,
        "classes": len(settings.labels.names),
        "clip": list(settings.preprocessing.window_hu),
        "spacing_mm": settings.preprocessing.spacing_mm and list(settings.preprocessing.spacing_mm),
        "image_order": settings.preprocessing.image_order,
        "patch": list(shape),
        "overlap": [size - stride for size, stride in zip(shape, strides, strict=True)],
        "batch": {"train": settings.patches.batch, "predict": settings.prediction.batch},
        "augmentation": _augmentation(settings.augmentation) if settings.augmentation.enabled else None,
        "filters": settings.network.filters[0],
        "depth": len(settings.network.filters) - 1,
        "batch_norm": settings.network.batch_norm,
        "batch_norm_momentum": settings.network.batch_norm_momentum,
        "loss": settings.loss.name,
        "metrics": list(training.metrics),
        "epochs": training.epochs,
        "steps_per_epoch": training.steps_per_epoch,
        "learning_rate": training.learning_rate,
        "plateau": {
            "factor": training.plateau.factor,
            "patience": training.plateau.patience,
            "min_delta": training.plateau.min_delta,
            "cooldown": training.plateau.cooldown,
            "min_lr": training.plateau.min_learning_rate,
        }
        if training.schedule == "plateau"
        else None,
        "early_stop_patience": training.early_stop_patience,
        "keep_best": training.monitor == "training",
        "workers": 1 if training.workers is None else training.workers,
    }


def refusals(settings: Settings) -> list[str]:
    """Each setting that MIScnn cannot express as "name=value (only what it can)"; empty where it can run them all."""
    only = _flat(load_settings("miscnn").model_dump(mode="json"))
    texts = []
    for name, value in _flat(settings.model_dump(mode="json")).items():
        if name.startswith("augmentation.") and not settings.augmentation.enabled:
            continue
        if name in CHOICES:
            if value not in CHOICES[name]:
                texts.append(_refusal(name, value, " or ".join(CHOICES[name])))
        elif name not in EXPRESSED | IRRELEVANT and value != only[name]:
            texts.append(_refusal(name, value, _text(only[name])))
    return texts + _out_of_bounds(settings)


def _out_of_bounds(settings: Settings) -> list[str]:
    """Settings that MIScnn expresses in part."""
    shape, filters = settings.patches.shape, settings.network.filters
    texts = []
    if shape is None or len(shape) != 3:
        texts.append(_refusal("patches.shape", shape, "three numbers"))
    if any(wide != 2 * narrow for narrow, wide in itertools.pairwise(filters)):
        texts.append(_refusal("network.filters", filters, "each level twice as wide as the one above"))
    if unknown := [name for name in settings.training.metrics if name not in METRICS]:
        texts.append(_refusal("training.metrics", unknown, ", ".join(METRICS)))
    mirrored = settings.augmentation.enabled and 0 in settings.augmentation.mirror_axes
    if mirrored and settings.labels.mirror_pairs:
        only = "[] where augmentation.mirror_axes has 0: labels stay as they are in a mirrored patient"
        texts.append(_refusal("labels.mirror_pairs", settings.labels.mirror_pairs, only))
    return texts


def _augmentation(settings: AugmentationSettings) -> dict[str, dict]:
    """`steps`: which are switched on; `ranges`: the attributes of MIScnn's Data_Augmentation."""
    most = math.radians(settings.rotation_deg)
    angles = [-most, most]
    return {
        "steps": {
            "scaling": settings.scale != (1.0, 1.0),
            "rotations": most > 0,
            "elastic_deform": settings.elastic_alpha[1] > 0,
            "mirror": bool(settings.mirror_axes),
            "brightness": settings.brightness != (1.0, 1.0),
            "contrast": settings.contrast != (1.0, 1.0),
            "gamma": settings.gamma != (1.0, 1.0),
            "gaussian_noise": settings.noise_variance[1] > 0,
        },
        "ranges": {
            "config_p_per_sample": settings.probability,
            "config_scaling_range": list(settings.scale),
            "config_rotations_angleX": angles,
            "config_rotations_angleY": angles,
            "config_rotations_angleZ": angles,
            "config_elastic_deform_alpha": list(settings.elastic_alpha),
            "config_elastic_deform_sigma": list(settings.elastic_sigma),
            "config_mirror_axes": list(settings.mirror_axes),
            "config_brightness_range": list(settings.brightness),
            "config_contrast_range": list(settings.contrast),
            "config_gamma_range": list(settings.gamma),
            "config_gaussian_noise_range": list(settings.noise_variance),
        },
    }


def _flat(content: dict, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _refusal(name: str, value: Any, only: str) -> str:
    return f"{name}={_text(value)} (only {only})"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
