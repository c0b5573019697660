"""The blocks of the U-Nets: functions from a tensor (batch, x[, y[, z]], channels) to another.

Without batch normalisation, only the instance-normalised block has a normalisation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pneumoseg.pipeline.networks import layers
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.schema import NetworkSettings

Tensor: TypeAlias = keras.KerasTensor


@dataclass(frozen=True)
class Kit:
    """Layers with the shared parameters of a network. `batch_norm_momentum` None: no batch normalisation.

    `dtype`: a Keras dtype policy, for instance "mixed_bfloat16". `sigmoid`: the probabilities of two classes come from
    one channel.
    """

    dimensions: int
    dtype: str
    batch_norm_momentum: float | None
    sigmoid: bool = False

    @classmethod
    def of(cls, dimensions: int, settings: NetworkSettings, dtype: str) -> "Kit":
        """The kit that the settings describe."""
        momentum = settings.batch_norm_momentum if settings.batch_norm else None
        return cls(dimensions, dtype, momentum, sigmoid=settings.output == "sigmoid")

    def convolution(self, tensor: Tensor, width: int, size: int = 3, **arguments) -> Tensor:
        """Convolution to `width` channels with a kernel of `size` voxels along each axis."""
        return layers.convolution(self.dimensions, width, size, dtype=self.dtype, **arguments)(tensor)

    def normalised(self, tensor: Tensor, scale: bool = True) -> Tensor:
        """Batch normalisation, or the tensor itself without it. `scale` False: without gamma."""
        if self.batch_norm_momentum is None:
            return tensor
        return layers.FusedBatchNormalization(self.batch_norm_momentum, scale=scale, dtype=self.dtype)(tensor)

    def normalised_convolution(self, tensor: Tensor, width: int, size: int = 3) -> Tensor:
        """Convolution without bias, then batch normalisation without gamma, which would cancel a bias."""
        bias = self.batch_norm_momentum is None
        return self.normalised(self.convolution(tensor, width, size, use_bias=bias), scale=False)

    def relu(self, tensor: Tensor) -> Tensor:
        """Rectified linear unit."""
        return keras.layers.Activation("relu", dtype=self.dtype)(tensor)

    def sum(self, *tensors: Tensor) -> Tensor:
        """Element-wise sum."""
        return keras.layers.Add(dtype=self.dtype)(tensors)

    def product(self, *tensors: Tensor) -> Tensor:
        """Element-wise product; a single channel is broadcast."""
        return keras.layers.Multiply(dtype=self.dtype)(tensors)

    def joined(self, *tensors: Tensor) -> Tensor:
        """Concatenation of the channels."""
        return keras.layers.Concatenate(dtype=self.dtype)(tensors)

    def halved(self, tensor: Tensor) -> Tensor:
        """Max-pooling to half the size."""
        return layers.max_pooling(self.dimensions, 2, dtype=self.dtype)(tensor)

    def doubled(self, tensor: Tensor, width: int) -> Tensor:
        """Transposed convolution to twice the size and `width` channels."""
        return layers.transposed_convolution(self.dimensions, width, 2, dtype=self.dtype)(tensor)

    def repeated(self, tensor: Tensor) -> Tensor:
        """Every voxel twice along each axis."""
        return layers.up_sampling(self.dimensions, 2, dtype=self.dtype)(tensor)

    def probabilities(self, tensor: Tensor, classes: int, name: str) -> Tensor:
        """Convolution 1 to the scores of the classes, then float32 probabilities of a layer of that name: their
        softmax, or those of two classes by the sigmoid of a single score."""
        scores = self.convolution(tensor, 1 if self.sigmoid else classes, 1)
        if self.sigmoid:
            return layers.TwoClassSigmoid(dtype="float32", name=name)(scores)
        return keras.layers.Activation("softmax", dtype="float32", name=name)(scores)


Block = Callable[[Kit, Tensor, int], Tensor]
StridedBlock = Callable[[Kit, Tensor, int, int], Tensor]


def pooled(block: Block) -> StridedBlock:
    """The block after max-pooling, where its stride is 2."""

    def strided(kit: Kit, tensor: Tensor, width: int, stride: int) -> Tensor:
        return block(kit, tensor if stride == 1 else kit.halved(tensor), width)

    return strided


def one_convolution(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """Convolution 3, ReLU, batch normalisation."""
    return kit.normalised(kit.convolution(tensor, width, activation="relu"))


def convolutions(count: int) -> Block:
    """`count` times (convolution 3, ReLU, batch normalisation)."""

    def block(kit: Kit, tensor: Tensor, width: int) -> Tensor:
        for _ in range(count):
            tensor = one_convolution(kit, tensor, width)
        return tensor

    return block


two_convolutions = convolutions(2)


def residual(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """Two convolutions plus a shortcut: a convolution 1 with ReLU, which also adapts the number of channels."""
    return kit.sum(kit.convolution(tensor, width, 1, activation="relu"), two_convolutions(kit, tensor, width))


def rectified_residual(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """ReLU of two convolutions plus a shortcut: a convolution 1 with batch normalisation."""
    short_cut = kit.normalised(kit.convolution(tensor, width, 1))
    return kit.relu(kit.sum(short_cut, two_convolutions(kit, tensor, width)))


def dense(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """Two convolutions, the output of each concatenated with the input of the block."""
    first = kit.joined(tensor, one_convolution(kit, tensor, width))
    return kit.joined(tensor, one_convolution(kit, first, width))


def compact(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """Two convolutions, their output concatenated with the input of the block."""
    return kit.joined(tensor, two_convolutions(kit, tensor, width))


def multires(kit: Kit, tensor: Tensor, width: int) -> Tensor:
    """Successive convolutions with receptive fields of 3, 5 and 7 voxels, concatenated, plus a shortcut.

    They have about 0.28, 0.56 and 0.83 times `width` channels, rounded down; the output has the sum.
    """
    widths = [max(1, int(1.67 * width * share)) for share in (0.167, 0.333, 0.5)]
    seen = [tensor]
    for count in widths:
        seen.append(kit.relu(kit.normalised_convolution(seen[-1], count)))
    short_cut = kit.normalised_convolution(tensor, sum(widths), 1)
    return kit.normalised(kit.relu(kit.sum(short_cut, kit.normalised(kit.joined(*seen[1:])))))


def instance_normalised(kit: Kit, tensor: Tensor, width: int, stride: int = 1) -> Tensor:
    """Twice (convolution 3, instance normalisation, leaky ReLU 0.01); the first convolution has the stride `stride`."""
    for step in (stride, 1):
        tensor = kit.convolution(tensor, width, strides=step)
        tensor = layers.FusedInstanceNormalization(dtype=kit.dtype)(tensor)
        tensor = keras.layers.LeakyReLU(negative_slope=0.01, dtype=kit.dtype)(tensor)
    return tensor


# Skip connection of a level, a function of (kit, tensor of the encoder, tensor of the decoder from the level below,
# channels of the level, number of levels below).
Skip = Callable[[Kit, Tensor, Tensor, int, int], Tensor]


def unchanged(kit: Kit, skip: Tensor, below: Tensor, width: int, levels_below: int) -> Tensor:
    """The tensor of the encoder, unchanged."""
    return skip


def attention_gate(kit: Kit, skip: Tensor, below: Tensor, width: int, levels_below: int) -> Tensor:
    """The tensor of the encoder times attention coefficients, 0 to 1 per voxel, of both tensors.

    The coefficients are computed at the coarser resolution and repeated. As Oktay et al. 2018, except for the
    up-sampling (trilinear there) and the kernel of 3 voxels of the convolution that halves `skip`.
    """
    gate = kit.relu(kit.normalised(kit.convolution(below, width, 1)))
    both = kit.relu(kit.sum(kit.convolution(skip, width, 3, strides=2), kit.convolution(gate, width, 1)))
    share = kit.convolution(both, 1, 1, activation="sigmoid")
    return kit.normalised(kit.convolution(kit.product(skip, kit.repeated(share)), width, 1))


def residual_path(kit: Kit, skip: Tensor, below: Tensor, width: int, levels_below: int) -> Tensor:
    """The tensor of the encoder after as many residual convolutions as there are levels below.

    Levels near the full resolution have fewer layers before the skip connection, and need more convolutions on it.
    """
    for _ in range(levels_below):
        short_cut = kit.normalised_convolution(skip, width, 1)
        skip = kit.normalised(kit.relu(kit.sum(short_cut, kit.relu(kit.normalised_convolution(skip, width)))))
    return skip
