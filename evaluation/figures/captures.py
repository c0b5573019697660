"""Slices of a CT with a mask over them and figures written in, as pictures for a PACS."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.overlays import FILL_OPACITY, display_window, radiological_slice

SMALLEST_PX = 512
"""Of the shorter side: smaller slices are enlarged, so that what is written in can be read."""
STEP_MM = 5.0
"""Between pictures, as axial slices are read; thicker slices are all shown."""
FONT_PX = 15
MARGIN_PX = 6
EDGE_PX = 2
INK, EDGE = (255, 255, 255), (0, 0, 0)


def captures(image: Volume, mask: Volume, table: LabelTable, *, lines: Sequence[str]) -> Iterator[np.ndarray]:
    """Axial pictures of a CT (HU) from the head down, RGB uint8 (rows, columns, 3), the classes of the mask over it.

    Seen from the feet, as radiologists do: the patient's right, marked R, at the left. The slices through the mask, or
    all where it is empty, STEP_MM apart. `lines`: what is written at the top, such as volumes.
    """
    window = display_window(image.array)
    for index in _shown(mask):
        yield _picture(image, mask, table, index=index, window=window, lines=lines)


def _shown(mask: Volume) -> range:
    box = bounding_box(mask.array > 0)[2] if mask.array.any() else slice(0, mask.grid.shape[2])
    step = max(1, round(STEP_MM / mask.spacing_mm[2]))
    return range(box.stop - 1, box.start - 1, -step)


def _picture(
    image: Volume,
    mask: Volume,
    table: LabelTable,
    *,
    index: int,
    window: tuple[float, float],
    lines: Sequence[str],
) -> np.ndarray:
    black, white = window
    grey = radiological_slice(image.array, index).astype(np.float32)
    levels = np.clip((grey - black) / (white - black), 0.0, 1.0)[..., None] * 255.0
    classes = radiological_slice(mask.array, index)
    colours = np.array(table.colours, np.float32)[classes]
    opacity = np.where(classes > 0, np.float32(FILL_OPACITY), np.float32(0.0))[..., None]
    drawn = Image.fromarray(np.rint(levels * (1 - opacity) + colours * opacity).astype(np.uint8))
    drawn = drawn.resize(_size_px(image, drawn.size), Image.Resampling.BILINEAR)
    _write(drawn, lines, f"slice {index + 1} of {image.grid.shape[2]} from the feet")
    return np.asarray(drawn)


def _size_px(image: Volume, size: tuple[int, int]) -> tuple[int, int]:
    """The size at which pixels are square and the shorter side has SMALLEST_PX or more."""
    width_mm, height_mm = (pixels * mm for pixels, mm in zip(size, image.spacing_mm, strict=False))
    per_px_mm = min(*image.spacing_mm[:2], min(width_mm, height_mm) / SMALLEST_PX)
    return round(width_mm / per_px_mm), round(height_mm / per_px_mm)


def _write(picture: Image.Image, lines: Sequence[str], place: str) -> None:
    width, height = picture.size
    right, bottom, middle = width - MARGIN_PX, height - MARGIN_PX, height / 2
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_PX)
    draw.multiline_text((MARGIN_PX, MARGIN_PX), "\n".join(lines), INK, font, stroke_width=EDGE_PX, stroke_fill=EDGE)
    for at, anchor, text in (
        ((MARGIN_PX, middle), "lm", "R"),
        ((right, middle), "rm", "L"),
        ((MARGIN_PX, bottom), "lb", place),
        ((right, bottom), "rb", "for research only"),
    ):
        draw.text(at, text, INK, font, anchor, stroke_width=EDGE_PX, stroke_fill=EDGE)
