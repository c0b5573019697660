"""What a network is made of, layer by layer, and how it is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.schema import Settings

Shape = tuple[int | None, ...]
"""Without the batch, channels last; None where the size is that of the image."""


@dataclass(frozen=True)
class LayerSummary:
    """A layer: `number` counts from 1, `kind` is its class, `shape` that of its output for one patch, None where
    unknown, `after` are the layers whose outputs it takes."""

    number: int
    kind: str
    shape: Shape | None
    parameters: int
    after: tuple[int, ...]


@dataclass(frozen=True)
class NetworkSummary:
    """A network, and its training, in numbers. `input`, `output`: shapes for one patch; `probabilities`: "softmax" or
    "sigmoid"; `not_trained`: parameters such as moving statistics."""

    network: str
    input: Shape
    output: Shape
    probabilities: str
    loss: str
    optimizer: str
    learning_rate: float
    trained: int
    not_trained: int
    layers: tuple[LayerSummary, ...]


def summarise_settings(settings: Settings) -> NetworkSummary:
    """The summary of the network that the settings describe. Raises InputError where there is no such network."""
    return summarise(build_network(settings), settings)


def summarise(network: keras.Model, settings: Settings) -> NetworkSummary:
    """The summary of a network that was built from the settings; shapes are those of their patches."""
    spatial = settings.patches.shape or (None,) * settings.dimensions
    patch = keras.KerasTensor((None, *spatial, settings.channels))
    (output,), layers = layer_summaries(network, patch)
    return NetworkSummary(
        network=settings.network.name,
        input=patch.shape[1:],
        output=output.shape[1:],
        probabilities=settings.network.output,
        loss=settings.loss.name,
        optimizer=settings.training.optimizer,
        learning_rate=settings.training.learning_rate,
        trained=parameters(network.trainable_weights),
        not_trained=parameters(network.non_trainable_weights),
        layers=layers,
    )


def layer_summaries(network: keras.Model, patch: keras.KerasTensor) -> tuple[list, tuple[LayerSummary, ...]]:
    """The tensors that the network gives for `patch`, and its layers."""
    outputs = [keras.tree.flatten(getattr(layer, "output", [])) for layer in network.layers]
    number_of = {id(tensor): number for number, tensors in enumerate(outputs, start=1) for tensor in tensors}
    if getattr(network, "inputs", None):
        every = keras.Model(network.inputs, [network.outputs, outputs])
        given, shaped = every.compute_output_spec(patch)
    else:  # of a user's own class, whose layers are not linked
        given, shaped = [network.compute_output_spec(patch)], [[] for _ in network.layers]
    layers = []
    for number, (layer, tensors) in enumerate(zip(network.layers, shaped, strict=True), start=1):
        taken = [number_of.get(id(tensor), number) for tensor in keras.tree.flatten(getattr(layer, "input", []))]
        layers.append(
            LayerSummary(
                number=number,
                kind=type(layer).__name__,
                shape=tensors[0].shape[1:] if tensors else None,
                parameters=layer.count_params(),
                after=tuple(one for one in taken if one != number),
            )
        )
    return given, tuple(layers)


def readable_summary(summary: NetworkSummary) -> str:
    """The summary as text: the facts of the network, then a line for each layer."""
    facts = [
        f"network: {summary.network}",
        f"input: {in_words(summary.input)} (channels last)",
        f"output: {in_words(summary.output)}, probabilities of the classes ({summary.probabilities})",
        f"parameters: {summary.trained + summary.not_trained:,} ({summary.trained:,} trained, "
        f"{summary.not_trained:,} not trained)",
        f"loss: {summary.loss}",
        f"optimizer: {summary.optimizer}, learning rate {summary.learning_rate:g}",
    ]
    return "\n".join([*facts, "", *layer_lines(summary.layers)]) + "\n"


def layer_lines(layers: Sequence[LayerSummary]) -> list[str]:
    """The layers as a table, a heading and a line for each."""
    rows = [("layer", "kind", "output", "parameters", "after")]
    rows += [
        (
            f"{one.number}",
            one.kind,
            "unknown" if one.shape is None else in_words(one.shape),
            f"{one.parameters:,}",
            ", ".join(map(str, one.after)),
        )
        for one in layers
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = (0, 3)
    return [
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def in_words(shape: Shape) -> str:
    """A shape for people, such as 16 x 16 x 8 x 1.

    >>> in_words((None, 16, 1))
    'any x 16 x 1'
    """
    return " x ".join("any" if size is None else str(size) for size in shape)


def parameters(weights: Sequence) -> int:
    """The number of values in the weights."""
    return sum(math.prod(weight.shape) for weight in weights)
