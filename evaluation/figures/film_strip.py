"""A case slice by slice as small pictures: a GIF that scrolls through it, a strip for a slice viewer.

Drawn with numpy and PIL alone, for speed: a report holds dozens of such pictures for every case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.errors import (
    ERROR_COLOURS,
    ERROR_OPACITY,
    check_shapes,
    check_volumes,
    error_kinds,
    slice_disagreement,
)
from pneumoseg.evaluation.figures.overlays import (
    display_window,
    radiological_slice,
    shown_slice,
    without_place,
)

WEBP_LIMIT_PX = 16383
WEBP_QUALITY = 60
GIF_COLOURS = 44
GIF_GREYS = (20, 14, 10, 8, 6)
"""Steps of grey to try: the fewer, the less of the CT's noise is stored, and noise is most of a GIF's size."""

GIF_BYTES = 3_000_000

SMALLEST_MARKED_PX = 64


@dataclass(frozen=True, kw_only=True)
class FilmStrip:
    """Slices of one case: `path` is a WebP (or PNG) whose equally high frames are stacked, the first at the top.

    `slices`: the z index (from 0) of each frame; `total_slices`: slices of the volume; `first`: the number (from 0) of
    the frame that is shown first and as the thumbnail; `caption`: the line under the thumbnail and over the viewer,
    which names the case. A WebP is 16383 pixels high at most.
    """

    case: str
    caption: str
    path: Path
    slices: tuple[int, ...]
    total_slices: int
    first: int


def frames(
    image: Volume,
    reference: Volume,
    prediction: Volume,
    *,
    labels: LabelTable,
    indices: Sequence[int],
    width_px: int = 256,
) -> list[np.ndarray]:
    """One RGB picture, uint8 (height, 2 * width_px, 3), for each axial slice of `indices`, in their order.

    Left the CT (lung window, or grey values as they are), right the same with the outlines of the classes in the
    table's colours (the reference's solid, the prediction's dashed) and the errors in the colours of
    `figures.errors`, which no outline hides; the last class (the infection) needs none: its colours end
    where its outlines would be. The patient's right is at the left of each panel, marked unless nothing is known of the
    image's place; the height keeps the patient's proportions in mm. Raises InputError where shapes differ, for an index
    outside the volume and for `width_px` below 1.
    """
    check_volumes(image, reference, prediction)
    width, depth, height = image.grid.shape
    if width_px < 1:
        raise InputError(f"a picture is at least 1 pixel wide, found width_px {width_px}")
    if outside := [index for index in indices if not 0 <= index < height]:
        raise InputError(f"slices of this volume are 0 to {height - 1}, found {outside[0]}")
    size_px = (width_px, max(1, round(width_px * depth * image.spacing_mm[1] / (width * image.spacing_mm[0]))))
    window = display_window(image.array)
    marked = (lambda picture: picture) if without_place(image) else _marked
    drawn = []
    for index in indices:
        ct = _resized_picture(shown_slice(image.array, index), window, size_px)
        true_classes = _resized_classes(radiological_slice(reference.array, index), size_px)
        predicted_classes = _resized_classes(radiological_slice(prediction.array, index), size_px)
        drawn.append(np.hstack([marked(ct), marked(_compared(ct, true_classes, predicted_classes, labels))]))
    return drawn


def spread_slices(reference: np.ndarray, prediction: np.ndarray, count: int) -> list[int]:
    """At most `count` axial slices evenly over the labelled extent, from the feet up, all of it where that is fewer.

    The worst slice is always among them: that with the most disagreement, where the highest class that occurs (the
    infection) weighs more; without disagreement that with the most of this class. Where nothing is labelled the slices
    are spread over the whole height. `reference`, `prediction`: class numbers (x, y, z).
    Raises InputError where the shapes differ or `count` is below 1.
    """
    if count < 1:
        raise InputError(f"at least 1 slice can be shown, found {count}")
    check_shapes({"prediction": prediction, "reference": reference})
    labelled = np.flatnonzero(reference.any(axis=(0, 1)) | prediction.any(axis=(0, 1)))
    if not labelled.size:
        labelled = np.arange(prediction.shape[2])
    first, last = int(labelled[0]), int(labelled[-1])
    if last - first < count:
        return list(range(first, last + 1))
    spread = np.rint(np.linspace(first, last, count)).astype(int)
    worst = _worst_slice(reference, prediction)
    spread[np.abs(spread - worst).argmin()] = worst
    return [int(index) for index in spread]


def strip_capacity(frame_height: int) -> int:
    """How many frames of that height (pixels) one WebP strip holds. Raises InputError below 1 pixel."""
    if frame_height < 1:
        raise InputError(f"a frame is at least 1 pixel high, found {frame_height}")
    return WEBP_LIMIT_PX // frame_height


def write_strip(path: str | Path, frames: Sequence[np.ndarray]) -> None:
    """Writes the frames, RGB uint8 (height, width, 3), one under the other into one WebP, whole or not at all.

    Raises InputError for no frames, frames of different shapes, and a strip beyond WebP's 16383 pixels.
    """
    _check_frames(frames)
    height, width, _ = frames[0].shape
    if height * len(frames) > WEBP_LIMIT_PX or width > WEBP_LIMIT_PX:
        raise InputError(
            f"{path}: a WebP has at most {WEBP_LIMIT_PX} pixels a side, found {len(frames)} frames of"
            f" {height} x {width}; {strip_capacity(height)} frames of this height fit"
        )
    with write_aside(path) as aside:
        Image.fromarray(np.vstack(frames)).save(aside, "WEBP", quality=WEBP_QUALITY, method=2)


def write_gif(path: str | Path, frames: Sequence[np.ndarray], milliseconds: int = 120) -> None:
    """Writes the frames, RGB uint8 (height, width, 3), as a GIF that repeats for ever, each shown for `milliseconds`.

    Whole or not at all. The greys are as fine as 3 MB allow (60 frames of 512 x 256 pixels fit). Equal neighbours are
    stored as one frame that is shown for longer. Raises InputError for no frames and for frames of different shapes.
    """
    _check_frames(frames)
    for greys in GIF_GREYS:
        first, *others = _with_small_palette(frames, greys)
        content = BytesIO()
        first.save(content, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
        if content.tell() < GIF_BYTES:
            break
    with write_aside(path) as aside:
        aside.write_bytes(content.getvalue())


def _resized_picture(ct: np.ndarray, window: tuple[float, float], size_px: tuple[int, int]) -> np.ndarray:
    """A slice (rows, columns[, RGB]) as RGB uint8 (height, width, 3): smoothed where it shrinks."""
    black, white = window
    grey = np.clip((ct.astype(np.float32) - black) * (255 / (white - black)), 0, 255).astype(np.uint8)
    shrinks = size_px[0] < ct.shape[1] and size_px[1] < ct.shape[0]
    sampling = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(grey).resize(size_px, sampling).convert("RGB"))


def _resized_classes(classes: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(classes, dtype=np.uint8))
    return np.asarray(picture.resize(size_px, Image.Resampling.NEAREST))


def _compared(ct: np.ndarray, reference: np.ndarray, prediction: np.ndarray, labels: LabelTable) -> np.ndarray:
    """The CT with both outlines, then the errors over them: a small lesion missed must not vanish under a line."""
    picture = ct.copy()
    rows, columns = np.ogrid[: reference.shape[0], : reference.shape[1]]
    dashes = (rows + columns) % 6 < 3
    for classes, drawn in ((prediction, dashes), (reference, True)):
        for label in range(1, len(labels) - 1):
            picture[_outline(classes == label) & drawn] = labels.colours[label]
    kinds = error_kinds(reference, prediction, len(labels) - 1)
    return _tinted(picture, ct, kinds, np.array(ERROR_COLOURS) * 255, np.array(ERROR_OPACITY))


def _tinted(
    picture: np.ndarray, ct: np.ndarray, kinds: np.ndarray, colours: np.ndarray, opacity: np.ndarray
) -> np.ndarray:
    """A copy of `picture` where pixels of a kind with an opacity show `ct` under that kind's colour (RGB, 0..255)."""
    tinted = picture.copy()
    shown = opacity[kinds] > 0
    share = opacity[kinds[shown]][:, None]
    tinted[shown] = np.rint(share * colours[kinds[shown]] + (1 - share) * ct[shown]).astype(np.uint8)
    return tinted


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels around `mask` that touch it by a side: outside, so that a line hides nothing of what it encloses."""
    touched = np.zeros_like(mask)
    touched[1:] |= mask[:-1]
    touched[:-1] |= mask[1:]
    touched[:, 1:] |= mask[:, :-1]
    touched[:, :-1] |= mask[:, 1:]
    return touched & ~mask


def _marked(picture: np.ndarray) -> np.ndarray:
    """The picture with an R at its left, where the patient's right is; as it is where there is no room for a letter."""
    if min(picture.shape[:2]) < SMALLEST_MARKED_PX:
        return picture
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text((4, 2), "R", fill=(255, 255, 255))
    return np.asarray(canvas)


def _worst_slice(reference: np.ndarray, prediction: np.ndarray) -> int:
    highest = max(int(reference.max()), int(prediction.max()))
    disagreement = slice_disagreement(reference, prediction, highest)
    if disagreement.any():
        return int(disagreement.argmax())
    return int(np.count_nonzero(prediction == highest, axis=(0, 1)).argmax())


def _check_frames(frames: Sequence[np.ndarray]) -> None:
    if not frames:
        raise InputError("at least one frame is needed, found none")
    for place, frame in enumerate(frames):
        if frame.shape != frames[0].shape or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise InputError(
                "frames are RGB pictures, uint8 (height, width, 3), of one shape; found"
                f" {frame.dtype} {frame.shape} at place {place} and {frames[0].dtype} {frames[0].shape} at place 0"
            )


def _with_small_palette(frames: Sequence[np.ndarray], greys: int) -> list[Image.Image]:
    """The frames as palette pictures that share one palette: `greys` even steps, and the colours that occur.

    The colours get places of their own, whatever their number of pixels: a single missed voxel keeps its colour.
    """
    stack = np.stack(frames)
    indices = ((stack[..., 0].astype(np.uint16) * (greys - 1) + 127) // 255).astype(np.uint8)
    palette = np.repeat(np.rint(np.linspace(0, 255, greys)).astype(np.uint8)[:, None], 3, axis=1)
    coloured = (stack[..., 0] != stack[..., 1]) | (stack[..., 1] != stack[..., 2])
    if coloured.any():
        red, green, blue = stack[coloured].astype(np.uint32).T
        packed, place = np.unique((red << 16) | (green << 8) | blue, return_inverse=True)
        distinct = np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], axis=-1).astype(np.uint8)
        reduced = Image.fromarray(distinct[None]).quantize(
            GIF_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        indices[coloured] = greys + np.asarray(reduced)[0][place]
        palette = np.vstack([palette, np.array(reduced.getpalette(), dtype=np.uint8).reshape(-1, 3)])
    pictures = []
    for frame in indices:
        picture = Image.fromarray(frame)
        picture.putpalette(palette.tobytes())
        pictures.append(picture)
    return pictures
