"""Which DICOM files of a folder make up a series, by their headers alone."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import listed, log, track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.recognition import INDEX_NAME, named_dicom, starts_like_dicom
from pneumoseg.data_io.formats.dicom.slices import Slice

ENTRIES_LOOKED_AT = 64
SAME_COSINE = 1e-3  # direction cosines nearer than this are one orientation (0.06 degrees)


@dataclass(frozen=True)
class Series:
    """Slices of one size and orientation that share a SeriesInstanceUID (which may be empty or invalid).

    `slices` are ordered by position along their normal, whatever their names; by name where positions are missing.
    """

    uid: str
    number: int | None
    description: str
    modality: str
    slices: tuple[Slice, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files from the first slice to the last."""
        return tuple(one.file for one in self.slices)

    @property
    def is_plain_ct(self) -> bool:
        """Whether it is a CT of grey slices, one per file, that say where they lie."""
        return all(one.is_plain_ct for one in self.slices)

    @property
    def summary(self) -> str:
        """Number, modality and size: what names the series without naming a person."""
        number = "without number" if self.number is None else f"{self.number}"
        size = f"{len(self.slices)} of {self.slices[0].columns} x {self.slices[0].rows}"
        return f"{number} ({self.modality or 'no modality'}, slices: {size})"

    @property
    def details(self) -> str:
        """Description and UID, which may identify a person."""
        return f'"{self.description}", UID {self.uid or "empty"}'


@dataclass(frozen=True)
class DicomFiles:
    """What the DICOM files of one folder are: image series (most slices first), the names of localizers and of links
    to files that do not exist, and damaged files: name and what is wrong. `reports`: the modalities of files without an
    image."""

    series: tuple[Series, ...]
    localizers: tuple[str, ...] = ()
    damaged: dict[str, str] = field(default_factory=dict)
    dead_links: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()

    @property
    def has_ct(self) -> bool:
        """Whether a slice of a plain CT is among them, or they may have been a CT: all are damaged.

        Other slices may still make the CT unreadable.
        """
        nothing_else = not (self.series or self.localizers or self.reports)
        plain = any(one.is_plain_ct for series in self.series for one in series.slices)
        return plain or (nothing_else and bool(self.damaged))

    @property
    def summary(self) -> str:
        """What was found, in a few words, such as "MR, localizers"."""
        kinds = {f"{one.modality or 'no modality'}" + (", not plain" * (one.modality == "CT")) for one in self.series}
        kinds |= {f"{modality or 'no modality'} without image" for modality in self.reports}
        kinds |= {kind for kind in ("localizers", "damaged", "dead_links") if getattr(self, kind)}
        return "; ".join(sorted(kinds)).replace("_", " ") or "nothing"


def is_dicom(path: str | Path) -> bool:
    """Whether `path` is a DICOM file, or a folder with one directly in it: by its suffix, or among the first 64 others.

    A file is recognised by its suffix, by the letters DICM at byte 128 or, without these, by a start that looks like
    a header. The list of a medium's files (DICOMDIR, whatever its name) is not counted.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return path.is_file() and path.name.upper() != INDEX_NAME and (named_dicom(path) or starts_like_dicom(path))
        files, _ = visible_files(path)
        return any(map(named_dicom, files)) or any(map(starts_like_dicom, files[:ENTRIES_LOOKED_AT]))
    except OSError:
        return False


def find_series(path: str | Path) -> list[Series]:
    """The image series in a folder (not in its subfolders), or the one of a single file; most slices first.

    Reads headers only. Files of one SeriesInstanceUID that differ in orientation or size become series of their own.
    Hidden files, files that are not DICOM and DICOM without image are skipped; localizers (scouts) and damaged
    files too, with a warning. Raises InputError where `path` does not exist, or is a damaged file.
    """
    path = Path(path)
    files = read_files(path)
    for what, names in (
        ("localizer (scout) images", files.localizers),
        ("damaged DICOM files", list(files.damaged)),
        ("links to files that do not exist", files.dead_links),
    ):
        if names:
            log.warning("%s: skipped %s: %s", path, what, listed(names))
    return list(files.series)


def read_files(path: str | Path) -> DicomFiles:
    """As `find_series`, without warnings: the series, and what was skipped."""
    path = Path(path)
    if path.is_file():
        one = read_slice(path)
        if one is None and named_dicom(path):
            raise InputError(f"{path}: the file is not a DICOM file, or is damaged; copy or export it again")
        return _sorted_out([] if one is None else [one])
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder; give a folder with the slices of a DICOM series")
    files, dead_links = visible_files(path)
    slices, damaged = [], {}
    for file in track(sorted(files), "reading DICOM headers", len(files)):
        try:
            one = read_slice(file)
        except InputError as error:
            damaged[file.name] = str(error)
            continue
        # Without size: a report or a structure set, unless it is said to be a CT or not even that is left.
        if named_dicom(file) if one is None else not one.rows and one.modality in ("CT", ""):
            damaged[file.name] = f"{file}: the file has no DICOM header, or not all of it; copy or export it again"
        elif one is not None:
            slices.append(one)
    return _sorted_out(slices, damaged, sorted(dead_links))


def _sorted_out(
    slices: Iterable[Slice], damaged: dict[str, str] | None = None, dead_links: Iterable[str] = ()
) -> DicomFiles:
    images, localizers, reports = [], [], set()
    for one in slices:
        if not one.rows:
            reports.add(one.modality)
        elif one.localizer:
            localizers.append(one.file.name)
        else:
            images.append(one)
    series = tuple(series_of(images))
    return DicomFiles(series, tuple(localizers), damaged or {}, tuple(dead_links), tuple(sorted(reports)))


def series_of(images: Iterable[Slice]) -> list[Series]:
    """The series that image slices make up, most slices first."""
    every = [
        Series(group[0].uid, group[0].number, group[0].description, group[0].modality, _ordered(group))
        for group in _groups(images)
    ]
    return sorted(every, key=lambda one: (-len(one.slices), one.number or 0, one.uid))


def _groups(slices: Iterable[Slice]) -> list[list[Slice]]:
    """The slices of each series; a UID rules over number and description."""
    alike: dict[tuple, list[list[Slice]]] = {}
    for one in slices:
        named = (one.uid,) if one.uid else ("", one.number, one.description)
        groups = alike.setdefault((*named, one.modality, one.rows, one.columns), [])
        fitting = next((group for group in groups if same_orientation(group[0].cosines, one.cosines)), None)
        if fitting is None:
            groups.append([one])
        else:
            fitting.append(one)
    return [group for groups in alike.values() for group in groups]


def same_orientation(here: tuple[float, ...] | None, there: tuple[float, ...] | None) -> bool:
    """Whether two ImageOrientationPatient are the same but for rounding."""
    if here is None or there is None:
        return here is there
    # Compared number by number: of many orientations, most differ in the first already.
    return all(abs(a - b) < SAME_COSINE for a, b in zip(here, there, strict=True))


def _ordered(slices: list[Slice]) -> tuple[Slice, ...]:
    if not all(one.has_geometry for one in slices):
        return tuple(slices)
    normal = slices[0].normal
    heights = np.array([one.position_mm for one in slices]) @ normal
    return tuple(slices[at] for at in np.argsort(heights, kind="stable"))


def visible_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files directly in the folder, and the names of links to files that do not exist; hidden ones and DICOMDIR
    left out."""
    files, dead_links = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.upper() == INDEX_NAME:
                continue
            if entry.is_symlink() and not os.path.exists(entry.path):
                dead_links.append(entry.name)
            elif entry.is_file():
                files.append(folder / entry.name)
    return files, dead_links
