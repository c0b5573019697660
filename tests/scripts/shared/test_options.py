"""Flags that mean the same everywhere, and what their values stand for."""

import inspect
import typing

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti_placement import FORMS
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.data_io.phantoms.slices import write_pictures
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.scripts import cli
from pneumoseg.scripts.shared import cluster_options, options
from pneumoseg.scripts.shared.command import flags_of
from pneumoseg.scripts.shared.options import (
    Form,
    dataset_and_splits,
    dataset_of,
    explored_dataset,
    merge_of,
    numbered_labels,
    settings_of,
    tolerances_of,
    use_device,
)

COMMANDS = {one.name: one.callback for one in cli.app.registered_commands}
WITHOUT_OVERWRITE = {"verify", "info", "report", "receive", "serve"}
"""Commands that write no results, and those that replace what is there of a run or of a slice."""
ADDING = {"watch", "submit"}
"""Commands that write results beside those that are there, and replace none."""

SHARED = {
    "quiet": options.Quiet, "json": options.Json, "verbose": options.Verbose, "overwrite": options.Overwrite,
    "grid": options.Grid, "resume": options.Resume, "device": options.Device, "threads": options.Threads,
    "changes": options.Set, "trust_plugins": options.TrustPlugins, "data": options.DataFolders,
    "part": options.Part,
    "scheduler": cluster_options.Scheduler, "insecure": cluster_options.Insecure,
}  # fmt: skip

EXPLORED = {"grid": None, "masks": "masks", "merge": None}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_flags_of_all(name):
    flags = flags_of(COMMANDS[name])
    assert {"quiet", "json", "verbose"} <= flags.keys()
    assert ("output" in flags) == (name not in WITHOUT_OVERWRITE)
    assert ("overwrite" in flags) == (name not in WITHOUT_OVERWRITE | ADDING)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_flag_is_the_same_in_every_command(name):
    for parameter in inspect.signature(COMMANDS[name]).parameters.values():
        if parameter.name in SHARED:
            assert parameter.annotation == SHARED[parameter.name]


def test_the_forms_of_a_grid_are_those_of_nifti_headers():
    assert typing.get_args(Form) == FORMS


def test_flags_that_stand_for_settings():
    settings = settings_of("demo", ["training.epochs=3"], seed=7, splits="leave-one-out", grid="qform")
    assert (settings.training.epochs, settings.seed, settings.evaluation.splits) == (3, 7, "leave-one-out")
    assert settings.data.grid == "qform"
    assert settings_of("demo").data.grid == "sform"


def test_tolerances():
    assert tolerances_of(None) == {}
    assert tolerances_of(["lungs=1", " infection = 2.5"]) == {"lungs": 1.0, "infection": 2.5}
    for text in ("lungs", "lungs=x", "lungs=-1", "lungs=inf"):
        with pytest.raises(InputError, match=f"--tolerance takes CLASS=MM, such as infection=3, found {text}"):
            tolerances_of([text])


def test_classes_by_their_number():
    assert numbered_labels(4) is LUNG_LABELS
    assert numbered_labels(3).names == ("background", "class_1", "class_2")


def test_threads_go_through_the_environment(monkeypatch):
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    use_device("cpu", 3)
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1"
    assert environment["OMP_NUM_THREADS"] == environment["TF_NUM_INTRAOP_THREADS"] == "3"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("pneumoseg.pipeline.runtime.hardware.gpu_available", lambda: False)
    with pytest.raises(InputError, match="the backend sees no GPU") as error:
        use_device("gpu", None)
    assert error.value.options == ("device",)


def test_random_slices_give_the_share_of_validation():
    settings = settings_of("demo", splits="slices:0.6,0.2,0.2")
    assert settings.training.validation_share == pytest.approx(0.25)
    assert settings.evaluation.splits == "slices:0.6,0.2,0.2"
    with pytest.raises(InputError, match=r"such as slices:0\.7,0\.2,0\.1, found slices:0\.6"):
        settings_of("demo", splits="slices:0.6")


def test_random_slices_without_validation_need_another_monitor():
    with pytest.raises(InputError, match=r"found slices:0\.6,0,0\.4; set training\.monitor to training or none"):
        settings_of("demo", ["training.monitor=validation"], splits="slices:0.6,0,0.4")
    share = settings_of("demo").training.validation_share
    settings = settings_of("demo", ["training.monitor=training"], splits="slices:0.6,0,0.4")
    assert settings.training.validation_share == share


def test_datasets_are_opened_as_the_settings_say(phantoms):
    volumes = dataset_of(settings_of("demo", ["labels.merge={7: 1}"]), [phantoms])
    assert len(volumes) == 4
    assert {case.merge for case in volumes} == {((7, 1),)}
    changes = ["data.cases=slices", "patches.empty=drop", "patches.foreground_labels=[1]"]
    slices = dataset_of(settings_of("demo", changes), [phantoms])
    assert {case.slice.volume for case in slices} == {case.name for case in volumes}
    assert {case.patient for case in slices} == {case.name for case in volumes}
    assert len(slices) < len(dataset_of(settings_of("demo", changes[:1]), [phantoms])) == 4 * 24
    with pytest.raises(InputError, match="found classes for the layout folder per case"):
        dataset_of(settings_of("demo", ["data.masks=classes"]), [phantoms])


def test_several_datasets_are_one(phantoms, tmp_path):
    (tmp_path / "more").symlink_to(phantoms)
    with pytest.raises(InputError, match="the dataset is given 2 times"):
        dataset_of(settings_of("demo"), [phantoms, tmp_path / "more"])
    write_phantoms(tmp_path / "others", 2, shape=(32, 32, 24), seed=2)
    settings = settings_of("demo", ["data.source_weights={others: 2}", "evaluation.folds=2"])
    dataset, splits = dataset_and_splits(settings, [phantoms, tmp_path / "others"])
    assert sorted({case.source for case in dataset}) == ["data", "others"]
    assert {name for split in splits for name in split.test} == {case.name for case in dataset}
    assert len(dataset) == len(explored_dataset([phantoms, tmp_path / "others"], None, **EXPLORED)[0]) == 6
    assert len({case.patient for case in dataset}) == 4  # phantom_001 and phantom_002 are in both
    settings = settings_of("demo", ["data.source_weights={other: 2}"])
    with pytest.raises(InputError, match="the sources of the cases are data, others, found other"):
        dataset_and_splits(settings, [phantoms, tmp_path / "others"])


def test_random_slices_are_drawn_where_patients_are_known(phantoms, caplog, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.console.log.propagate", True)
    settings = settings_of("demo", ["data.cases=slices"], splits="slices:0.6,0.2,0.2")
    dataset, (split,) = dataset_and_splits(settings, [phantoms])
    assert len(split.test) == 19
    assert "slices of 4 of the 4 test patients are in training too" in caplog.text
    assert [case.patient for case in dataset] == [case.name for case in dataset]
    assert dataset.cases == dataset_of(settings, [phantoms]).cases


def test_unknown_patients_and_validation_that_is_trained_on_are_warned_of(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.console.log.propagate", True)
    write_pictures(tmp_path, 2, shape=(32, 32, 16))
    changes = ["labels.merge={2: 1, 3: 1}", "evaluation.folds=2"]
    dataset_and_splits(settings_of("demo", changes), [tmp_path])
    assert "patients" not in caplog.text  # patients.csv names them
    (tmp_path / "patients.csv").unlink()
    dataset_and_splits(settings_of("demo", changes), [tmp_path])
    assert "the patients of its pictures or slices are not known" in caplog.text
    caplog.clear()
    write_pictures(tmp_path.with_name("other"), 2, shape=(32, 32, 16))
    (tmp_path.with_name("other") / "patients.csv").unlink()
    dataset_and_splits(settings_of("demo", changes), [tmp_path, tmp_path.with_name("other")])
    assert "the patients of its pictures or slices are not known" in caplog.text
    settings_of("demo", ["training.monitor=training"], splits="slices:0.6,0.2,0.2")
    assert "the slices for validation are trained on too" in caplog.text


def test_alike_cases_are_of_one_patient(phantoms):
    settings = settings_of("demo", ["evaluation.groups=content"])
    assert len({case.patient for case in dataset_of(settings, [phantoms])}) <= 4


def test_values_that_are_merged():
    assert merge_of(None) == []
    assert merge_of(["2=1", "255=1"]) == [(2, 1), (255, 1)]
    for text in ("2", "a=1", "2=b", "=", "2=1=0"):
        with pytest.raises(InputError, match="--merge takes VALUE=CLASS"):
            merge_of([text])
    with pytest.raises(InputError, match="found 2 twice"):
        merge_of(["2=1", "2=0"])


def test_pictures_have_two_classes_unless_told(tmp_path, phantoms):
    write_pictures(tmp_path, 1, shape=(20, 18, 16))
    dataset, classes = explored_dataset([tmp_path], None, grid=None, masks="masks", merge=None)
    assert (dataset.layout, classes) == ("pictures", 2)
    dataset, classes = explored_dataset([tmp_path], 3, grid=None, masks="classes", merge=["2=1"])
    assert ({case.mask.parent.name for case in dataset}, classes) == ({"classes"}, 3)
    assert all(case.merge == ((2, 1),) for case in dataset)
    dataset, classes = explored_dataset([phantoms], None, grid="qform", masks="masks", merge=None)
    assert ({case.grid for case in dataset}, classes) == ({"qform"}, 4)
