"""Where the body is in a chest CT: what lies outside it is air, table and blankets, never lung."""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

GAP_VOXELS = 2


def body_mask(image: np.ndarray) -> np.ndarray:
    """The body: the largest piece of tissue, and in each slice all that it encloses.

    `image`: float32 (x, y, z) in any unit in which tissue is brighter than air; bool of the same shape. Tissue is what
    lies above the threshold of Otsu (IEEE Transactions on Systems, Man, and Cybernetics 9, 1979) of its slice. Pieces
    are separated in 3D: in a slice the heart may be larger than the chest wall and not touch it. Gaps in a slice up to
    four voxels wide are closed first. Where the image's border cuts a piece of tissue, the border between the piece's
    outermost voxels on it counts as wall, so that a lung that reaches the border is not open.
    """
    tissue = np.zeros(image.shape, bool)
    for index in range(image.shape[2]):
        plane = image[:, :, index]
        if plane.min() < plane.max():
            tissue[:, :, index] = plane > threshold_otsu(plane)
    pieces, count = ndimage.label(tissue)
    if count:
        tissue = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    for index in range(image.shape[2]):
        tissue[:, :, index] = _filled(_closed(tissue[:, :, index]))
    return tissue


def _closed(plane: np.ndarray) -> np.ndarray:
    """A thin chest wall may have gaps at the threshold, through which air would come in."""
    padded = np.pad(plane, GAP_VOXELS, mode="edge")  # the border of the image is no gap and no edge of the body
    inside = (slice(GAP_VOXELS, -GAP_VOXELS),) * 2
    return ndimage.binary_closing(padded, iterations=GAP_VOXELS)[inside] | plane


def _filled(plane: np.ndarray) -> np.ndarray:
    """What tissue encloses, with the help of the image's border."""
    pieces = np.pad(ndimage.label(plane)[0], 1)
    walled = pieces > 0
    inside = slice(1, -1)
    for beyond, border in ((0, 1), (-1, -2)):
        for wall, edge in (
            (walled[beyond, inside], pieces[border, inside]),
            (walled[inside, beyond], pieces[inside, border]),
        ):
            for piece in np.unique(edge[edge > 0]):
                places = np.flatnonzero(edge == piece)
                wall[places[0] : places[-1] + 1] = True
    return ndimage.binary_fill_holes(walled)[inside, inside]
