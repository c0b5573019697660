"""Grad-CAM of networks whose feature maps and weights are set by hand."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.prediction.grad_cam import grad_cam
from pneumoseg.pipeline.settings.loading import load_study_settings


def model(*changes: str) -> StudyModel:
    settings = load_study_settings(
        "hrct-joint", ["input.shape=[4, 6, 8]", "network.filters=[1]", "network.dense_units=1", *changes]
    )
    return StudyModel(build_study_network(settings), settings, {})


def passing_on(slope: float) -> StudyModel:
    """A network whose feature map is the image itself, and whose label is `slope` times its mean."""
    one = model("input.lungs=ignored")
    kernel = np.zeros((3, 3, 3, 1, 1), np.float32)
    kernel[1, 1, 1] = 1
    by_name = {layer.name: layer for layer in one.network.layers}
    convolution = next(layer for layer in one.network.layers if "Conv" in type(layer).__name__)
    convolution.set_weights([kernel, np.zeros(1, np.float32)])
    by_name["dense"].set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
    by_name["label"].set_weights([np.full((1, 1), slope, np.float32), np.full(1, 200, np.float32)])
    return one


@pytest.fixture
def image() -> np.ndarray:
    image = np.full((4, 6, 8), -1000, np.int16)
    image[1, 2, 3] = 400
    image[3, 5, 7] = -300
    return image


def test_a_map_of_the_image_is_the_image_for_a_network_that_is_quite_sure(image):
    """The label's sigmoid is 1 to the last digit here, so that its own gradient is 0."""
    found = grad_cam(passing_on(2.0), image, np.ones(image.shape, np.uint8), head="label")
    assert found.shape == image.shape
    assert found.dtype == np.float32
    expected = np.zeros(image.shape)
    expected[1, 2, 3], expected[3, 5, 7] = 1.0, 0.5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_speaks_against_it_is_not_shown(image):
    assert not grad_cam(passing_on(-2.0), image, np.ones(image.shape, np.uint8), head="label").any()


@pytest.mark.parametrize("name", ["hrct-cnn", "resnet", "densenet"])
def test_every_level_of_every_network_gives_a_map_of_the_size_of_the_ct(name, image):
    network = model(f"network.name={name}", "network.filters=[2, 4]", "network.dense_units=16")
    for layer in ("level_0", None):
        found = grad_cam(network, image, np.ones(image.shape, np.uint8), head="score", layer=layer)
        assert found.shape == image.shape
        assert found.min() >= 0
        assert found.max() == pytest.approx(1) or not found.any()


def test_what_the_network_does_not_have_is_refused(image):
    lungs = np.ones(image.shape, np.uint8)
    resnet = model("network.name=resnet", "network.heads=[label]")
    inner = next(layer.name for layer in resnet.network.layers[4:] if "Conv" in type(layer).__name__)
    for head, layer, message in (
        ("score", None, "an output of the network, label, found score"),
        ("label", "levl_0", "none of that name; did you mean level_0"),
        ("label", "dense", "a layer that gives feature maps"),
        ("label", inner, "other layers bypass it"),
    ):
        with pytest.raises(InputError, match=message):
            grad_cam(resnet, image, lungs, head=head, layer=layer)
    with pytest.raises(InputError, match="trained on CTs of"):
        grad_cam(resnet, image[1:], lungs[1:], head="label")
