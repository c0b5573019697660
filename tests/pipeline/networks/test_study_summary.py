"""The text on a network for whole studies."""

from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.networks.study_summary import study_summary
from pneumoseg.pipeline.settings.loading import load_study_settings


def test_the_summary_names_input_outputs_and_layers():
    settings = load_study_settings("hrct-joint", ["input.shape=[4, 8, 16]", "network.filters=[2, 3]"])
    network = build_study_network(settings)
    text = study_summary(network, settings)
    assert "input: 16 x 8 x 4 x 1 (x, y, z, channels)" in text
    assert "output: label, probability of the disease (sigmoid), score, severity / 100 (linear)" in text
    assert f"parameters: {network.count_params():,} (" in text
    assert "Conv3D" in text
    assert "16 x 8 x 4 x 2" in text
