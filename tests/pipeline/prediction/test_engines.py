"""Keras and OpenVINO as engines, on a tiny network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import openvino_engine
from pneumoseg.pipeline.prediction.engines import keras_network, open_engine
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.tensorflow_backend import OutOfMemory
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def make_model(tmp_path):
    """A function that writes a model file with random weights and moving statistics."""

    def make(name: str = "model.keras", *changes: str, precision: str = "float32", seed: int = 0) -> Path:
        settings = load_settings("demo", [*TINY, *changes])
        keras.utils.set_random_seed(seed)
        network = build_network(settings, precision)
        rng = np.random.default_rng(seed)
        for weight in network.weights:
            if "moving" in weight.path:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        path = tmp_path / name
        save_model(path, TrainedModel(network, settings))
        return path

    return make


def tiles(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*shape, 1)).astype(np.float32)


def test_a_gpu_without_memory_is_told_with_the_remedy():
    class Full:
        def predict_on_batch(self, tiles):
            raise OutOfMemory(None, None, "OOM when allocating tensor")

    with pytest.raises(InputError, match=r"3 tiles of \[8, 8, 4\] at once: lower prediction.batch"):
        keras_network(Full())(tiles(3, 8, 8, 4))


@pytest.mark.parametrize("changes", [(), ("patches.shape=[8, 8]",), ("patches.shape=null",)])
def test_openvino_equals_keras_for_any_size_and_number_of_tiles(make_model, changes):
    path = make_model("model.keras", *changes)
    settings = load_settings("demo", [*TINY, *changes, "prediction.batch=3"])
    engines = [open_engine([path], settings, name=name, precision="float32") for name in ("openvino", "keras")]
    assert [engine.name for engine in engines] == ["openvino", "keras"]
    for shape in ([3, 8, 8, 4], [2, 16, 8, 8], [1, 8, 8, 4]):
        given = tiles(*shape[: settings.dimensions + 1])
        one, other = (engine.network(given) for engine in engines)
        assert one.shape == (*given.shape[:-1], 4)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_several_models_are_averaged_in_one_graph(make_model):
    paths = [make_model(f"{seed}.keras", seed=seed) for seed in range(3)]
    settings = load_settings("demo", TINY)
    single = [
        open_engine([path], settings, name="openvino", precision="float32").network(tiles(1, 8, 8, 4)) for path in paths
    ]
    together = open_engine(paths, settings, name="openvino", precision="float32").network(tiles(1, 8, 8, 4))
    np.testing.assert_allclose(together, np.mean(single, axis=0), atol=1e-5)
    assert np.abs(single[0] - single[1]).max() > 1e-3


def test_models_trained_in_bfloat16_are_converted_in_float32(make_model):
    path = make_model(precision="mixed_bfloat16")
    settings = load_settings("demo", TINY)
    trained = build_network(settings, "mixed_bfloat16")
    exact = rebuild(trained, "float32")
    assert {layer.dtype_policy.name for layer in exact.layers} == {"float32"}
    assert rebuild(exact, "float32") is exact
    assert {type(layer).__name__ for layer in rebuild(exact, "float32", plain=True).layers} & {
        "BatchNormalization",
        "FusedBatchNormalization",
    } == {"BatchNormalization"}
    for one, other in zip(trained.get_weights(), exact.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    one, other = (
        open_engine([path], settings, name=name, precision="float32").network(tiles(1, 8, 8, 4))
        for name in ("openvino", "keras")
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_conversion_happens_once_and_is_found_by_content(make_model, monkeypatch):
    path = make_model()
    folder = openvino_engine.converted(path)
    assert folder.parent == path.parent
    monkeypatch.setattr(openvino_engine, "_export", lambda *_: pytest.fail("converted again"))
    assert openvino_engine.converted(path) == folder
    moved = path.rename(path.with_name("other.keras"))
    assert openvino_engine.converted(moved) == folder


def test_several_networks_are_converted_side_by_side_and_the_rest_when_it_is_opened(make_model, monkeypatch):
    monkeypatch.setattr(hardware, "usable_cores", lambda: 2)
    paths = [make_model("one.keras"), make_model("two.keras", seed=1), make_model("three.keras", seed=2)]
    first = openvino_engine.converted(paths[0])
    paths[2].write_bytes(b"not a model")
    with monkeypatch.context() as patch:
        patch.setattr(openvino_engine, "_export", lambda *_: pytest.fail("converted in this process"))
        openvino_engine.convert_ahead(paths)
        assert openvino_engine.converted(paths[0]) == first
        assert openvino_engine.converted(paths[1]).parent == first.parent
    with pytest.raises(InputError, match="not a readable model file"):
        openvino_engine.converted(paths[2])


def test_another_model_and_a_damaged_conversion_are_converted_anew(make_model):
    path = make_model(seed=0)
    first = openvino_engine.converted(path)
    path = make_model(seed=1)
    second = openvino_engine.converted(path)
    assert second != first
    whole = (second / "network.bin").read_bytes()
    (second / "network.bin").write_bytes(bytes(len(whole)))
    assert openvino_engine.converted(path) == second
    assert (second / "network.bin").read_bytes() == whole


def test_a_read_only_folder_sends_the_conversion_to_the_cache(make_model, tmp_path, monkeypatch):
    path = make_model()
    monkeypatch.setattr(openvino_engine, "_writable", lambda folder: tmp_path / "cache" in folder.parents)
    (tmp_path / "cache" / "openvino").mkdir(parents=True)
    assert tmp_path / "cache" / "openvino" in openvino_engine.converted(path).parents
    monkeypatch.setattr(openvino_engine, "_writable", lambda folder: False)
    with pytest.raises(InputError, match="PNEUMOSEG_CACHE"):
        openvino_engine.converted(make_model(seed=5))


def test_a_wrong_conversion_is_never_used(make_model, monkeypatch, tmp_path):
    path = make_model()
    monkeypatch.setattr(openvino_engine, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="other probabilities"):
        open_engine([path], load_settings("demo", TINY), name="openvino")
    assert open_engine([path], load_settings("demo", TINY), name="auto").name == "keras"
    assert not list(tmp_path.glob("openvino*")) + list(tmp_path.glob(".partial*"))


def test_bfloat16_needs_instructions(make_model, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_flags", frozenset)
    with pytest.raises(InputError, match="no bfloat16"):
        open_engine([make_model()], load_settings("demo", TINY), name="openvino", precision="bfloat16")


OWN_NETWORK = """
import keras

@keras.saving.register_keras_serializable()
class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def network(dimensions, channels, classes, settings, dtype):
    inputs = keras.Input((None,) * dimensions + (channels,))
    return keras.Model(inputs, keras.layers.Conv3D(classes, 1, activation="softmax")(Doubling()(inputs)))
"""


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_network_with_layers_of_ones_own_is_loaded_where_its_code_is_trusted(
    make_model, tmp_path, monkeypatch, engine
):
    (tmp_path / "own_network.py").write_text(OWN_NETWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = make_model("model.keras", "network.name=own_network:network")

    def forget():  # as a process would start
        sys.modules.pop("own_network", None)
        keras.saving.get_custom_objects().pop("Custom>Doubling", None)

    forget()
    with pytest.raises(InputError, match="use --trust-plugins if you know the code of own_network:network"):
        open_predictor(path, engine=engine)
    assert "own_network" not in sys.modules
    predictor = open_predictor(path, trust_plugins=True, engine=engine)
    assert predictor(Volume.from_source(np.zeros((9, 9, 9), "int16"), np.eye(4))).array.shape == (9, 9, 9)
    forget()
    (tmp_path / "own_network.py").unlink()
    if engine == "keras":  # OpenVINO has its own copy by now
        with pytest.raises(
            InputError, match=r"Could not locate class 'Doubling'.*; network own_network:network: cannot be imported"
        ):
            open_predictor(path, trust_plugins=True, engine=engine)


@pytest.mark.parametrize(
    ("name", "precision", "message"), [("tvm", "auto", "engine is"), ("auto", "int8", "precision is")]
)
def test_unknown_names_are_refused(name, precision, message):
    with pytest.raises(InputError, match=message):
        open_engine([], load_settings("demo", TINY), name=name, precision=precision)


def test_a_converted_model_needs_no_tensorflow_and_reports_to_nobody(make_model, tmp_path):
    path = make_model()
    openvino_engine.converted(path)
    program = (
        "import sys, numpy; from pneumoseg.pipeline.prediction.predictor import open_predictor;"
        "from pneumoseg.data_io.volumes.volume import Volume;"
        f"predictor = open_predictor({str(path)!r});"
        "mask = predictor(Volume.from_source(numpy.zeros((9, 9, 9), 'int16'), numpy.eye(4)));"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')];"
        "print(predictor.members[0].engine.name, mask.array.shape, {'tensorflow', 'keras'} & set(sys.modules))"
    )
    repository = Path(pneumoseg.__file__).parent
    (tmp_path / "home").mkdir()
    environment = os.environ | {"HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment, check=False)
    assert done.stdout.strip() == "openvino (9, 9, 9) set()", done.stderr
    assert not list((tmp_path / "home").iterdir())


def test_a_predictor_takes_folds_and_its_own_settings_alone(make_model, tmp_path):
    for fold in (0, 1, 3):
        (tmp_path / "run" / f"fold_{fold}").mkdir(parents=True)
        make_model(f"run/fold_{fold}/model.keras", seed=fold)
    every = open_predictor(tmp_path / "run", engine="keras")
    assert len(every.models) == 3
    two = open_predictor(
        tmp_path / "run", [0, 3], changes=["prediction.overlap=0.25", "postprocessing.fill_holes=true"]
    )
    assert two.models == {fold: every.models[fold] for fold in ("fold_0", "fold_3")}
    assert two.settings.prediction.overlap == 0.25
    assert two.settings.postprocessing.fill_holes
    mask = two(Volume.from_source(np.zeros((9, 9, 9), np.int16), np.eye(4)))
    assert mask.array.dtype == np.uint8
    with pytest.raises(InputError, match=r"no model\.keras of fold 2"):
        open_predictor(tmp_path / "run", [2])
    with pytest.raises(InputError, match="prediction and postprocessing alone"):
        open_predictor(tmp_path / "run", [0], changes=["patches.shape=[8, 8, 8]"])
    with pytest.raises(InputError, match="no model there"):
        open_predictor(tmp_path)
    make_model("run/fold_1/model.keras", "labels.mirror_pairs=[]")
    with pytest.raises(InputError, match=r"fold_1.*need the same labels"):
        open_predictor(tmp_path / "run")


def test_models_of_other_preprocessing_vote_together(make_model, tmp_path):
    own = make_model("one.keras")
    coarse = make_model("two.keras", "preprocessing.spacing_mm=[2, 2, 2]", "prediction.overlap=0.1", seed=1)
    both = open_predictor([own, coarse], engine="keras")
    assert list(both.models) == ["1/one.keras", "2/two.keras"]
    assert [member.settings.preprocessing.spacing_mm for member in both.members] != [None, None]
    assert {member.settings.prediction.overlap for member in both.members} == {both.settings.prediction.overlap}
    volume = Volume.from_source(np.full((9, 9, 9), 40, np.int16), np.eye(4))
    assert both(volume).array.shape == (9, 9, 9)


def test_a_damaged_model_is_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not a model")
    with pytest.raises(InputError, match="not a readable model file"):
        open_predictor(tmp_path / "model.keras")


def test_hashes_are_on_record(make_model):
    folder = openvino_engine.converted(make_model())
    assert set(json.loads((folder / "hashes.json").read_text())) == {"network.xml", "network.bin"}


def test_what_a_killed_conversion_left_is_in_nobodys_way(make_model, monkeypatch, tmp_path):
    path = make_model()

    def killed(model, folder):
        (folder / "network.xml").write_text("half of it", encoding="utf-8")
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(openvino_engine, "_export", killed)
        patch.setattr(openvino_engine.shutil, "rmtree", lambda *arguments, **keywords: None)
        openvino_engine.converted(path)
    assert list(tmp_path.glob(".partial*"))
    assert (openvino_engine.converted(path) / "hashes.json").is_file()
    assert not list(tmp_path.glob(".partial*"))


def test_the_precision_on_record_is_the_one_that_computes(make_model, monkeypatch):
    path, settings = make_model(), load_settings("demo", TINY)
    for policy, precision in {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16", "float32": "float32"}.items():
        monkeypatch.setattr(hardware, "choose_precision", lambda name, policy=policy: policy)
        assert open_engine([path], settings, name="keras").precision == precision


def test_full_images_are_padded_for_each_network_as_it_needs(make_model):
    shallow = make_model("shallow.keras", "patches.shape=null")
    deep = make_model("deep.keras", "patches.shape=null", "network.filters=[4, 4, 8]")
    both = open_predictor([shallow, deep], engine="keras")
    assert [member.settings.divisor for member in both.members] == [2, 4]
    volume = Volume.from_source(np.full((9, 9, 9), 40, np.int16), np.diag([4, 4, 5, 1]))
    assert both(volume).array.shape == (9, 9, 9)
    tiles_alike = make_model("tiles.keras"), make_model("deep_tiles.keras", "network.filters=[4, 4, 8]")
    assert [member.count for member in open_predictor(tiles_alike, engine="keras").members] == [2]


def test_a_model_that_cannot_predict_as_the_first_is_set_is_refused(make_model):
    first = make_model("first.keras", "prediction.mirror_axes=[2]")
    flat = make_model("flat.keras", "patches.shape=[8, 8]")
    with pytest.raises(InputError, match=r"flat\.keras, which .* of .*first\.keras \(--set .*different axes of a 2D"):
        open_predictor([first, flat], engine="keras")
    changed = open_predictor([first, flat], changes=["prediction.mirror_axes=[1]"], engine="keras")
    assert {member.settings.prediction.mirror_axes for member in changed.members} == {(1,)}


def test_folds_are_asked_of_run_folders_alone(make_model):
    path = make_model()
    for single in (path, path.parent):
        with pytest.raises(InputError, match="--fold is for the folds of a run folder, found a single model"):
            open_predictor(single, [3], engine="keras")
