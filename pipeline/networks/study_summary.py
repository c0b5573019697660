"""What a network for whole studies is made of, as text."""

from pneumoseg.pipeline.networks.summary import in_words, layer_lines, layer_summaries, parameters
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.studies import StudySettings

MEANING = {"label": "probability of the disease (sigmoid)", "score": "severity / 100 (linear)"}


def study_summary(network: keras.Model, settings: StudySettings) -> str:
    """The facts of the network, then a line for each layer."""
    trained, other = parameters(network.trainable_weights), parameters(network.non_trainable_weights)
    patch = keras.KerasTensor(network.input_shape)
    facts = [
        f"network: {settings.network.name}",
        f"input: {in_words(patch.shape[1:])} (x, y, z, channels)",
        f"output: {', '.join(f'{head}, {MEANING[head]}' for head in network.output)}",
        f"parameters: {trained + other:,} ({trained:,} trained, {other:,} not trained)",
        f"optimizer: adam, learning rate {settings.training.learning_rate:g}",
    ]
    return "\n".join([*facts, "", *layer_lines(layer_summaries(network, patch)[1])]) + "\n"
