"""The pictures of one scored case: a sheet of its worst slices, a scroll through it, a strip for the viewer."""

import os
from functools import partial
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.single_slice import facing
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.errors import error_sheet
from pneumoseg.evaluation.figures.film_strip import (
    FilmStrip,
    frames,
    spread_slices,
    strip_capacity,
    write_gif,
    write_strip,
)
from pneumoseg.evaluation.figures.saving import save_figure

SLICES = 32
WIDTH_PX, LARGEST_WIDTH_PX = 256, 512
"""Width of a slice in a strip; a slice that is the only one has its own, up to the second."""


def draw_case(
    folder: Path, case: str, image: Volume, *, reference: Volume, prediction: Volume, labels: LabelTable, title: str
) -> None:
    """Writes `folder`/CASE.png, CASE.gif, CASE.webp and what the strip shows, CASE.strip.json.

    Of one slice there is no CASE.gif. CASE.png alone where a slice is too long for a strip: a plane over 64 times as
    deep as it is wide.
    `image`: HU or grey values; `reference`, `prediction`: uint8 class numbers on its grid.
    """
    image, reference, prediction = (facing(volume) for volume in (image, reference, prediction))
    save_figure(error_sheet(image, reference, prediction, labels=labels, title=title), folder / f"{case}.png", dpi=100)
    worst = spread_slices(reference.array, prediction.array, 1)[0]
    width, _, depth = image.grid.shape
    width_px = WIDTH_PX if depth > 1 else min(max(WIDTH_PX, width), LARGEST_WIDTH_PX)
    draw = partial(frames, image, reference, prediction, labels=labels, width_px=width_px)
    height_px = draw(indices=[worst])[0].shape[0]
    if not (capacity := strip_capacity(height_px)):
        return
    indices = spread_slices(reference.array, prediction.array, min(SLICES, capacity))
    pictures = draw(indices=indices)
    if depth > 1:
        write_gif(folder / f"{case}.gif", pictures)
    write_strip(folder / f"{case}.webp", pictures)
    facts = {"slices": indices, "total_slices": depth, "first": indices.index(worst)}
    write_json(folder / f"{case}.strip.json", facts)


def move_pictures(aside: Path, folder: Path) -> None:
    """Moves what was drawn into the folder `aside` to `folder`, where each replaces the file of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in sorted(aside.iterdir()):
        if not picture.name.startswith("."):
            os.replace(picture, folder / picture.name)


def film_strip(folder: Path, case: str, caption: str) -> FilmStrip | None:
    """The strip of a case that `draw_case` drew; None where there is none. Raises InputError where what it shows is
    not on record."""
    path, facts = folder / f"{case}.webp", folder / f"{case}.strip.json"
    if not (path.is_file() and facts.is_file()):
        return None
    shown = read_json(facts, "what a film strip shows", dict)
    slices, total, first = (shown.get(name) for name in ("slices", "total_slices", "first"))
    if not (isinstance(slices, list) and isinstance(total, int) and isinstance(first, int)):
        raise InputError(f"{facts}: slices, total_slices and first of a film strip are needed; score the run again")
    if not (0 <= first < len(slices) and all(type(one) is int and 0 <= one < total for one in slices)):
        raise InputError(
            f"{facts}: slices are numbers below {total} and first is the place of one; score the run again"
        )
    return FilmStrip(case=case, caption=caption, path=path, slices=tuple(slices), total_slices=total, first=first)
