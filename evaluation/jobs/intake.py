"""What arrives becomes an input: one CT or picture, recognised by its content, without what names the patient.

`look` is quick and needs little memory: it refuses at once what is plainly no input. `take_in` does the rest.
"""

import errno
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.storage.atomic import folder_aside, write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.storage.zip_files import unpack_zip
from pneumoseg.evaluation.jobs.archives import check_archive, is_counted
from pneumoseg.evaluation.jobs.content import ACCEPTED, PICTURES, SUFFIXES, VOLUMES, Form, UnknownContentError, form_of
from pneumoseg.evaluation.jobs.job import shown_name

if TYPE_CHECKING:
    from pneumoseg.data_io.volumes.lazy_volume import Scan

CARD = "taken.json"
MOST_VOXELS = 1 << 31
"""Of a CT that is taken in: 2048 slices of 1024 x 1024."""
MOST_CLASS_NUMBERS = 16
"""A file of whole numbers of 0..255 with at most so many different ones is a mask."""
MASK = "a CT is needed, found a mask; upload the CT, and the mask as the reference of its results"


@dataclass(frozen=True)
class Found:
    """What an upload is at first sight: the form of its file or files, and whether they are DICOM."""

    form: Form
    is_dicom: bool

    def name(self, file_name: str) -> str:
        """What a job of it is called: by the uploaded file's name, but for DICOM, whose names are often patients'."""
        return f"CT series {secrets.randbelow(9000) + 1000}" if self.is_dicom else shown_name(file_name)


@dataclass(frozen=True)
class TakenIn:
    """An input: `path` below the folder of inputs is a file, or a folder with the slices of a DICOM series; `warnings`:
    what was left out."""

    kind: Literal["ct", "picture"]
    path: str
    is_dicom: bool
    warnings: tuple[str, ...] = ()


def look(upload: Path) -> Found:
    """What the files in the folder `upload` are, by their first bytes and the list of an archive's entries.

    Raises UnknownContentError for content of another kind, and InputError for an empty upload, several files that are
    not all DICOM, and as `check_archive`.
    """
    files = sorted(upload.iterdir())
    if not files or not all(file.stat().st_size for file in files):
        raise InputError("the upload is empty; choose a file with content")
    forms = {form_of(file) for file in files}
    if len(files) > 1 and forms != {"dicom"}:
        raise UnknownContentError("several files are the DICOM slices of one CT, found others; upload one CT at a time")
    (form,) = forms
    if form is None:
        raise UnknownContentError(f"the content is none of {ACCEPTED}; upload a CT or a picture")
    return Found(form, check_archive(files[0]) if form == "zip" else form == "dicom")


def take_in(upload: Path, folder: Path, *, key: Key | None) -> TakenIn:
    """Makes of an upload the input in `folder`, which appears whole or not at all, and removes the upload; what is
    there already stays. DICOM and NIfTI files are de-identified with `key`, unless that is None.

    Raises InputError as `look`, for what is no CT and no picture as they are read here, more than one, slices of
    several patients, headers that no CT has (before memory is taken), damaged files, and masks.
    """
    if not (folder / CARD).is_file():
        look(upload)
        with folder_aside(folder) as aside:
            made = aside / folder.name
            made.mkdir()
            with warnings_of_this_thread() as warnings:
                taken = _taken(upload, made, aside / "work", key)
            content = asdict(taken) | {"warnings": list(dict.fromkeys(warnings))}
            write_json(made / CARD, content)
            os.rename(made, folder)
    shutil.rmtree(upload, ignore_errors=True)
    card = read_json(folder / CARD, "what was taken in", dict)
    return TakenIn(card["kind"], card["path"], card["is_dicom"], tuple(card["warnings"]))


def _taken(upload: Path, made: Path, work: Path, key: Key | None) -> TakenIn:
    work.mkdir()
    files = _contents(upload, work)
    if dicom := [file for file, form in files if form == "dicom"]:
        others = [form for _, form in files if form in VOLUMES]
        if others:
            raise InputError(f"one CT is taken at a time, found DICOM slices and {len(others)} other files with CTs")
        from pneumoseg.evaluation.jobs.dicom_intake import take_series

        take_series(dicom, made / "ct", work, key=key)
        _check_is_ct(made / "ct")
        return TakenIn("ct", "ct", is_dicom=True)
    usable = [one for one in files if one[1] in VOLUMES] or [one for one in files if one[1] in PICTURES]
    if len(usable) != 1:
        raise InputError(f"one CT or picture is taken at a time, found {len(usable) or 'none'}; upload each apart")
    ((file, form),) = usable
    if form in PICTURES:
        name = f"picture{SUFFIXES[form]}"
        _put(file, made / name, work)
        _check_is_picture(made / name)
        return TakenIn("picture", name, is_dicom=False)
    name = f"ct{SUFFIXES[form]}"
    _take_volume(file, work / name, made / name, form, key)
    return TakenIn("ct", name, is_dicom=False)


def _contents(upload: Path, work: Path) -> list[tuple[Path, Form]]:
    """The files of an upload, those of an archive unpacked to `work`, that have a known form."""
    files = sorted(upload.iterdir())
    if form_of(files[0]) == "zip":
        unpacked = work / "unpacked"
        try:
            unpack_zip(files[0], unpacked)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise InputError("the zip archive has a file and a folder of one name; export it again") from error
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
                raise
            raise InputError("the zip archive has names that cannot be stored here; shorten them") from error
        files = sorted(_files_below(unpacked))
    found = [(file, form) for file in files if (form := form_of(file)) is not None]
    if any(form == "zip" for file, form in found):
        raise InputError("the zip archive holds zip archives; upload one of these instead")
    if not found:
        raise UnknownContentError(f"the zip archive holds none of {ACCEPTED}")
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if is_counted(Path(place, name).relative_to(folder)))


def _take_volume(file: Path, named: Path, target: Path, form: Form, key: Key | None) -> None:
    """Checks a volume under a name that says its form, then puts it to its place."""
    _put(file, named, named.parent)
    _opened(named)
    if key is None or form not in ("nifti", "nifti.gz"):
        os.rename(named, target)
    else:
        from pneumoseg.data_io.formats.nifti_privacy import NotNiftiError, write_without_identity

        with open(named, "rb") as source:
            try:
                write_without_identity(source, target, zipped=form == "nifti.gz")
            except NotNiftiError as error:
                raise InputError("the NIfTI file is damaged or truncated; copy or export it again") from error
    _check_is_ct(target)


def _put(file: Path, target: Path, work: Path) -> None:
    """Moves a file that was made on the way, in `work`, and copies one of the upload, which may be needed again."""
    if file.is_relative_to(work):
        os.rename(file, target)
    else:
        shutil.copyfile(file, target)


def _opened(path: Path) -> "Scan":
    """Opens a volume, of which no voxel is read yet. Raises InputError where the header is that of no CT."""
    from pneumoseg.data_io.formats.reading import open_scan

    with warnings_of_this_thread(hold_back=True):  # they come again when it is segmented
        scan = open_scan(path)
    count = math.prod(int(size) for size in scan.stored_grid.shape)
    if count > MOST_VOXELS:
        raise InputError(f"a CT has at most {MOST_VOXELS} voxels here, found {count}; crop it")
    return scan


def _check_is_ct(path: Path) -> None:
    """Raises InputError as `_opened`, and for a mask; of a CT, whose values tell it from one, a few slices are read."""
    scan = _opened(path)
    seen: set[float] = set()
    with warnings_of_this_thread(hold_back=True):
        for slab in scan.read_stored():
            for plane in np.moveaxis(slab, 2, 0):
                values = np.unique(plane)
                whole = bool((values == np.rint(values)).all())
                seen.update(values[: MOST_CLASS_NUMBERS + 1].tolist())
                if values[0] < 0 or values[-1] > 255 or not whole or len(seen) > MOST_CLASS_NUMBERS:
                    return
    raise InputError(MASK)


def _check_is_picture(path: Path) -> None:
    from pneumoseg.data_io.formats.reading import read_volume

    with warnings_of_this_thread(hold_back=True):
        array = read_volume(path).array
    if np.unique(array).size <= 2:
        raise InputError("a picture has many shades, found two at most; upload the picture, not its mask")
