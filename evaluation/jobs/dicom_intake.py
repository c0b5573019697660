"""The one CT series among uploaded DICOM files, de-identified."""

import os
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.instance import DAMAGED
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.tree import deidentify_tree, reasons_of
from pneumoseg.data_io.formats.dicom.recognition import is_segmentation
from pneumoseg.data_io.formats.dicom.series import Series, read_files, series_of

OPTIONS = Options(dates="shift")
"""Dates move by a number of days of the patient, so that it is known which of two CTs is the earlier."""
ONE_AT_A_TIME = "one CT is taken at a time"


def take_series(files: Sequence[Path], target: Path, work: Path, *, key: Key | None) -> None:
    """Puts the slices of the one plain CT among `files` into the new folder `target`, in their order, de-identified
    with `key` unless that is None. `work`: a folder for what is made on the way. Localizers and other objects are left
    out, with a warning.

    Raises InputError for slices of several patients, several CTs or none, and where none may be released.
    """
    if all(map(is_segmentation, files)):
        raise InputError("a CT is needed, found a DICOM segmentation, which is a mask; upload the CT")
    folder = _gathered(files, work / "dicom")
    if key is not None:
        report = deidentify_tree(folder, work / "clean", key=key, options=OPTIONS)
        reasons = reasons_of(report)
        if damaged := reasons[DAMAGED]:
            raise InputError(f"{damaged} of {len(report)} DICOM files are damaged or truncated; export them again")
        if reasons.total() == len(report):
            raise InputError(f"none of the {len(report)} DICOM files can be taken: {listed(list(reasons))}")
        folder = work / "clean"
    ct = _one_ct(folder)
    target.mkdir()
    for number, file in enumerate(ct.files, start=1):
        os.rename(file, target / f"{number:05d}.dcm")


def _gathered(files: Sequence[Path], folder: Path) -> Path:
    """The files in one folder under numbers; copies of those that are not on the way already."""
    folder.mkdir()
    for number, file in enumerate(files):
        place = folder / f"{number:06d}.dcm"
        if file.is_relative_to(folder.parent):
            os.rename(file, place)
        else:
            shutil.copyfile(file, place)
    return folder


def _one_ct(folder: Path) -> Series:
    places = [folder, *(place for place in sorted(folder.rglob("*")) if place.is_dir())]
    read = [read_files(place) for place in places if any(one.is_file() for one in place.iterdir())]
    every = series_of(one for files in read for series in files.series for one in series.slices)
    patients = {one.patient for series in every for one in series.slices}
    if len(patients) > 1:
        raise InputError(f"a CT is of one patient, found slices of {len(patients)}; upload each patient apart")
    cts = [series for series in every if series.is_plain_ct]
    if len(cts) > 1:
        found = listed([series.summary for series in cts])
        raise InputError(f"{ONE_AT_A_TIME}, found {len(cts)} series: {found}; upload each apart")
    if damaged := sum(len(files.damaged) for files in read):
        raise InputError(f"{damaged} DICOM files are damaged or truncated; export the series again")
    if not cts:
        found = "; ".join(sorted({files.summary for files in read} - {"nothing"})) or "nothing"
        raise InputError(f"no plain CT among the DICOM files, found {found}; upload the slices of a CT")
    left_out = [series.summary for series in every if series is not cts[0]]
    localizers = len(list(chain.from_iterable(files.localizers for files in read)))
    if left_out or localizers:
        log.warning("left out: %s", listed([*left_out, *([f"{localizers} localizers"] if localizers else [])]))
    return cts[0]
