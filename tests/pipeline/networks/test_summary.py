"""The summary of a network: layers, shapes, parameters."""

import keras
import numpy as np

from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.networks.summary import readable_summary, summarise, summarise_settings
from pneumoseg.pipeline.settings.loading import load_settings

SMALL = ["patches.shape=[16, 16]", "network.filters=[4, 8]"]


def test_shapes_and_parameters_of_each_layer():
    settings = load_settings("demo", [*SMALL, "preprocessing.channels=3", "network.batch_norm=false"])
    summary = summarise_settings(settings)
    assert (summary.input, summary.output) == ((16, 16, 3), (16, 16, 4))
    convolutions = [layer for layer in summary.layers if layer.kind == "Conv2D"]
    assert [layer.shape for layer in convolutions[:3]] == [(16, 16, 4), (16, 16, 4), (8, 8, 8)]
    assert [layer.parameters for layer in convolutions[:3]] == [
        3 * 3 * 3 * 4 + 4,
        3 * 3 * 4 * 4 + 4,
        3 * 3 * 4 * 8 + 8,
    ]
    assert sum(layer.parameters for layer in summary.layers) == summary.trained
    assert summary.not_trained == 0
    (joined,) = [layer for layer in summary.layers if layer.kind == "Concatenate"]
    assert len(joined.after) == 2
    assert [layer.after for layer in summary.layers[:2]] == [(), (1,)]


def test_moving_statistics_are_not_trained():
    summary = summarise_settings(load_settings("demo", SMALL))
    normalised = [layer for layer in summary.layers if "Normalization" in layer.kind]
    assert summary.not_trained == sum(2 * layer.shape[-1] for layer in normalised)


def test_the_published_count_of_the_printed_network():
    settings = load_settings("picture-unet-printed", ["patches.shape=[16, 16]", "preprocessing.size=[16, 16, null]"])
    text = readable_summary(summarise_settings(settings))
    assert "parameters: 3,793,985 (3,791,169 trained, 2,816 not trained)" in text
    assert "probabilities of the classes (sigmoid)" in text
    assert "loss: dice" in text
    assert "optimizer: adam, learning rate 0.001" in text


def test_whole_images_have_any_size():
    settings = load_settings("demo", [*SMALL, "patches.shape=null", "patches.batch=1"])
    summary = summarise_settings(settings)
    assert summary.input == (None, None, None, 1)
    assert "input: any x any x any x 1" in readable_summary(summary)


def test_text_is_the_same_for_networks_built_later():
    settings = load_settings("demo", SMALL)
    assert readable_summary(summarise_settings(settings)) == readable_summary(
        summarise(build_network(settings), settings)
    )


def test_a_network_of_ones_own_with_a_shared_layer():
    settings = load_settings("demo", SMALL)
    inputs = keras.Input((None, None, 1))
    shared = keras.layers.Conv2D(1, 3, padding="same")
    network = keras.Model(inputs, keras.layers.Conv2D(4, 1)(shared(shared(inputs))))
    summary = summarise(network, settings)
    assert [layer.parameters for layer in summary.layers] == [0, 10, 8]
    assert summary.trained == 18


class Own(keras.Model):
    """A network of a class of its own."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Conv2D(4, 1, activation="softmax")

    def call(self, inputs):
        return self.last(inputs)


def test_a_network_of_a_class_of_ones_own():
    network = Own()
    network(np.zeros((1, 8, 8, 1), np.float32))
    summary = summarise(network, load_settings("demo", SMALL))
    assert summary.output == (16, 16, 4)
    assert [(layer.kind, layer.parameters) for layer in summary.layers] == [("Conv2D", 8)]
    assert readable_summary(summary).splitlines()[-1].startswith("    1  Conv2D  ")
