"""MIScnn 1.4.0 as covid19.MIScnn puts it together; imported by the scripts beside it, in MIScnn's own environment."""

from miscnn import Data_Augmentation, Data_IO, Preprocessor
from miscnn.processing.subfunctions import Clipping, Normalization, Resampling

PATCH, BATCH, SPACING_MM = (160, 160, 80), 2, (1.58, 1.58, 2.70)


def make_augmentation() -> Data_Augmentation:
    """All transforms, with MIScnn's own ranges and probabilities."""
    return Data_Augmentation(
        cycles=1,
        scaling=True,
        rotations=True,
        elastic_deform=True,
        mirror=True,
        brightness=True,
        contrast=True,
        gamma=True,
        gaussian_noise=True,
    )


def make_preprocessor(files: Data_IO, batch: int, augmentation: Data_Augmentation | None = None) -> Preprocessor:
    """Random patches of volumes that are preprocessed once, beforehand."""
    return Preprocessor(
        files,
        batch_size=batch,
        subfunctions=[
            Clipping(min=-1250, max=250),
            Normalization(mode="grayscale"),
            Resampling(SPACING_MM),
            Normalization(mode="z-score"),
        ],
        **({} if augmentation is None else {"data_aug": augmentation}),
        prepare_subfunctions=True,
        prepare_batches=False,
        analysis="patchwise-crop",
        patch_shape=PATCH,
    )
