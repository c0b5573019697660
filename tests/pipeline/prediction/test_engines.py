"""Keras and OpenVINO as engines, on a tiny network."""

import shutil
import sys
import zipfile

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import conversion, converted_files, engines, openvino_engine, quantization
from pneumoseg.pipeline.prediction.engines import keras_network, open_engine
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.tensorflow_backend import OutOfMemory
from pneumoseg.pipeline.sampling import calibration
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


@pytest.fixture(autouse=True)
def bfloat16(monkeypatch):
    """Where the processor has no bfloat16, float32 computes under its name."""
    if hardware.has_bfloat16():
        return
    compiled = openvino_engine.compiled

    def in_float32(folders, shape, *, precision, **options):
        return compiled(folders, shape, precision=precision.replace("bfloat16", "float32"), **options)

    monkeypatch.setattr(openvino_engine, "compiled", in_float32)
    monkeypatch.setitem(engines.POLICIES, "bfloat16", "float32")


def tiles(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*shape, 1)).astype(np.float32)


def test_a_gpu_without_memory_is_told_with_the_remedy():
    class Full:
        def predict_on_batch(self, tiles):
            raise OutOfMemory(None, None, "OOM when allocating tensor")

    with pytest.raises(InputError, match=r"3 tiles of \[8, 8, 4\] at once: lower prediction.batch"):
        keras_network(Full())(tiles(3, 8, 8, 4))


def test_masks_of_a_deterministic_training_depend_on_no_measurement(make_model):
    path = make_model("model.keras")
    settings = load_settings("demo", [*TINY, "training.deterministic=true"])
    for name in ("openvino", "keras"):
        engine = open_engine([path], settings, name=name)
        assert (engine.precision, engine.seconds) == ("float32", {})
    assert open_engine([path], settings, name="openvino", precision="bfloat16").precision == "bfloat16"


@pytest.mark.parametrize("changes", [(), ("patches.shape=[8, 8]",), ("patches.shape=null",)])
def test_openvino_equals_keras_for_any_size_and_number_of_tiles(make_model, changes):
    path = make_model("model.keras", *changes)
    settings = load_settings("demo", [*TINY, *changes, "prediction.batch=3"])
    opened = [open_engine([path], settings, name=name, precision="float32") for name in ("openvino", "keras")]
    assert [engine.name for engine in opened] == ["openvino", "keras"]
    for shape in ([3, 8, 8, 4], [2, 16, 8, 8], [1, 8, 8, 4]):
        given = tiles(*shape[: settings.dimensions + 1])
        one, other = (engine.network(given) for engine in opened)
        assert one.shape == (*given.shape[:-1], 4)
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("asked", "given", "expected"), [("3", None, 3), ("3", 2, 2), ("", None, None)])
def test_openvino_takes_the_threads_that_the_environment_asks_for(make_model, monkeypatch, asked, given, expected):
    seen = []
    compiled = openvino_engine.compiled
    monkeypatch.setattr(
        openvino_engine, "compiled", lambda *files, **how: seen.append(how["threads"]) or compiled(*files, **how)
    )
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    settings = load_settings("demo", TINY)
    open_engine([make_model("model.keras")], settings, name="openvino", precision="float32", threads=given)
    assert seen == [expected]


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


def test_bfloat16_needs_instructions(set_instructions):
    set_instructions("avx2")
    with pytest.raises(InputError, match="no bfloat16"):
        open_engine([], load_settings("demo", TINY), name="openvino", precision="bfloat16")


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
    ("name", "precision", "message"), [("tvm", "auto", "engine is"), ("auto", "int4", "precision is")]
)
def test_unknown_names_are_refused(name, precision, message):
    with pytest.raises(InputError, match=message):
        open_engine([], load_settings("demo", TINY), name=name, precision=precision)


def test_the_precision_on_record_is_the_one_that_computes(make_model, monkeypatch):
    path, settings = make_model(), load_settings("demo", TINY)
    monkeypatch.setattr(hardware, "gpu_available", lambda: True)
    for policy, precision in {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}.items():
        monkeypatch.setattr(hardware, "gpu_precision", lambda policy=policy: policy)
        assert open_engine([path], settings, name="keras").precision == precision


def probabilities(engine) -> np.ndarray:
    found = engine.network(tiles(1, 8, 8, 4))
    np.testing.assert_allclose(found.sum(-1), 1, atol=0.02)
    return found


@pytest.mark.timed
@pytest.mark.usefixtures("every_precision")
@pytest.mark.parametrize(("seconds", "fastest"), [((1, 2, 3), "float32"), ((2, 1, 3), "bfloat16"), ((3, 2, 1), "int8")])
def test_the_precision_of_the_shortest_time_computes(quantised, force_seconds, seconds, fastest):
    settings = load_settings("demo", TINY)
    force_seconds(*seconds)
    engine = open_engine([quantised], settings)
    assert (engine.name, engine.precision) == ("openvino", fastest)
    assert engine.seconds == dict(zip(("float32", "bfloat16", "int8"), seconds, strict=True))
    force_seconds()  # what is named, or known, is not timed
    named = open_engine([quantised], settings, precision=fastest)
    assert (named.precision, named.seconds) == (fastest, {})
    np.testing.assert_array_equal(probabilities(named), probabilities(engine))
    assert open_engine([quantised], settings).seconds == engine.seconds


@pytest.mark.usefixtures("every_precision")
def test_8_bit_computes_nearly_the_same(quantised):
    exact, int8 = (
        probabilities(open_engine([quantised], load_settings("demo", TINY), precision=name))
        for name in ("float32", "int8")
    )
    assert 0 < np.abs(int8 - exact).mean() < 0.03


@pytest.mark.parametrize("instructions", [(), ("avx2",)])
def test_a_processor_of_one_precision_times_nothing(quantised, set_instructions, force_seconds, instructions):
    set_instructions(*instructions)
    force_seconds()
    for name in ("openvino", "keras"):
        engine = open_engine([quantised], load_settings("demo", TINY), name=name)
        assert (engine.name, engine.precision, engine.seconds) == (name, "float32", {})
    assert not list(quantised.parent.glob("*-times.json"))


@pytest.mark.timed
@pytest.mark.parametrize(
    ("instructions", "timed"),
    [("amx_bf16", "bfloat16"), ("avx512_bf16", "bfloat16"), ("avx_vnni", "int8"), ("amx_int8", "int8")],
)
def test_what_the_processor_has_is_timed(quantised, set_instructions, force_seconds, instructions, timed):
    set_instructions("avx2", instructions)
    force_seconds(2.0, 1.0)
    assert open_engine([quantised], load_settings("demo", TINY)).seconds == {"float32": 2.0, timed: 1.0}


@pytest.mark.timed
@pytest.mark.usefixtures("every_precision")
def test_8_bit_is_offered_where_all_networks_have_it(quantised, force_seconds, monkeypatch):
    other = quantised.with_name("other.keras")
    shutil.copy2(quantised, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.comment = b"another file"
    folder = conversion.converted(quantised)
    monkeypatch.setattr(conversion, "converted", lambda path, trust_plugins: folder)
    force_seconds(1.0, 2.0)
    assert set(open_engine([quantised, other], load_settings("demo", TINY)).seconds) == {"float32", "bfloat16"}
    force_seconds(1.0, 2.0, 3.0)
    assert set(open_engine([quantised, quantised], load_settings("demo", TINY)).seconds) == {
        "float32",
        "bfloat16",
        "int8",
    }


@pytest.mark.timed
@pytest.mark.usefixtures("every_precision")
def test_where_nothing_can_be_written_it_predicts_all_the_same(quantised, force_seconds, monkeypatch):
    monkeypatch.setattr(converted_files, "_writable", lambda folder: False)
    force_seconds(3.0, 2.0, 1.0)
    engine = open_engine([quantised], load_settings("demo", TINY))
    assert (engine.name, engine.precision) == ("openvino", "int8")
    probabilities(engine)


@pytest.mark.timed
@pytest.mark.usefixtures("every_precision")
def test_keras_is_timed_in_bfloat16_too(make_model, force_seconds):
    force_seconds(2.0, 1.0)
    engine = open_engine([make_model()], load_settings("demo", TINY), name="keras")
    assert (engine.precision, engine.seconds) == ("bfloat16", {"float32": 2.0, "bfloat16": 1.0})
    probabilities(engine)


@pytest.mark.parametrize(("name", "instructions"), [("auto", ("avx2",)), ("openvino", ()), ("keras", ("avx512_vnni",))])
def test_8_bit_needs_openvino_and_instructions(set_instructions, name, instructions):
    set_instructions(*instructions)
    with pytest.raises(InputError, match="int8 needs the engine openvino and a processor with 8-bit") as error:
        open_engine([], load_settings("demo", TINY), name=name, precision="int8")
    assert error.value.options == ("precision",)


@pytest.mark.usefixtures("every_precision")
@pytest.mark.parametrize("error", [InputError("too inaccurate"), RuntimeError("cannot be\ncompiled")])
def test_where_8_bit_cannot_be_made_it_goes_on_in_float_with_one_warning(
    quantised, random_tiles, force_seconds, monkeypatch, caplog, error
):
    (quantization.int8_network(quantised) / "network.bin").unlink()
    calibration.save_tiles(quantised.with_name("calibration.npz"), random_tiles)
    monkeypatch.setattr(calibration, "CALIBRATING", 4)

    def fail(*arguments):
        raise error

    monkeypatch.setattr(quantization, "_write", fail)
    force_seconds(1.0, 2.0)
    engine = open_engine([quantised], load_settings("demo", TINY), precision="int8")
    assert (engine.name, engine.precision) == ("openvino", "float32")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == f"no int8 ({' '.join(str(error).split())}); going on in float"


@pytest.mark.usefixtures("every_precision")
def test_damaged_tiles_beside_a_model_are_named_and_it_goes_on_in_float(quantised, force_seconds, caplog):
    (quantization.int8_network(quantised) / "network.bin").unlink()
    quantised.with_name("calibration.npz").write_bytes(b"no zip")
    force_seconds(1.0, 2.0)
    assert open_engine([quantised], load_settings("demo", TINY), precision="int8").precision == "float32"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "calibration.npz: no readable tiles" in warning


@pytest.mark.usefixtures("every_precision")
def test_a_network_that_openvino_cannot_take_is_computed_by_keras_where_8_bit_is_named(
    make_model, force_seconds, monkeypatch, caplog
):
    def fail(*arguments):
        raise RuntimeError("an unknown layer")

    monkeypatch.setattr(conversion, "_export", fail)
    force_seconds(1.0, 2.0)
    engine = open_engine([make_model()], load_settings("demo", TINY), precision="int8")
    assert (engine.name, engine.precision) == ("keras", "float32")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "(an unknown layer)); going on with Keras" in warning
