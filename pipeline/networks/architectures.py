"""The networks of the library, in any number of dimensions, with the publications that define them.

All take (dimensions, channels, classes, settings, dtype) and return a model as described in `unet.u_net`. With default
settings they have the layers of the architectures of the same names in MIScnn 1.4, except where noted, and end in a
softmax; `plain_unet` differs from that of MIScnn. `settings.output` "sigmoid" ends any of them in one channel.
"""

from pneumoseg.pipeline.networks import blocks
from pneumoseg.pipeline.networks.blocks import Kit, pooled
from pneumoseg.pipeline.networks.unet import u_net
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.schema import NetworkSettings


def standard_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """Two convolutions at each level, or as many as `settings.convolutions`.

    Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015; Çiçek et al., 3D
    U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation, MICCAI 2016.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.convolutions(settings.convolutions)
    return u_net(
        kit, channels, classes, filters=settings.filters, name="standard_unet", encoder=pooled(block), decoder=block
    )


def residual_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """A shortcut around the two convolutions of each level.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016; Zhang, Liu and Wang, Road Extraction by Deep
    Residual U-Net, IEEE Geoscience and Remote Sensing Letters 15(5), 2018.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.residual
    return u_net(
        kit, channels, classes, filters=settings.filters, name="residual_unet", encoder=pooled(block), decoder=block
    )


def dense_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """The input of each level is concatenated with the output of each of its convolutions.

    Huang et al., Densely Connected Convolutional Networks, CVPR 2017; Kolařík et al., Optimized High Resolution 3D
    Dense-U-Net Network for Brain and Spine Segmentation, Applied Sciences 9(3), 2019.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.dense
    return u_net(
        kit, channels, classes, filters=settings.filters, name="dense_unet", encoder=pooled(block), decoder=block
    )


def compact_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """The input of each level is concatenated with the output of its two convolutions.

    After Kolařík et al., as the dense U-Net.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.compact
    return u_net(
        kit, channels, classes, filters=settings.filters, name="compact_unet", encoder=pooled(block), decoder=block
    )


def attention_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """The standard U-Net with attention gates on the skip connections.

    Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.two_convolutions
    return u_net(
        kit,
        channels,
        classes,
        filters=settings.filters,
        name="attention_unet",
        encoder=pooled(block),
        decoder=block,
        skip=blocks.attention_gate,
    )


def attention_residual_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """The attention U-Net with a shortcut around the two convolutions of each encoder level.

    Oktay et al. and He et al., as the attention and the residual U-Net. Bottom and decoder have no shortcuts. As in the
    2D network of MIScnn; in its 3D network the shortcut begins after the convolutions that it should bypass, with
    44,000 parameters more.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.two_convolutions
    return u_net(
        kit,
        channels,
        classes,
        filters=settings.filters,
        name="attention_residual_unet",
        encoder=pooled(blocks.rectified_residual),
        decoder=block,
        bottom=pooled(block),
        skip=blocks.attention_gate,
    )


def multires_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """Blocks of convolutions with growing receptive fields, and residual paths from encoder to decoder.

    Ibtehaz and Rahman, MultiResUNet: Rethinking the U-Net Architecture for Multimodal Biomedical Image Segmentation,
    Neural Networks 121, 2020. `settings.filters` are the widths of a U-Net with as many parameters per level; the
    blocks have 1.67 times as many. Unlike in the authors' program the output is not batch-normalised, as the softmax of
    values with variance 1 cannot reach high probabilities.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.multires
    return u_net(
        kit,
        channels,
        classes,
        filters=settings.filters,
        name="multires_unet",
        encoder=pooled(block),
        decoder=block,
        skip=blocks.residual_path,
    )


def plain_unet(
    dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str = "float32"
) -> keras.Model:
    """Strided convolutions instead of pooling, instance normalisation, leaky ReLU.

    Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, Nature
    Methods 18, 2021. `settings.batch_norm` has no effect.
    """
    kit = Kit.of(dimensions, settings, dtype)
    block = blocks.instance_normalised
    return u_net(kit, channels, classes, filters=settings.filters, name="plain_unet", encoder=block, decoder=block)
