"""What a network says of a prepared CT: its outputs in their units."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.prediction.study_outputs import network_here, study_outputs
from pneumoseg.pipeline.settings.loading import load_study_settings

IMAGE = np.full((4, 8, 8), -300, np.int16)
LUNGS = np.ones((4, 8, 8), np.uint8)


def model(heads: str, dtype: str = "float32", **biases: float) -> StudyModel:
    """A network whose outputs are its biases."""
    settings = load_study_settings(
        "hrct-joint", ["input.shape=[4, 8, 8]", "network.filters=[2]", f"network.heads={heads}"]
    )
    network = build_study_network(settings, dtype)
    for head, bias in biases.items():
        layer = network.get_layer(head)
        layer.set_weights([np.zeros_like(layer.get_weights()[0]), np.array([bias], np.float32)])
    return StudyModel(network, settings, {})


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_probability_and_score_in_points(dtype):
    found = study_outputs(model("[label, score]", dtype, label=np.log(3), score=0.43), IMAGE, LUNGS)
    assert found.probability == pytest.approx(0.75)
    assert found.score == pytest.approx(43)


@pytest.mark.parametrize(("bias", "score"), [(-0.2, 0.0), (1.2, 100.0)])
def test_a_score_beyond_the_scale_is_cut_off(bias, score):
    found = study_outputs(model("[score]", score=bias), IMAGE, LUNGS)
    assert (found.probability, found.score) == (None, score)


def test_a_ct_of_another_shape_and_no_number_are_refused():
    with pytest.raises(InputError, match=r"trained on CTs of \[4, 8, 8\] voxels \(z, y, x\), found \[8, 8, 4\]"):
        study_outputs(model("[label]"), IMAGE.transpose(2, 1, 0), LUNGS.transpose(2, 1, 0))
    with pytest.raises(InputError, match="output is no number"):
        study_outputs(model("[score]", score=np.nan), IMAGE, LUNGS)


def test_networks_of_an_ensemble_are_rebuilt_and_compiled_once_or_not_at_all():
    members = [model("[label]", label=0.0) for _ in range(6)]
    rebuilt = []
    for _ in range(2):
        assert [study_outputs(member, IMAGE, LUNGS).probability for member in members] == [0.5] * 6
        rebuilt.append([network_here(member.network) for member in members])
    assert all(first is second for first, second in zip(*rebuilt, strict=True))
    assert not any(network.predict_function for network in rebuilt[0])
