"""The CTs that a person means by files, folders and lists: each with the name that its results will bear."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_io import readers
from data_io.dicom import open_dicom
from data_io.dicom_series import is_dicom
from data_io.errors import InputError
from data_io.layouts import IMAGE_STEM, MASK_STEM, is_dataset, open_dataset
from data_io.nifti import case_name
from data_io.nifti_placement import GridForm
from data_io.reporting import listed, log
from data_io.scan import Scan
from data_io.seg_nrrd import is_seg_nrrd

LIST_SUFFIX = ".txt"
NNUNET_FOLDERS = ("imagesTr", "imagesTs")


def find_inputs(inputs: Sequence[str | Path]) -> dict[str, Path]:
    """The CT files (and DICOM folders) that `inputs` mean, by the name their masks will bear.

    An input is a CT file; a folder with the slices of a DICOM series; a folder that holds CT files, such folders (at
    any depth) and a dataset in one of the known layouts (its masks are passed over), or some of these; or a .txt file
    that lists inputs, one a line, relative to itself, # before remarks. A file called `imaging` is the one CT of its
    folder and named by it. Hidden files and folders do not count; a warning names CTs of other formats beside DICOM
    slices and folders whose CTs are passed over. Raises InputError where there is no CT, or where two would bear one
    name.
    """
    found = [pair for given in map(Path, inputs) for pair in _meant(given)]
    slices = [path.parent for _, path in found if path.is_file() and is_dicom(path)]
    if together := [folder for folder in slices if slices.count(folder) > 1]:
        raise InputError(f"{together[0]}: several of its DICOM slices were given; give the folder instead")
    names = [name for name, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two inputs would be written to one mask: {', '.join(twice)}; give them apart")
    return dict(found)


def one_part(files: Mapping[str, Path], part: str) -> dict[str, Path]:
    """Of the inputs, with `part` "I/N", every N-th from the I-th on: so N machines share them.

    Raises InputError for another text, and where I is not in 1..N.
    """
    index, slash, count = part.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError(f"a part is I/N with I in 1..N, for instance 1/4, found {part}")
    return dict(list(files.items())[int(index) - 1 :: int(count)])


def open_input(
    path: str | Path, series: str | None = None, allow_gaps: bool = False, *, grid: GridForm = "sform"
) -> Scan:
    """Opens a CT. `series` and `allow_gaps` are for DICOM, see `dicom.open_dicom`, `grid` for NIfTI, see
    `data_io.nifti_placement`. Raises InputError as readers do."""
    if (series or allow_gaps) and is_dicom(path):
        return open_dicom(path, series, allow_gaps)
    return readers.open_scan(path, grid=grid)


def _meant(given: Path) -> list[tuple[str, Path]]:
    if given.is_file():
        return _in_list(given) if given.suffix.lower() == LIST_SUFFIX else [(_mask_name(given), given)]
    if not given.is_dir():
        raise InputError(f"{given}: no such file or folder")
    if not is_dicom(given):
        return _in_folder(given)
    if others := [*_beside_slices(given), *(folder for folder in _folders_below(given) if _holds_ct(folder))]:
        log.warning("%s: read as one DICOM series; %s", given, _passed_over(given, others))
    return [(given.resolve().name, given)]


def _in_folder(given: Path) -> list[tuple[str, Path]]:
    """CTs directly in the folder, DICOM folders at any depth (as archives export them: patient/study/series) and the
    cases of a dataset, whose own folders hold nothing else that is meant."""
    own = [path for path in sorted(given.iterdir()) if _is_ct(path)]
    if images := [path for path in own if case_name(path) == IMAGE_STEM]:
        return [(_mask_name(path), path) for path in images]
    below = _folders_below(given)
    scans = {folder: "_".join(folder.relative_to(given).parts) for folder in below if is_dicom(folder)}
    scans |= {path: _mask_name(path) for path in own}
    if not scans and not is_dataset(given) and (apart := [folder for folder in below if _holds_ct(folder)]):
        found = listed([str(folder.relative_to(given)) for folder in apart])
        raise InputError(f"{given}: no CT directly in it, but in {found}; give these folders, or a .txt list of them")
    cases = list(open_dataset(given, need_masks=False)) if is_dataset(given) or not scans else []
    of_cases = {path.parent for case in cases for path in (case.image, case.mask) if path is not None}
    scans = {path: name for path, name in scans.items() if of_cases.isdisjoint((path, *path.parents))}
    rest = [folder for folder in below if folder not in scans and of_cases.isdisjoint((folder, *folder.parents))]
    beside = [path for folder in scans if folder.is_dir() for path in _beside_slices(folder)]
    others = sorted([*beside, *(folder for folder in rest if _holds_ct(folder))])
    if scans and others:
        log.warning("%s: %s", given, _passed_over(given, others))
    return [(scans[path], path) for path in sorted(scans)] + [(case.name, case.image) for case in cases]


def _folders_below(folder: Path) -> list[Path]:
    """All folders in the folder, at any depth, in order; hidden ones are not entered."""
    found: list[Path] = []
    for place, names, _ in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        found += [Path(place, name) for name in names]
    return sorted(found)


def _holds_ct(folder: Path) -> bool:
    try:
        found = _files(folder)
    except OSError:
        return False
    return any(map(_is_ct, found))


def _beside_slices(folder: Path) -> list[Path]:
    """The CTs of other formats in a folder that is read as a DICOM series."""
    return [path for path in _files(folder) if not is_dicom(path) and _is_ct(path)]


def _files(folder: Path) -> list[Path]:
    """The files directly in a folder, masks of a dataset passed over."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and case_name(path) != MASK_STEM]


def _is_ct(path: Path) -> bool:
    return readers.is_readable(path) and not is_seg_nrrd(path)


def _passed_over(given: Path, others: Sequence[Path]) -> str:
    return f"CTs passed over: {listed([str(other.relative_to(given)) for other in others])}; give these too"


def _in_list(path: Path) -> list[tuple[str, Path]]:
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a list of inputs is plain text, found something else") from error
    named = [path.parent / line for line in lines if line]
    if not named:
        raise InputError(f"{path}: the list names no input; write one file or folder a line")
    for one in named:
        if one.suffix.lower() == LIST_SUFFIX:
            raise InputError(f"{path}: a list names CTs and folders, not other lists, found {one}")
    return [pair for one in named for pair in _meant(one)]


def _mask_name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name
    if path.parent.name in NNUNET_FOLDERS:
        return case_name(path).removesuffix("_0000")
    return path.resolve().parent.name if case_name(path) == IMAGE_STEM else case_name(path)
