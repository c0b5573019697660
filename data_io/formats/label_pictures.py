"""Masks as pictures: grey values or indices of a palette; written as PNG."""

from pathlib import Path

import numpy as np
from PIL import Image

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import WHITE_16, load_picture, picture_volume, pixels
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import checked
from pneumoseg.data_io.volumes.volume import Volume

SUFFIX = ".png"
WHITE = 255
THRESHOLD = 127
NEAR = 15
"""So near black or white are the pixels of a mask that was compressed as JPEG, but for its outlines."""

FEW_VALUES = 16
"""A mask with more values was smoothed or compressed."""

NO_GREY = (255, 0, 255)
"""A colour that no class has: added to a table of greys, whose indices would else be looked up when they are read."""


def read_label_picture(path: str | Path) -> Volume:
    """Reads the values of a mask, (x, y, 1): the indices of a palette with colours, else the grey values as stored.

    uint8, 16 bits uint16, more int32 or float32. 1 bit gives 0 and 255. A palette of greys alone, and colours that are
    all equal, are grey values. Raises InputError as `pictures.load_picture`, and for colours without a palette.
    """
    path = Path(path)
    image = load_picture(path, exact=True)
    if _has_coloured_palette(image):
        indices = np.asarray(image)
        return picture_volume(indices if indices.ndim == 2 else indices[..., 0])
    values = pixels(image)
    if values.ndim != 2:
        raise InputError(
            f"{path}: a mask is grey or has a palette, found colours; save its class numbers as grey values"
        )
    return picture_volume(checked(values, path))


def two_classes(values: np.ndarray, path: str | Path) -> np.ndarray:
    """The values of a mask with one class beside the background as 0 and 1.

    0 and 1 are class numbers. Else class 1 is what is above 127 of 255, values beyond 255 being those of 16 bits: if
    all values are within 15 of black or white, or if there are more than 16, as in masks that were smoothed or
    compressed; a warning says so where there are others than 0 and 255. Raises InputError for other values, such as
    those of several classes, and where none is near white.
    """
    present = np.unique(values)
    if np.isin(present, (0, 1)).all():
        return values
    scale = WHITE_16 / WHITE if present[-1] > WHITE else 1.0
    grey = present / scale
    between = (grey > NEAR) & (grey < WHITE - NEAR)
    if not (grey[0] >= 0 and WHITE - NEAR <= grey[-1] <= WHITE) or (between.any() and len(grey) <= FEW_VALUES):
        named = ", ".join(f"{value:g}" for value in present[:FEW_VALUES]) + (", ..." if len(grey) > FEW_VALUES else "")
        raise InputError(
            f"{path}: the mask of two classes has the values 0 and 1, or 0 and 255, found {named}; save it so, or say "
            "which value is which class (labels.merge)"
        )
    if not np.isin(grey, (0, WHITE)).all():
        share = np.isin(values, present[between]).mean()
        log.warning(
            "%s: %d values where a mask has 0 and 255; above %d is class 1; %.1f %% of the pixels are near neither",
            path,
            len(grey),
            THRESHOLD,
            100 * share,
        )
    return (values > THRESHOLD * scale).astype(np.uint8)


def write_label_picture(path: str | Path, labels: Volume, table: LabelTable) -> None:
    """Writes a mask (x, y, 1) as PNG: 0 and 255 where `table` has two classes, else a palette with its colours, where
    indices are class numbers.

    Columns go to the patient's left, rows to the back, as `pictures.read_picture` reads them. The file appears whole or
    not at all. Raises InputError for another name than .png, for more slices than one and for classes beyond the table.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"{path}: a mask is written as a picture in {SUFFIX}; change the name")
    if labels.array.shape[2] != 1:
        raise InputError(
            f"{path}: a picture holds one slice, found a mask of {labels.array.shape[2]}; write it as .nii.gz"
        )
    array = np.ascontiguousarray(np.flip(labels.array[:, :, 0], (0, 1)).T).astype(np.uint8, copy=False)
    if array.max() >= len(table):
        raise InputError(f"{path}: the classes are 0..{len(table) - 1}, found {array.max()}; give the mask's table")
    with write_aside(path) as aside:
        _picture(array, table).save(aside, "PNG")


def _picture(array: np.ndarray, table: LabelTable) -> Image.Image:
    if len(table) == 2:
        return Image.fromarray(array * np.uint8(WHITE))
    image = Image.fromarray(array)
    colours = [*table.colours]
    if all(_is_grey(colour) for colour in colours):  # else it would be read as grey values
        colours.append(NO_GREY)
    image.putpalette([value for colour in colours for value in colour])
    return image


def _has_coloured_palette(image: Image.Image) -> bool:
    palette = image.getpalette("RGB") if image.mode in ("P", "PA") else None
    return palette is not None and not all(_is_grey(colour) for colour in zip(*[iter(palette)] * 3, strict=True))


def _is_grey(colour: tuple[int, ...]) -> bool:
    return len(set(colour)) == 1
