"""The trunks of networks for whole studies: what turns a CT into feature maps, level by level.

Each is a function of (kit, input (batch, x, y, z, channels), settings) and returns the last feature map. Each level has
half the size of the one before; its feature map, of as many channels as its `settings.filters` where not said
otherwise, is the output of a layer named level_0, level_1, ...
"""

from collections.abc import Callable

from pneumoseg.pipeline.networks import blocks
from pneumoseg.pipeline.networks.blocks import Kit, Tensor, pooled
from pneumoseg.pipeline.networks.layers import average_pooling
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.studies import StudyNetworkSettings

ENCODERS = {
    "standard-unet": pooled(blocks.two_convolutions),
    "residual-unet": pooled(blocks.residual),
    "plain-unet": blocks.instance_normalised,
}
"""The blocks of the U-Nets' encoders; see pipeline/networks/architectures.py."""

COMPRESSION = 2
"""By which the DenseNet's transitions divide the channels."""

LEVEL = "level_{}"
Trunk = Callable[[Kit, Tensor, StudyNetworkSettings], Tensor]


def plain_cnn(kit: Kit, tensor: Tensor, settings: StudyNetworkSettings) -> Tensor:
    """Convolution 3 with ReLU, then max-pooling and batch normalisation before the next level.

    The blocks of Zunino, "3D image classification from CT scans", Keras code examples, 2020, and of the thesis "GPU
    enabled CNN based COVID-19 HRCT images classifier" (PSG Tech); convolutions keep the size here. The last pooling,
    which would come before the average over all voxels, is left out, so that the last feature map is finer.
    """
    for level, width in enumerate(settings.filters):
        if level:
            tensor = kit.normalised(kit.halved(tensor))
        stride = 1 if level else settings.first_stride
        tensor = _named(kit, kit.convolution(tensor, width, strides=stride, activation="relu"), level)
    return tensor


def resnet(kit: Kit, tensor: Tensor, settings: StudyNetworkSettings) -> Tensor:
    """A convolution 3 of `first_stride`, then `depth` residual blocks a level: two convolutions with batch
    normalisation and a shortcut; the first block of a level has stride 2.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016; in 3D as Hara et al., Can Spatiotemporal 3D CNNs
    Retrace the History of 2D CNNs and ImageNet?, CVPR 2018.
    """
    first = kit.convolution(tensor, settings.filters[0], strides=settings.first_stride, use_bias=False)
    tensor = kit.relu(kit.normalised(first))
    for level, width in enumerate(settings.filters):
        for block in range(settings.depth):
            tensor = _residual_block(kit, tensor, width, 2 if level and block == 0 else 1)
        tensor = _named(kit, tensor, level)
    return tensor


def _residual_block(kit: Kit, tensor: Tensor, width: int, stride: int) -> Tensor:
    """The shortcut is a convolution 1 where the size or the number of channels changes, else the tensor itself."""
    inner = kit.relu(kit.normalised(kit.convolution(tensor, width, strides=stride, use_bias=False)))
    inner = kit.normalised(kit.convolution(inner, width, use_bias=False))
    if stride != 1 or tensor.shape[-1] != width:
        tensor = kit.normalised(kit.convolution(tensor, width, 1, strides=stride, use_bias=False))
    return kit.relu(kit.sum(tensor, inner))


def densenet(kit: Kit, tensor: Tensor, settings: StudyNetworkSettings) -> Tensor:
    """A convolution 3 of `first_stride`, then `depth` layers a level: batch normalisation, ReLU and convolution 3,
    joined with their input. The layers of a level add its `filters` together; before the next level a convolution 1
    halves the channels and an average the size.

    Huang et al., Densely Connected Convolutional Networks, CVPR 2017, without its bottlenecks. A level's feature map is
    the batch-normalised and rectified one.
    """
    tensor = kit.convolution(tensor, settings.filters[0], strides=settings.first_stride, use_bias=False)
    for level, width in enumerate(settings.filters):
        if level:
            narrowed = kit.convolution(tensor, tensor.shape[-1] // COMPRESSION, 1, use_bias=False)
            tensor = average_pooling(kit.dimensions, 2, dtype=kit.dtype)(narrowed)
        for _ in range(settings.depth):
            active = kit.relu(kit.normalised(tensor))
            tensor = kit.joined(tensor, kit.convolution(active, width // settings.depth, use_bias=False))
        tensor = _named(kit, kit.relu(kit.normalised(tensor)), level)
    return tensor


def unet_encoder(kit: Kit, tensor: Tensor, settings: StudyNetworkSettings) -> Tensor:
    """The encoder of one of the U-Nets, with `filters` of its levels, down to the bottom."""
    for level, width in enumerate(settings.filters):
        tensor = _named(kit, ENCODERS[settings.encoder](kit, tensor, width, 2 if level else 1), level)
    return tensor


def _named(kit: Kit, tensor: Tensor, level: int) -> Tensor:
    return keras.layers.Identity(dtype=kit.dtype, name=LEVEL.format(level))(tensor)


TRUNKS: dict[str, Trunk] = {
    "hrct-cnn": plain_cnn,
    "resnet": resnet,
    "densenet": densenet,
    "unet-encoder": unet_encoder,
}
