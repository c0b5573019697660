"""Series whose slices lie in more than one folder, as exports to several media or with few files a folder leave them.

Two folders hold one series where its UID, patient, size and orientation are the same and their slices lie on one line.
An empty UID or a placeholder identifies no series; a hash or UUID in its place does.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.series import DicomFiles, Series, is_dicom, same_orientation, visible_files
from pneumoseg.data_io.formats.dicom.slices import Slice
from pneumoseg.data_io.storage.folders import folders_in

SERIES_UID = re.compile(r"[0-9]+(\.[0-9]+)+|[0-9A-Fa-f-]{32,}")
SAME_PLACE_MM = 0.01
ON_ONE_LINE_MM = 0.5
FOLDERS_LOOKED_AT = 64
FILES_LOOKED_AT = 3


def check_whole(folders: Mapping[Path, DicomFiles]) -> None:
    """Checks that no CT series is spread over several of the folders.

    Raises InputError where folders hold different slices of one series; a warning names those with the same slices.
    """
    holders: dict[tuple, list[tuple[Path, Series]]] = {}
    for folder, files in folders.items():
        for series in files.series:
            if series.is_plain_ct and (key := _identity(series.slices[0])):
                holders.setdefault(key, []).append((folder, series))
    for same in holders.values():
        for (folder, series), (other_folder, other) in combinations(same, 2):
            shorter, longer = sorted((series.slices, other.slices), key=len)
            alike = _alike(shorter[0], longer[0]) and _on_one_line(longer, shorter[0])
            if folder == other_folder or not alike:
                continue
            places, other_places = _places(series.slices), _places(other.slices)
            if places != other_places:
                raise InputError(
                    f"{folder}: a CT series must lie in one folder, found other slices of the same series (by "
                    f"SeriesInstanceUID and place) in {other_folder}: {len(places)} and {len(other_places)} slices; "
                    "put them into one folder"
                )
            log.warning("%s: the same slices of one CT series as in %s", other_folder, folder)


def folder_with_more(path: str | Path, series: Series) -> Path | None:
    """A folder near the folder `path` that holds slices of `series` beyond those that it has; None where none is seen.

    The parent, subfolders and the nearest 64 folders beside (by name) are looked at, three files in each.
    """
    folder, first = Path(path), series.slices[0]
    key = _identity(first)
    if key is None or not folder.is_dir():
        return None
    places = _places(series.slices)
    for near in _near(folder):
        for one in _samples(near):
            here = one.is_plain_ct and not one.localizer and _identity(one) == key and _alike(one, first)
            if here and not _places([one]) <= places and _on_one_line(series.slices, one):
                return near
    return None


def _identity(one: Slice) -> tuple | None:
    """What slices of one series share, wherever they lie; None where there is no UID to compare."""
    if SERIES_UID.fullmatch(one.uid) is None or one.cosines is None or one.spacing_mm is None:
        return None
    return one.uid, one.patient, one.modality, one.rows, one.columns


def _alike(one: Slice, other: Slice) -> bool:
    """Whether orientation and spacing are the same, as within a folder."""
    if not (one.cosines and other.cosines and one.spacing_mm and other.spacing_mm):
        return False
    return same_orientation(one.cosines, other.cosines) and np.allclose(one.spacing_mm, other.spacing_mm, rtol=1e-3)


def _places(slices: Iterable[Slice]) -> set[tuple[float, ...]]:
    return {tuple(round(value / SAME_PLACE_MM) for value in one.position_mm or ()) for one in slices}


def _on_one_line(slices: tuple[Slice, ...], other: Slice) -> bool:
    """Whether `other` lies on the line through the slices, or above a single one."""
    first, last = (np.array(one.position_mm) for one in (slices[0], slices[-1]))
    along = last - first
    if not along.any():
        along = slices[0].normal
    away = np.array(other.position_mm) - first
    return bool(np.linalg.norm(away - along * (away @ along) / (along @ along)) < ON_ONE_LINE_MM)


def _near(folder: Path) -> Iterator[Path]:
    here = Path(os.path.abspath(folder))
    beside, below = folders_in(here.parent), folders_in(here)
    at = bisect_left(beside, here)
    nearest = beside[max(0, at - FOLDERS_LOOKED_AT // 2) : at + FOLDERS_LOOKED_AT // 2]
    for near in (here.parent, *below[:FOLDERS_LOOKED_AT], *nearest):
        if near != here and is_dicom(near):
            yield near


def _samples(folder: Path) -> Iterator[Slice]:
    """The first, middle and last of the folder's files, as far as they are images."""
    files = sorted(visible_files(folder)[0])
    for file in dict.fromkeys(files[at * (len(files) - 1) // (FILES_LOOKED_AT - 1)] for at in range(FILES_LOOKED_AT)):
        try:
            one = read_slice(file)
        except InputError:
            continue
        if one is not None and one.rows:
            yield one
