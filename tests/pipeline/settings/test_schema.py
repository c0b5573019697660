"""Settings are finite numbers within limits, wherever they come from; errors are one short line."""

import time

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.loading import FROM_FILE, load_settings, settings_from, settings_yaml
from pneumoseg.pipeline.settings.schema import Settings

FLOATS = [
    f"{group}.{name}"
    for group, settings in Settings()
    if hasattr(settings, "model_fields_set")
    for name, value in settings
    if type(value) is float
]


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "nan", "inf", "1e400", "1.0e+400"])
@pytest.mark.parametrize("name", FLOATS)
def test_no_number_may_be_infinite_or_undefined(name, value):
    with pytest.raises(InputError, match=name):
        load_settings("demo", [f"{name}={value}"])


@pytest.mark.parametrize(
    "change",
    [
        "preprocessing.window_hu=[-.inf, 0]",
        "preprocessing.window_hu=[.nan, 0]",
        "preprocessing.windowed_source_hu=[-1250, .inf]",
        "preprocessing.window_hu=[-1.0e+30, 1.0e+30]",
        "preprocessing.spacing_mm=[.nan, 1, 1]",
        "preprocessing.spacing_mm=[1.0e+30, 1, 1]",
        "preprocessing.spacing_mm=[1, 1, 1.0e-30]",
        "augmentation.scale=[1, .inf]",
        "augmentation.elastic_alpha=[0, .nan]",
        "loss.class_weights=[1, .nan, 1, 1]",
        "loss.focus=.inf",
        "training.gradient_clip_norm=.inf",
        "training.plateau.factor=.nan",
        "evaluation.tolerances_mm=[[infection, .nan]]",
        "postprocessing.smallest_infection_ml=.inf",
        "patches.batch=9223372036854775808",
        "training.epochs=9223372036854775808",
        f"training.steps_per_epoch={'9' * 400}",
        f"seed=0x{'f' * 9000}",
        f"seed={'9' * 5000}",
        f"training.epochs={'[' * 5000}",
        f"training.epochs={list(range(3000))}",
        "training.epochs=2020-01-01",
        "training.epochs=2020-99-99",
        "training.epochs=[&a [1], *a, *a]",
        "training.epochs=5\nseed: 1",
        f"network.filters={[8] * 40}",
        f"{'x' * 100_000}=1",
        f"training.{'y' * 100_000}=1",
        "training.epochs=" + "z" * 100_000,
        'labels.names=["\\ud800", b, c, d]',
    ],
)
def test_a_bad_change_of_any_size_is_one_short_line(change):
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_settings("demo", [change])
    assert len(str(caught.value)) < 1100
    assert time.monotonic() - started < 5


def test_a_list_of_a_thousand_million_values_is_refused_with_a_short_message():
    values: list = [1] * 10
    for _ in range(8):
        values = [values] * 10
    started = time.monotonic()
    with pytest.raises(InputError, match="at most 10,000 values"):
        settings_from({"training": {"epochs": values}}, "settings")
    values.append(values)
    with pytest.raises(InputError, match="at most 10,000 values"):
        settings_from({"training": {"epochs": values}}, "settings")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "content", [{"training": 5}, {"training": None}, {"labels": {"names": [1, 2]}}, {1: 2}, {"": 1}]
)
def test_wrong_types_in_a_model_s_settings_are_refused(content):
    with pytest.raises(InputError, match=r"model\.keras: "):
        settings_from(content, "model.keras")


@pytest.mark.parametrize("place", ["/home/someone/data/splits.json", "splits.json", "C:\\data\\SPLITS.JSON"])
def test_the_path_of_a_file_of_splits_is_not_on_record(tmp_path, place):
    settings = load_settings("demo").model_copy()
    evaluation = settings.evaluation.model_copy(update={"splits": place})
    text = settings_yaml(settings.model_copy(update={"evaluation": evaluation}))
    assert "splits: file" in text
    assert "someone" not in text and "splits.json" not in text.lower()
    (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
    assert load_settings(tmp_path / "settings.yaml").evaluation.splits == FROM_FILE


def test_splits_from_a_file_that_is_not_on_record_must_be_given_again():
    from pneumoseg.evaluation.runs.splits import make_splits

    with pytest.raises(InputError, match=r"came from a file.*splits\.json"):
        make_splits(FROM_FILE, [])


@pytest.mark.parametrize("name", ["kfold", "published", "hold-out:0.2", "leave-one-out"])
def test_named_splits_are_on_record(name):
    assert f"splits: {name}" in settings_yaml(load_settings("demo", [f"evaluation.splits={name}"]))


@pytest.mark.parametrize(
    ("preset", "changes", "sentence"),
    [
        ("covid-3d-unet", [], "the smallest loss on 16 fixed patches of 20% of the fold's training patients"),
        ("covid-3d-unet-reference", [], "the epoch with the smallest training loss; the test cases were not looked at"),
        ("slice-unet-iou", [], "the epoch with the largest iou on the whole images of the split's validation slices"),
        ("binary-slice-unet", ["training.best=jaccard-distance"], "the smallest training jaccard-distance; the test"),
        ("demo", [], "the weights of the last epoch"),
    ],
)
def test_the_choice_of_the_model_is_said_in_words(preset, changes, sentence):
    assert sentence in load_settings(preset, changes).model_choice


def test_two_classes_without_lungs_may_be_corrected():
    changes = ["postprocessing.smallest_infection_ml=1"]
    assert load_settings("picture-unet", changes).postprocessing.active
    with pytest.raises(InputError, match=r"postprocessing.lungs and infection are below 2.*found \[\] and 2"):
        load_settings("picture-unet", [*changes, "postprocessing.infection=2"])


@pytest.mark.parametrize("change", ["network.output=sigmoid", "prediction.threshold=0.4"])
def test_a_sigmoid_and_a_threshold_are_for_two_classes(change):
    with pytest.raises(InputError, match="for two classes, background and one more, found 4 classes"):
        load_settings("demo", [change])


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("demo", "preprocessing.every=2", "every 2 is for axes of a fixed size, found size null"),
        ("demo", "patches.axis=1", "axis 1 is of a 2D network"),
        ("slice-unet-dice", "patches.neighbours=1", "patches.neighbours are of volumes"),
        ("slice-unet-dice", "patches.axis=0", "preprocessing.size is null across the slices, axis 0"),
        ("picture-unet", "preprocessing.size=[512, 512, 2]", "preprocessing.size is null across the slices, axis 2"),
    ],
)
def test_settings_that_would_have_no_effect_or_a_wrong_one_are_refused(preset, change, message):
    with pytest.raises(InputError, match=message):
        load_settings(preset, [change])


def test_source_weights_are_for_random_patches():
    assert Settings(data={"source_weights": {"clinic": 2}}).data.source_weights == (("clinic", 2.0),)
    with pytest.raises(ValueError, match="source_weights are for patches drawn at random"):
        Settings(data={"source_weights": {"clinic": 2}}, patches={"sampling": "grid"})


def test_slices_are_equalised_always_or_at_random():
    with pytest.raises(ValueError, match=r"found preprocessing\.equalise hu; set one of both"):
        Settings(augmentation={"equalise": 0.5}, preprocessing={"equalise": "hu"})


def test_pictures_are_not_equalised_at_random():
    with pytest.raises(ValueError, match="equalise is for CTs in HU"):
        Settings(augmentation={"equalise": 0.5}, preprocessing={"values": "picture"})
