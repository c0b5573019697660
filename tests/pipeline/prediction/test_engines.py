"""Keras and OpenVINO as engines, on a tiny network."""

import sys

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction.engines import keras_network, open_engine
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.tensorflow_backend import OutOfMemory
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


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
    with pytest.raises(InputError, match="trust its plug-ins if you know the code of own_network:network"):
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


def test_the_precision_on_record_is_the_one_that_computes(make_model, monkeypatch):
    path, settings = make_model(), load_settings("demo", TINY)
    for policy, precision in {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16", "float32": "float32"}.items():
        monkeypatch.setattr(hardware, "choose_precision", lambda name, policy=policy: policy)
        assert open_engine([path], settings, name="keras").precision == precision
