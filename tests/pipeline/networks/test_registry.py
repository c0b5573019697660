"""Networks by name."""

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.networks.registry import NETWORKS, build_network
from pneumoseg.pipeline.settings.loading import load_settings


def build(*changes: str) -> keras.Model:
    return build_network(load_settings("demo", ["patches.shape=[16, 16]", "network.filters=[4, 8]", *changes]))


def test_the_names():
    assert set(NETWORKS) == {
        *("standard-unet", "residual-unet", "dense-unet", "compact-unet", "attention-unet"),
        *("attention-residual-unet", "multires-unet", "plain-unet"),
    }


def test_a_network_has_the_dimensions_and_classes_of_the_settings():
    network = build()
    assert network.input_shape == (None, None, None, 1)
    assert network.output_shape == (None, None, None, 4)


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        (["preprocessing.channels=3"], 3),
        (["preprocessing.further_windows_hu=[[-1000, 400], [-160, 240]]"], 3),
        (["patches.neighbours=2"], 5),
        (["preprocessing.channels=2", "patches.neighbours=1"], 6),
    ],
)
def test_a_network_has_the_channels_of_the_settings(changes, channels):
    network = build(*changes)
    assert network.input_shape[-1] == channels
    assert network.predict_on_batch(np.zeros((1, 16, 16, channels), np.float32)).shape == (1, 16, 16, 4)


def test_the_seed_decides_the_weights():
    weights = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        weights.append(build().get_weights()[0])
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


def test_a_function_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "shallow_network.py").write_text(
        "import keras\n"
        "def shallow(dimensions, channels, classes, settings, dtype):\n"
        "    inputs = keras.Input((None,) * dimensions + (channels,))\n"
        "    return keras.Model(inputs, keras.layers.Conv2D(classes, 1, activation='softmax')(inputs))\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert build("network.name=shallow_network:shallow").count_params() == 4 + 4


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="standard-unet"):
        build("network.name=standart-unet")
