"""A picture beside its masks, at its own size: image | truth (where there is one) | prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.labels import LabelTable

SEPARATOR_PX = 4
SEPARATOR_COLOUR = (255, 255, 255)


def side_by_side(image: np.ndarray, masks: Sequence[np.ndarray], table: LabelTable) -> np.ndarray:
    """The image, then each mask in the colours of its classes, from left to right with a white line between them.

    `image`: grey (rows, columns[, 1]) or colour (rows, columns, 3), 0..255 of any number type, shown as it is; values
    outside are cut off. `masks`: class numbers of `table`, uint8 (rows, columns), such as the truth and the prediction.
    Returns RGB, uint8 (rows, (1 + masks) * columns + masks * SEPARATOR_PX, 3). Raises InputError for other shapes,
    values that are not finite, and classes that the table does not have.

    >>> table = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
    >>> side_by_side(np.full((1, 2), 90), [np.array([[0, 1]], np.uint8)], table)[0, [0, 2, 6, 7]].tolist()
    [[90, 90, 90], [255, 255, 255], [0, 0, 0], [214, 39, 40]]
    """
    panels = [_rgb(image)]
    rows, columns, _ = panels[0].shape
    colours = np.array(table.colours, np.uint8)
    for mask in masks:
        if mask.shape != (rows, columns) or mask.dtype != np.uint8:
            raise InputError(
                f"a mask beside an image of {rows} x {columns} pixels is uint8 of that shape, found {mask.dtype} "
                f"{mask.shape}"
            )
        if (highest := int(mask.max(initial=0))) >= len(table):
            raise InputError(f"classes to show are 0..{len(table) - 1}, found {highest}")
        panels += [np.full((rows, SEPARATOR_PX, 3), SEPARATOR_COLOUR, np.uint8), colours[mask]]
    return np.hstack(panels)


def write_side_by_side(path: str | Path, image: np.ndarray, masks: Sequence[np.ndarray], table: LabelTable) -> None:
    """Writes `side_by_side` as a PNG, whole or not at all."""
    with write_aside(path) as aside:
        Image.fromarray(side_by_side(image, masks, table)).save(aside, "PNG")


def _rgb(image: np.ndarray) -> np.ndarray:
    """The image as RGB, uint8 (rows, columns, 3)."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3) or not image.size:
        raise InputError(f"an image to show is (rows, columns) or (rows, columns, 3), found {image.shape}")
    if not np.isfinite(image).all():
        raise InputError("an image to show has finite values, found NaN or infinity")
    levels = np.clip(np.rint(image), 0, 255).astype(np.uint8).reshape(*image.shape[:2], channels)
    return np.broadcast_to(levels, (*image.shape[:2], 3))
