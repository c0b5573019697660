"""Contrast-limited adaptive histogram equalisation (CLAHE) of axial slices.

Some published CT data are slices that were equalised one by one, without Hounsfield units. A network trained on them
sees a CT in HU as they look once its slices are equalised likewise.
"""

import numpy as np
from skimage.exposure import equalize_adapthist

TILES = 8
"""Tiles along each side of a slice."""

CLIP_LIMIT = 3 / 256
"""The largest share of a tile's pixels that one of the 256 grey values may have; the rest is spread over all."""


def equalise_slices(array: np.ndarray) -> np.ndarray:
    """Each slice along z stretched to 0..1 and equalised by CLAHE (Zuiderveld, Graphics Gems IV, 1994).

    `array`: float32 (x, y, z), finite; the result likewise, in 0..1. A slice of one value becomes 0.
    """
    equalised = np.zeros_like(array)
    # Tiles of a single pixel have no histogram to speak of.
    tile = [max(2, -(-size // TILES)) for size in array.shape[:2]]
    for index in range(array.shape[2]):
        image = array[:, :, index]
        low, high = float(image.min()), float(image.max())
        if high > low:
            stretched = ((image - low) / (high - low)).astype(np.float64)
            equalised[:, :, index] = equalize_adapthist(stretched, kernel_size=tile, clip_limit=CLIP_LIMIT)
    return equalised
