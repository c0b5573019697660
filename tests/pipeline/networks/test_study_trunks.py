"""Parameters of the trunks, counted by hand."""

import pytest

from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.settings.loading import load_study_settings

HEAD = 4 * (6 + 1) + (4 + 1)
"""Of 6 channels: a dense layer of 4 units, and one output."""


def parameters(name: str, *changes: str) -> int:
    small = ["input.shape=[8, 8, 8]", "network.filters=[4, 6]", "network.dense_units=4", f"network.name={name}"]
    return build_study_network(load_study_settings("hrct-classifier", [*small, *changes])).count_params()


def test_the_plain_cnn():
    convolutions = 4 * (27 + 1) + 6 * (27 * 4 + 1)
    assert parameters("hrct-cnn") == convolutions + 4 * 4 + HEAD


@pytest.mark.parametrize("depth", [1, 2])
def test_the_resnet(depth):
    def convolution(before: int, width: int, kernel: int = 27) -> int:
        return kernel * before * width + 4 * width  # no bias, but a batch normalisation

    stem = convolution(1, 4)
    first = depth * 2 * convolution(4, 4)  # the shortcuts are the tensors themselves
    second = convolution(4, 6) + convolution(6, 6) + convolution(4, 6, kernel=1)
    rest = (depth - 1) * 2 * convolution(6, 6)
    assert parameters("resnet", f"network.depth={depth}") == stem + first + second + rest + HEAD


def test_the_densenet():
    stem = 27 * 4
    # 4 channels, and two layers of 2 more each: 8, normalised at the end of the level.
    first = (4 * 4 + 27 * 4 * 2) + (4 * 6 + 27 * 6 * 2) + 4 * 8
    transition = 8 * 4
    # 4 channels, and two layers of 3 more each: 10.
    second = (4 * 4 + 27 * 4 * 3) + (4 * 7 + 27 * 7 * 3) + 4 * 10
    head = 4 * (10 + 1) + (4 + 1)
    assert parameters("densenet", "network.depth=2") == stem + first + transition + second + head


def test_the_encoder_of_the_standard_unet():
    def convolution(before: int, width: int) -> int:
        return width * (27 * before + 1) + 4 * width

    levels = convolution(1, 4) + convolution(4, 4) + convolution(4, 6) + convolution(6, 6)
    assert parameters("unet-encoder") == levels + HEAD
