import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.loading import (
    change_settings,
    load_settings,
    load_study_settings,
    names_study_settings,
    preset_names,
    settings_yaml,
    with_defaults,
)
from pneumoseg.pipeline.settings.studies import StudySettings


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_survives_yaml(name, tmp_path):
    settings = load_settings(name)
    path = tmp_path / "settings.yaml"
    path.write_text(settings_yaml(settings), encoding="utf-8")
    assert load_settings(path) == settings


@pytest.mark.parametrize("name", preset_names(StudySettings))
def test_every_preset_for_studies_loads_and_survives_yaml(name, tmp_path):
    settings = load_study_settings(name)
    path = tmp_path / "settings.yaml"
    path.write_text(settings_yaml(settings), encoding="utf-8")
    assert load_study_settings(path) == settings


def test_presets_of_one_kind_are_none_of_the_other():
    assert not set(preset_names()) & set(preset_names(StudySettings))
    with pytest.raises(InputError, match="no such preset or file"):
        load_settings("hrct-joint")
    with pytest.raises(InputError, match="no such preset or file"):
        load_study_settings("demo")


def test_a_file_of_the_other_kind_is_refused(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(settings_yaml(load_study_settings("hrct-joint")), encoding="utf-8")
    with pytest.raises(InputError, match="settings of a segmentation are needed, found those of a network for"):
        load_settings(path)
    path.write_text(settings_yaml(load_settings("demo")), encoding="utf-8")
    with pytest.raises(InputError, match="kind: studies are needed, found those of a segmentation"):
        load_study_settings(path)


def test_settings_for_studies_are_changed_and_filled_by_their_own_kind():
    settings = change_settings(load_study_settings("hrct-joint"), ["training.epochs=3"], "changes")
    assert settings.training.epochs == 3
    filled = with_defaults({"kind": "studies", "training": {"epochs": 3}})
    assert filled == settings.model_dump(mode="json")


def test_the_main_preset_has_the_published_configuration():
    settings = load_settings("covid-3d-unet")
    assert settings.preprocessing.window_hu == (-1250, 250)
    assert settings.preprocessing.spacing_mm == (1.58, 1.58, 2.70)
    assert settings.patches.shape == (160, 160, 80)
    assert settings.patches.batch == 2
    assert settings.network.filters == (32, 64, 128, 256, 512)
    assert settings.training.learning_rate == 1e-3
    assert settings.training.monitor == "validation"
    assert settings.evaluation.folds == 5


def test_the_reference_preset_differs_in_what_is_monitored_alone():
    main, reference = load_settings("covid-3d-unet"), load_settings("covid-3d-unet-reference")
    assert reference.training.monitor == "training"
    assert reference.model_copy(update={"training": main.training}) == main


def test_changes_are_yaml_values():
    settings = load_settings("demo", ["training.epochs=7", "patches.shape=[32, 32]", "training.schedule=constant"])
    assert settings.training.epochs == 7
    assert settings.patches.shape == (32, 32)
    assert settings.dimensions == 2
    assert settings.training.schedule == "constant"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=5", "did you mean epochs"),
        ("trainig.epochs=5", "did you mean training"),
        ("training.epochs=0", "training.epochs.*greater than or equal to 1.*0"),
        ("training.epochs=many", "training.epochs"),
        ("training.epochs", "give KEY=VALUE"),
        ("patches.shape=[30, 32, 32]", "divisible by 8"),
        ("patches.shape=[32]", "two or three"),
        ("patches.foreground_labels=[7]", "below 4"),
        ("augmentation.scale=[1.2, 0.8]", "ascends"),
        ("preprocessing.window_hu=[-1000, -1000]", r"window_hu: .*lower end.*found \[-1000"),
        ("preprocessing.windowed_source_hu=[250, -1250]", r"windowed_source_hu: .*lower end.*found \[250"),
        ("training.schedule=plateau", "monitor none"),
        ("labels.names=[background]", "at least two"),
        ("patches.shape=null", "batch must be 1"),
    ],
)
def test_a_bad_change_is_refused_in_words(change, message):
    with pytest.raises(InputError, match=message):
        load_settings("demo", [change])


@pytest.mark.parametrize(
    ("names", "changes", "lungs"),
    [
        ("background, lung_left, lung_right, infection", [], (1, 2)),
        ("background, right lung, left lung, lesion", [], (1, 2)),
        ("background, lobe_1, lobe_2, lobe_3, infection", [], ()),
        ("background, lobe_1, lobe_2, lobe_3, infection", ["postprocessing.lungs=[1, 2, 3]"], (1, 2, 3)),
        ("background, lung, infection", [], ()),
        ("background, lesion", ["patches.foreground_labels=[1]"], ()),
    ],
)
def test_which_classes_are_lungs_is_said_by_their_names_or_by_the_settings(names, changes, lungs):
    count = names.count(",") + 1
    table = f"labels={{names: [{names}], colours: {[[0, 0, 0]] * count}, mirror_pairs: []}}"
    foreground = [] if changes and "foreground" in changes[0] else ["patches.foreground_labels=[2]"]
    assert load_settings("demo", [table, *foreground, *changes]).lung_labels == lungs


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(InputError, match="did you mean covid-3d-unet"):
        load_settings("covid-3d-unt")


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_settings(path)


@pytest.mark.parametrize(
    ("shape", "levels", "message"),
    [
        ("[160, 160, 72]", 5, r"divisible by 16, .*\[160, 160, 72\]; use \[160, 160, (64|80)\], or .* of 4 levels"),
        ("[8, 8]", 5, r"use \[16, 16\], or network.filters of 4 levels at most"),
        ("[7, 8, 8]", 2, r"use \[8, 8, 8\]$"),
    ],
)
def test_a_patch_that_does_not_fit_the_depth_is_told_which_would(shape, levels, message):
    filters = [4] * levels
    with pytest.raises(InputError, match=message):
        load_settings("covid-3d-unet", [f"patches.shape={shape}", f"network.filters={filters}"])


@pytest.mark.parametrize("content", ["seed: 3 # für alle\n".encode("latin-1"), b"PK\x03\x04\x14\x00\xff\xfe model"])
def test_a_file_that_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.keras: .*UTF-8, found other bytes at \d+; store it"):
        load_settings(path)


IN_2D = (
    *("picture-unet", "picture-unet-printed", "binary-slice-unet", "multiclass-slice-unet"),
    *("slice-unet-accuracy", "slice-unet-iou", "slice-unet-dice"),
)


def flat(content: dict) -> dict:
    """Values by GROUP.NAME."""
    groups = {group: values for group, values in content.items() if isinstance(values, dict)}
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def changed(one, other) -> set[str]:
    """The settings, as GROUP.NAME, in which two presets differ."""
    ours, theirs = (flat(settings.model_dump()) for settings in (one, other))
    return {name for name, value in ours.items() if value != theirs[name]}


@pytest.mark.parametrize("name", IN_2D)
def test_a_2d_preset_shows_each_image_whole_once_an_epoch(name):
    settings = load_settings(name)
    assert settings.dimensions == 2
    assert settings.preprocessing.size == (*settings.patches.shape, None)
    assert settings.patches.sampling == "grid"
    assert settings.lung_labels == ()
    assert not settings.prediction.skip_air


@pytest.mark.parametrize("name", IN_2D)
def test_a_cpu_size_of_a_2d_preset_differs_in_size_alone(name):
    sizes = {"preprocessing.size", "patches.shape", "network.filters", "network.batch_norm_momentum"}
    run = {"training.epochs", "training.plateau", "training.learning_rate", "training.validation_patches"}
    assert changed(load_settings(name), load_settings(f"{name}-cpu")) <= sizes | run


def test_the_models_of_the_thesis_differ_in_loss_score_and_epochs_alone():
    accuracy, iou, dice = (load_settings(f"slice-unet-{score}") for score in ("accuracy", "iou", "dice"))
    assert changed(accuracy, iou) == {"training.best"}
    of_loss = {"loss.name", "loss.class_weights"}
    assert changed(iou, dice) == {"training.best", "training.epochs", *of_loss}
    assert dice.loss.class_weights == (0, 1)
    assert [settings.training.epochs for settings in (accuracy, iou, dice)] == [100, 100, 250]
    assert iou.labels.merge == ((1, 0), (2, 0), (3, 1))
    assert (iou.data.cases, iou.patches.empty, iou.preprocessing.every) == ("slices", "drop", 2)
    assert (iou.preprocessing.normalisation, iou.network.batch_norm) == ("dataset", False)
    assert iou.evaluation.splits == "slices:0.7,0.2,0.1"


def test_the_networks_of_the_segmentation_api_differ_in_the_network_alone():
    described, printed = load_settings("picture-unet"), load_settings("picture-unet-printed")
    assert changed(described, printed) == {"network.filters", "network.convolutions"}
    assert described.channels == 3
    assert described.network.filters == (64, 128, 256, 512, 1024)
    plateau = described.training.plateau
    assert (plateau.factor, plateau.patience, plateau.min_learning_rate) == (0.1, 5, 1e-7)
    assert described.prediction.threshold == 0.5


def test_the_slice_network_has_what_its_author_gives():
    settings = load_settings("binary-slice-unet")
    assert (settings.training.optimizer, settings.training.learning_rate) == ("rmsprop", 1e-4)
    assert settings.evaluation.splits == "slices:0.6,0,0.4"
    assert settings.training.monitor == "training"
    changes = ["loss.name=dice", "loss.class_weights=[0,1]", "labels.merge={1: 1, 2: 1, 3: 1}"]
    dice = load_settings("binary-slice-unet", [*changes, "augmentation.elastic_alpha=[0,900]"])
    assert dice.labels.merge == ((1, 1), (2, 1), (3, 1))
    assert dice.augmentation.elastic_alpha == (0, 900)


def test_a_file_holds_what_differs_from_its_base(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: slice-unet-dice\nlabels: {merge: {2: 1}}\ntraining: {epochs: 3, plateau: {patience: 2}}\n")
    mine, base = load_settings(path), load_settings("slice-unet-dice")
    assert changed(mine, base) == {"labels.merge", "training.epochs", "training.plateau"}
    assert (mine.training.plateau.patience, mine.training.plateau.factor) == (2, base.training.plateau.factor)
    assert mine.labels.merge == ((2, 1),)  # a mapping of labels is replaced as a whole
    assert load_settings("slice-unet-dice").loss.class_weights == (0, 1)


def test_weights_of_sources(tmp_path):
    settings = load_settings("demo", ["data.source_weights={covid_ct_hu: 2, other: 0.5}"])
    assert settings.data.source_weights == (("covid_ct_hu", 2.0), ("other", 0.5))
    (tmp_path / "settings.yaml").write_text(settings_yaml(settings))
    assert load_settings(tmp_path / "settings.yaml") == settings
    for value in ("{a: 0}", "{a: -1}", "{a: .inf}", "{a: x}", "[[a, 1], [a, 2]]", "{7: 1}", "5"):
        with pytest.raises(InputError, match=r"data\.source_weights|data: source_weights"):
            load_settings("demo", [f"data.source_weights={value}"])


@pytest.mark.parametrize("base", ["slice-unet-dic", "3", "[demo]", "../demo"])
def test_a_base_that_is_no_preset_is_refused(tmp_path, base):
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: {base}\n")
    with pytest.raises(InputError, match=r"mine\.yaml: base is the name of a preset.*, found"):
        load_settings(path)


def test_the_kind_of_settings_is_told_by_name_and_file(tmp_path):
    assert names_study_settings("hrct-joint")
    assert not names_study_settings("demo")
    assert not names_study_settings("nowhere.yaml")
    for text, expected in (("kind: studies\n", True), ("base: hrct-joint-cpu\n", True), ("base: demo\n", False)):
        (tmp_path / "own.yaml").write_text(text)
        assert names_study_settings(tmp_path / "own.yaml") is expected
