"""What MIScnn is told, and what is refused."""

import json
import math

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.methods.miscnn.configuration import (
    CHOICES,
    EXPRESSED,
    IRRELEVANT,
    _flat,
    configuration,
    refusals,
)
from pneumoseg.pipeline.settings.loading import load_settings

REFUSED = {
    "network.name=residual-unet": "network.name=residual-unet (only standard-unet)",
    "network.filters=[32, 32, 64, 128, 256]": "network.filters=[32, 32, 64, 128, 256] (only each level twice as wide",
    "preprocessing.normalisation=none": "preprocessing.normalisation=none (only z-score)",
    "preprocessing.windowed_source_hu=[-1000, 400]": "preprocessing.windowed_source_hu=[-1000.0, 400.0] (only",
    "preprocessing.steps=['mine:step']": 'preprocessing.steps=["mine:step"] (only [])',
    "patches.shape=[160, 160]": "patches.shape=[160, 160] (only three numbers)",
    "patches.sampling=grid": "patches.sampling=grid (only random)",
    "patches.foreground_share=0.5": "patches.foreground_share=0.5 (only 0.0)",
    "augmentation.image_order=1": "augmentation.image_order=1 (only 3)",
    "augmentation.mirror_probability=0.3": "augmentation.mirror_probability=0.3 (only 0.5)",
    "augmentation.blur_sigma=[0, 1]": "augmentation.blur_sigma=[0.0, 1.0] (only [0.0, 0.0])",
    "augmentation.low_resolution=[0.5, 1]": "augmentation.low_resolution=[0.5, 1.0] (only [1.0, 1.0])",
    "labels.mirror_pairs=[[1, 2]]": "labels.mirror_pairs=[[1, 2]] (only [] where augmentation.mirror_axes has 0",
    "loss.name=dice": "loss.name=dice (only tversky-crossentropy or tversky)",
    "loss.alpha=0.3": "loss.alpha=0.3 (only 0.5)",
    "training.optimizer=sgd": "training.optimizer=sgd (only adam)",
    "training.schedule=cosine": "training.schedule=cosine (only plateau or constant)",
    "training.schedule=polynomial": "training.schedule=polynomial (only plateau or constant)",
    "training.gradient_clip_norm=5": "training.gradient_clip_norm=5.0 (only null)",
    "training.accumulated_steps=2": "training.accumulated_steps=2 (only 1)",
    "training.average_decay=0.99": "training.average_decay=0.99 (only null)",
    "training.deep_supervision=1": "training.deep_supervision=1 (only 0)",
    "training.deterministic=true": "training.deterministic=true (only false)",
    "training.monitor=validation": "training.monitor=validation (only training or none)",
    "training.metrics=[tversky, crossentropy]": 'training.metrics=["crossentropy"] (only tversky, soft-dice',
    "training.precision=mixed_bfloat16": "training.precision=mixed_bfloat16 (only auto or float32)",
    "prediction.weights=gaussian": "prediction.weights=gaussian (only uniform)",
    "prediction.mirror_axes=[1]": "prediction.mirror_axes=[1] (only [])",
    "prediction.skip_air=true": "prediction.skip_air=true (only false)",
    "postprocessing.fill_holes=true": "postprocessing.fill_holes=true (only false)",
    "postprocessing.smallest_infection_ml=1": "postprocessing.smallest_infection_ml=1.0 (only 0.0)",
}


@pytest.mark.parametrize("change", REFUSED)
def test_each_refusal_names_its_setting(change):
    found = refusals(load_settings("miscnn", [change]))
    assert len(found) == 1
    assert found[0].startswith(REFUSED[change])


def test_all_refusals_are_in_one_message():
    with pytest.raises(InputError, match="the preset miscnn") as error:
        configuration(load_settings("covid-3d-unet"))
    for name in ("training.monitor", "prediction.weights", "prediction.skip_air", "labels.mirror_pairs"):
        assert f"{name}=" in str(error.value)


def test_augmentation_that_is_off_is_not_looked_at():
    off = ["augmentation.enabled=false", "augmentation.image_order=1", "labels.mirror_pairs=[[1, 2]]"]
    assert configuration(load_settings("miscnn", off))["augmentation"] is None


def test_lungs_may_be_paired_where_left_and_right_are_not_mirrored():
    settings = load_settings("miscnn", ["labels.mirror_pairs=[[1, 2]]", "augmentation.mirror_axes=[1, 2]"])
    assert configuration(settings)["augmentation"]["ranges"]["config_mirror_axes"] == [1, 2]


def test_every_name_is_a_setting():
    assert EXPRESSED | IRRELEVANT | set(CHOICES) <= set(_flat(load_settings("miscnn").model_dump(mode="json")))


def test_the_preset_is_the_published_configuration():
    told = configuration(load_settings("miscnn"))
    assert json.loads(json.dumps(told)) == told
    assert (told["filters"], told["depth"], told["classes"]) == (32, 4, 4)
    assert told["clip"] == [-1250, 250]
    assert told["spacing_mm"] == [1.58, 1.58, 2.70]
    assert (told["patch"], told["overlap"]) == ([160, 160, 80], [80, 80, 40])
    assert told["plateau"] == {"factor": 0.1, "patience": 15, "min_delta": 1e-4, "cooldown": 1, "min_lr": 1e-5}
    assert (told["epochs"], told["steps_per_epoch"], told["early_stop_patience"]) == (1000, 150, 100)
    assert told["keep_best"] is True
    assert all(told["augmentation"]["steps"].values())
    assert told["augmentation"]["ranges"]["config_rotations_angleZ"] == [-math.pi / 12, math.pi / 12]
    assert told["augmentation"]["ranges"]["config_elastic_deform_alpha"] == [0, 900]


def test_neutral_ranges_switch_a_change_off():
    neutral = ["scale=[1, 1]", "rotation_deg=0", "elastic_alpha=[0, 0]", "brightness=[1, 1]", "contrast=[1, 1]"]
    neutral += ["gamma=[1, 1]", "noise_variance=[0, 0]", "mirror_axes=[]"]
    told = configuration(load_settings("miscnn", [f"augmentation.{change}" for change in neutral]))
    assert not any(told["augmentation"]["steps"].values())


@pytest.mark.parametrize(("share", "voxels"), [(0, [0, 0, 0]), (0.25, [40, 40, 20]), (0.95, [152, 152, 76])])
def test_overlap_is_counted_in_voxels(share, voxels):
    assert configuration(load_settings("miscnn", [f"prediction.overlap={share}"]))["overlap"] == voxels


def test_the_last_weights_where_nothing_is_monitored():
    constant = ["training.monitor=none", "training.schedule=constant", "training.early_stop_patience=null"]
    told = configuration(load_settings("miscnn", constant))
    assert (told["keep_best"], told["plateau"], told["early_stop_patience"]) == (False, None, None)
