"""The common structure of all U-Nets, in any number of dimensions."""

from collections.abc import Sequence

from pneumoseg.pipeline.networks.blocks import Block, Kit, Skip, StridedBlock, unchanged
from pneumoseg.pipeline.runtime.keras_backend import keras


def u_net(
    kit: Kit,
    channels: int,
    classes: int,
    *,
    filters: Sequence[int],
    name: str,
    encoder: StridedBlock,
    decoder: Block,
    bottom: StridedBlock | None = None,
    skip: Skip = unchanged,
) -> keras.Model:
    """A network whose levels have `filters` channels, from the full resolution to the bottom.

    Each level down is an `encoder` block of stride 2 (1 at the top), the last one the `bottom` block, if given. Each
    level up is a transposed convolution of 2, concatenated with the `skip` connection, and a `decoder` block, whose
    output is that of a layer named decoder_LEVEL: 0 at full resolution, 1 at half of it, ...

    Input: (batch, x, y[, z], channels), sizes divisible by 2 ** (levels - 1).
    Output: (batch, x, y[, z], classes), float32 probabilities (`Kit.probabilities`).
    """
    inputs = keras.Input((None,) * kit.dimensions + (channels,))
    tensor, skips = inputs, []
    for level, width in enumerate(filters[:-1]):
        tensor = encoder(kit, tensor, width, 2 if level else 1)
        skips.append(tensor)
    tensor = (bottom or encoder)(kit, tensor, filters[-1], 2)
    for level in reversed(range(len(skips))):
        width = filters[level]
        kept = skip(kit, skips[level], tensor, width, len(skips) - level)
        tensor = decoder(kit, kit.joined(kit.doubled(tensor, width), kept), width)
        tensor = keras.layers.Identity(dtype=kit.dtype, name=f"decoder_{level}")(tensor)
    return keras.Model(inputs, kit.probabilities(tensor, classes, "probabilities"), name=name)
