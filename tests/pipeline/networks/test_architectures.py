"""Every network of the library in two and three dimensions, small; its size at the default width; its conversion."""

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, save_model
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import NETWORKS, build_network
from pneumoseg.pipeline.prediction.engines import open_engine
from pneumoseg.pipeline.prediction.openvino_engine import openvino
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.schema import NetworkSettings, Settings

# At the default width in 3D, four classes, one channel. MIScnn 1.4.0 has the same, but for what
# pipeline/networks/architectures.py says: multires 18,657,050, attention-residual 25,381,128, plain of another width.
PARAMETERS = {
    "standard-unet": 22_587_204,
    "residual-unet": 22_936_868,
    "dense-unet": 45_640_296,
    "compact-unet": 30_394_152,
    "attention-unet": 25_291_688,
    "attention-residual-unet": 25_337_128,
    "multires-unet": 18_657_042,
    "plain-unet": 22_581_316,
}
SHAPES = {2: (8, 16), 3: (8, 16, 8)}


def with_random_statistics(network: keras.Model) -> keras.Model:
    """As after a training: moving means and variances, gamma and beta differ from 0 and 1."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.name in ("moving_mean", "moving_variance", "gamma", "beta"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return network


def test_every_network_is_counted():
    assert set(PARAMETERS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_width_has_the_published_parameters(name):
    network = build_network(load_settings("covid-3d-unet", [f"network.name={name}"]))
    assert network.count_params() == PARAMETERS[name]


def convolution(channels: int, filters: int, size: int = 3) -> int:
    """Parameters of a 2D convolution with bias."""
    return size * size * channels * filters + filters


def transposed(channels: int, filters: int) -> int:
    """Parameters of a transposed convolution of 2x2 with bias."""
    return 2 * 2 * channels * filters + filters


def test_the_printed_network_of_the_segmentation_api_by_hand():
    encoder = convolution(3, 64) + convolution(64, 128) + convolution(128, 256) + convolution(256, 512)
    up = transposed(512, 256) + transposed(256, 128) + transposed(128, 64)
    decoder = convolution(512, 256) + convolution(256, 128) + convolution(128, 64)  # each half from the encoder
    statistics = 2 * (64 + 128 + 256 + 512 + 256 + 128 + 64)  # moving means and variances, not trained
    scales = statistics  # gamma and beta
    total = encoder + up + decoder + scales + statistics + convolution(64, 1, size=1)
    assert (total, statistics) == (3_793_985, 2_816)
    network = build_network(load_settings("picture-unet-printed"))
    assert network.count_params() == total
    assert sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights) == statistics
    assert network.input_shape == (None, None, None, 3)


def test_the_described_network_of_the_segmentation_api_by_hand():
    encoder = sum(
        convolution(before, width) + convolution(width, width)
        for before, width in ((3, 64), (64, 128), (128, 256), (256, 512), (512, 1024))
    )
    decoder = sum(
        transposed(2 * width, width) + convolution(2 * width, width) + convolution(width, width)
        for width in (512, 256, 128, 64)
    )
    batch_norms = 4 * 2 * (64 + 128 + 256 + 512 + 1024 + 512 + 256 + 128 + 64)  # four numbers a channel, two a level
    total = encoder + decoder + batch_norms + convolution(64, 1, size=1)
    assert total == 31_055_297
    assert build_network(load_settings("picture-unet")).count_params() == total


@pytest.mark.parametrize("score", ["accuracy", "iou", "dice"])
def test_the_network_of_the_thesis_by_hand(score):
    encoder = sum(
        convolution(before, width) + convolution(width, width)
        for before, width in ((1, 32), (32, 64), (64, 128), (128, 256), (256, 512))
    )
    decoder = sum(
        transposed(2 * width, width) + convolution(2 * width, width) + convolution(width, width)
        for width in (256, 128, 64, 32)
    )
    total = encoder + decoder + convolution(32, 1, size=1)
    assert total == 7_759_521
    network = build_network(load_settings(f"slice-unet-{score}"))
    assert network.count_params() == total
    assert network.non_trainable_weights == []


@pytest.mark.parametrize(("name", "classes"), [("binary-slice-unet", 1), ("multiclass-slice-unet", 3)])
def test_the_slice_networks_by_hand(name, classes):
    encoder = sum(
        convolution(before, width) + convolution(width, width)
        for before, width in ((1, 16), (16, 32), (32, 64), (64, 128), (128, 256))
    )
    decoder = sum(
        transposed(2 * width, width) + convolution(2 * width, width) + convolution(width, width)
        for width in (128, 64, 32, 16)
    )
    batch_norms = 4 * 2 * (16 + 32 + 64 + 128 + 256 + 128 + 64 + 32 + 16)
    total = encoder + decoder + batch_norms + convolution(16, classes, size=1)
    assert build_network(load_settings(name)).count_params() == total


def test_in_two_dimensions_short_cuts_cost_what_they_do_in_miscnn():
    network = NETWORKS["attention-residual-unet"](2, 1, 4, NetworkSettings(), "float32")
    assert network.count_params() == 8_954_600


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_probabilities_at_every_level_and_survives_its_file(name, dimensions, tmp_path):
    settings = NetworkSettings(filters=(4, 8, 16))
    network = with_random_statistics(NETWORKS[name](dimensions, 2, 3, settings, "float32"))
    shape = SHAPES[dimensions]
    images = np.random.default_rng(1).normal(size=(2, *shape, 2)).astype(np.float32)
    levels = [network.get_layer(f"decoder_{level}").output for level in (0, 1)]
    outputs, top, half = (np.array(tensor) for tensor in keras.Model(network.input, [network.output, *levels])(images))
    assert "decoder_2" not in {layer.name for layer in network.layers}
    assert network.output_names == ["probabilities"]
    assert outputs.shape == (2, *shape, 3)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)
    assert outputs.std(axis=tuple(range(dimensions + 1))).min() > 1e-4
    assert top.shape[:-1] == (2, *shape)
    assert half.shape[:-1] == (2, *(size // 2 for size in shape))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True, compile=False)
    np.testing.assert_allclose(loaded(images), outputs, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_batch_normalisation_and_in_mixed_precision(name):
    settings = NetworkSettings(filters=(4, 8), batch_norm=False)
    network = NETWORKS[name](2, 1, 2, settings, "mixed_bfloat16")
    assert not [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert network.output.dtype == "float32"
    computing = {layer.compute_dtype for layer in network.layers if layer.weights}
    assert computing == {"bfloat16"}
    outputs = np.array(network(np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)))
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["standard-unet", "residual-unet", "plain-unet"])
def test_openvino_computes_the_same(name, tmp_path):
    changes = [f"network.name={name}", "network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]
    settings = load_settings("demo", [*changes, "prediction.batch=2"])
    save_model(tmp_path / "model.keras", TrainedModel(with_random_statistics(build_network(settings)), settings))
    tiles = np.random.default_rng(1).normal(size=(2, 8, 8, 4, 1)).astype(np.float32)
    one, other = (
        open_engine([tmp_path / "model.keras"], settings, name=engine, precision="float32").network(tiles)
        for engine in ("openvino", "keras")
    )
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.abs(one[0] - one[1]).max() > 1e-3


def of_two_classes(*changes: str) -> Settings:
    """Small pictures in colour, background and infection by one sigmoid."""
    small = ["preprocessing.size=[16, 16, null]", "patches.shape=[16, 16]", "network.filters=[4, 8]"]
    return load_settings("picture-unet-printed", [*small, *changes])


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_can_end_in_a_sigmoid(name):
    network = NETWORKS[name](2, 3, 2, NetworkSettings(name=name, filters=(4, 8), output="sigmoid"), "float32")
    outputs = np.array(network(np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)))
    assert outputs.shape == (1, 8, 8, 2)
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-6)
    softmax = NETWORKS[name](2, 3, 2, NetworkSettings(name=name, filters=(4, 8)), "float32")
    before = network.get_layer("decoder_0").output.shape[-1]
    assert softmax.count_params() - network.count_params() == before + 1  # one channel less, with its bias


@pytest.mark.parametrize("channels", [1, 3])
def test_openvino_computes_the_same_sigmoid_of_any_channels(channels, tmp_path):
    settings = of_two_classes(f"preprocessing.channels={channels}")
    save_model(tmp_path / "model.keras", TrainedModel(with_random_statistics(build_network(settings)), settings))
    network = load_model(tmp_path / "model.keras").network
    rebuild(network, "float32", plain=True).export(tmp_path / "exported", format="tf_saved_model", verbose=False)
    converted = openvino.Core().compile_model(tmp_path / "exported", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tiles = np.random.default_rng(1).normal(size=(2, 16, 32, channels)).astype(np.float32)
    expected = network.predict_on_batch(tiles)
    np.testing.assert_allclose(converted(tiles)[0], expected, atol=1e-4)
    assert expected.std() > 1e-3
