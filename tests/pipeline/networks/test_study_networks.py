"""Networks for whole studies: outputs, parameters by hand, and the encoder of a segmentation model as their trunk."""

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.networks.study_networks import build_study_network, copy_encoder, last_level
from pneumoseg.pipeline.settings.loading import load_settings, load_study_settings

SMALL = ["input.shape=[8, 16, 12]", "network.dense_units=4"]


def small(*changes: str):
    return load_study_settings("hrct-joint", [*SMALL, *changes])


def test_the_network_of_the_thesis_has_the_parameters_of_its_layers():
    network = build_study_network(load_study_settings("hrct-classifier", ["input.shape=[8, 8, 8]"]))
    convolutions = 64 * (27 + 1) + 64 * (27 * 64 + 1) + 128 * (27 * 64 + 1) + 256 * (27 * 128 + 1)
    normalisations = 4 * (64 + 64 + 128)  # gamma, beta and two moving statistics before each level but the first
    dense = 512 * (256 + 1) + (512 + 1)
    assert network.count_params() == convolutions + normalisations + dense
    # Keras's example has a fourth normalisation, after its last pooling, and 1,352,897 parameters.
    assert network.count_params() == 1_352_897 - 4 * 256


def test_two_heads_have_one_output_each_and_the_order_in_the_settings_does_not_matter():
    for heads in ("[label, score]", "[score, label]"):
        network = build_study_network(small("network.filters=[2]", f"network.heads={heads}"))
        outputs = network.predict_on_batch(np.zeros((3, 12, 16, 8, 1), np.float32))
        assert {name: array.shape for name, array in outputs.items()} == {"label": (3, 1), "score": (3, 1)}
        # One convolution, the dense layer, and two outputs of four weights and a bias.
        assert network.count_params() == 2 * (27 + 1) + 4 * (2 + 1) + 2 * (4 + 1)


@pytest.mark.parametrize("name", ["hrct-cnn", "resnet", "densenet", "unet-encoder"])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_network_halves_the_size_at_each_level(name, stride):
    if name == "unet-encoder" and stride == 2:
        return
    settings = small(f"network.name={name}", "network.filters=[4, 6]", f"network.first_stride={stride}")
    network = build_study_network(settings)
    sizes = [network.get_layer(f"level_{level}").output.shape[1:4] for level in range(2)]
    assert sizes == [(12 // stride, 16 // stride, 8 // stride), (6 // stride, 8 // stride, 4 // stride)]
    assert last_level(settings) == "level_1"
    label = network.predict_on_batch(np.random.default_rng(0).random((2, 12, 16, 8, 1), np.float32))["label"]
    assert label.dtype == np.float32
    assert ((label > 0) & (label < 1)).all()


def test_a_single_head_has_a_dictionary_too():
    network = build_study_network(small("network.filters=[2]", "network.heads=[score]", "input.lungs=channel"))
    assert list(network.predict_on_batch(np.zeros((1, 12, 16, 8, 2), np.float32))) == ["score"]


def segmentation(*changes: str):
    return build_network(load_settings("demo", ["patches.shape=[16, 16, 8]", "network.filters=[4, 6, 8]", *changes]))


@pytest.mark.parametrize("name", ["standard-unet", "residual-unet", "plain-unet"])
def test_the_encoder_of_a_segmentation_model_gives_the_same_features(name):
    source = segmentation(f"network.name={name}")
    settings = small("network.name=unet-encoder", "network.filters=[4, 6, 8]", f"network.encoder={name}")
    network = build_study_network(settings)
    before = network.get_layer("dense").get_weights()[0].copy()
    for weight in source.weights:  # moving statistics other than at the beginning
        weight.assign(weight + 0.1)
    copy_encoder(source, network, settings)
    images = np.random.default_rng(0).random((1, 12, 16, 8, 1), np.float32)
    up = next(layer for layer in source.layers if "Transpose" in type(layer).__name__)
    expected = keras.Model(source.inputs, up.input).predict_on_batch(images)
    found = keras.Model(network.inputs, network.get_layer("level_2").output).predict_on_batch(images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(network.get_layer("dense").get_weights()[0], before)


def test_the_bundled_model_gives_its_encoder():
    source = load_model(bundled_model() / "fold_0" / "model.keras").network
    settings = small("input.shape=[16, 16, 16]", "network.name=unet-encoder", "network.filters=[16, 32, 64, 128, 256]")
    network = build_study_network(settings)
    copy_encoder(source, network, settings)
    np.testing.assert_array_equal(network.get_weights()[0], source.get_weights()[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.filters=[4, 6, 8]"], "fit the network unet-encoder, found hrct-cnn"),
        (["network.name=unet-encoder", "network.filters=[4, 6]"], "to start from has .* arrays, the settings describe"),
        (["network.name=unet-encoder", "network.filters=[4, 6, 8]", "input.lungs=channel"], "2 input channels"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(changes, message):
    settings = small(*changes)
    with pytest.raises(InputError, match=message):
        copy_encoder(segmentation(), build_study_network(settings), settings)


def test_a_two_dimensional_model_is_refused():
    settings = small("network.name=unet-encoder", "network.filters=[4, 6, 8]")
    flat = build_network(load_settings("demo", ["patches.shape=[16, 16]", "network.filters=[4, 6, 8]"]))
    with pytest.raises(InputError, match="a 3D U-Net is needed"):
        copy_encoder(flat, build_study_network(settings), settings)
