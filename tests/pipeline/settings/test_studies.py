"""Settings of networks for whole studies: what fits together, and what is refused in words."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.loading import load_study_settings
from pneumoseg.pipeline.settings.studies import StudySettings


def test_the_defaults_are_those_of_the_thesis():
    settings = load_study_settings("hrct-joint")
    assert settings == StudySettings()
    assert settings.input.shape == (64, 128, 128)
    assert settings.input.lungs == "multiplied"
    assert settings.network.name == "hrct-cnn"


@pytest.mark.parametrize("ending", ["", "-cpu"])
def test_classifier_and_severity_are_the_heads_of_the_joint_network(ending):
    joint = load_study_settings(f"hrct-joint{ending}")
    for name, heads in (("classifier", ("label",)), ("severity", ("score",))):
        single = load_study_settings(f"hrct-{name}{ending}")
        assert single.network.heads == heads
        assert single.model_copy(update={"network": joint.network}) == joint


def test_the_mask_as_a_channel_is_a_second_one():
    assert load_study_settings("hrct-joint").input.channels == 1
    assert load_study_settings("hrct-joint", ["input.lungs=channel"]).input.channels == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network.heads=[label, label]", "each once"),
        ("network.heads=[]", "network.heads"),
        ("network.name=u-net", "'hrct-cnn', 'resnet', 'densenet' or 'unet-encoder'"),
        ("network.nam=resnet", "did you mean name"),
        ("input.shape=[4, 128, 128]", "at least 8 along each axis.*4 levels"),
        ("input.window_hu=[400, -1000]", "lower end"),
        ("training.validation_share=0", "early_stop_patience needs a validation_share"),
        ("training.learning_rate=.nan", "learning_rate"),
        ("kind=masks", "kind"),
    ],
)
def test_a_bad_change_is_refused_in_words(change, message):
    with pytest.raises(InputError, match=message):
        load_study_settings("hrct-joint", [change])


def test_a_densenet_shares_its_filters_among_its_layers():
    with pytest.raises(InputError, match=r"divisible by depth 3, .*found \[64, 64, 128, 256\]"):
        load_study_settings("hrct-joint", ["network.name=densenet", "network.depth=3"])


def test_an_encoder_of_a_unet_has_no_stride():
    with pytest.raises(InputError, match="first_stride is 1"):
        load_study_settings("hrct-joint", ["network.name=unet-encoder", "network.first_stride=2"])


def test_how_the_model_is_chosen_is_said_in_words():
    assert "Youden" in load_study_settings("hrct-joint").model_choice
    assert "Youden" not in load_study_settings("hrct-severity").model_choice
    all_studies = load_study_settings(
        "hrct-joint", ["training.validation_share=0", "training.early_stop_patience=null"]
    )
    assert "last epoch" in all_studies.model_choice
