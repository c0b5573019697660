"""The CTs that files, folders and lists refer to, and the names of their results."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.layouts import IMAGE_STEM, MASK_STEM, is_dataset, open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.dicom.folders import check_whole
from pneumoseg.data_io.formats.dicom.series import DicomFiles, is_dicom, read_files
from pneumoseg.data_io.formats.nifti import case_name
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.slicer_seg import is_seg_nrrd
from pneumoseg.data_io.storage.folders import folders_below, visible_name
from pneumoseg.data_io.volumes.lazy_volume import Scan

LIST_SUFFIX = ".txt"
NNUNET_FOLDERS = ("imagesTr", "imagesTs")


def find_inputs(inputs: Sequence[str | Path]) -> dict[str, Path]:
    """The CT files (and DICOM folders) that `inputs` mean, by the name their masks will bear.

    An input is a CT file; a folder with the slices of a DICOM series; a folder that holds CT files, such folders (at
    any depth) and a dataset in one of the known layouts (its masks are passed over), or some of these; or a .txt file
    that lists inputs, one a line, relative to itself; lines that begin with # are remarks. A file called `imaging` is
    the one CT of its folder and named by it. Links are followed, and names are those of the links. Hidden files and
    folders do not count. A warning names CTs of other formats beside DICOM slices, folders whose CTs are passed over,
    and DICOM folders below one that was given which hold no plain CT (localizers, reports, other modalities).

    Raises InputError where there is no CT, where two would bear one name, and where the slices of one DICOM series lie
    in several of the folders.
    """
    meant = _joined(_meant(given) for given in map(Path, inputs))
    check_whole(meant.dicom)
    slices = Counter(path.parent for _, path in meant.cts if path.is_file() and is_dicom(path))
    if together := [folder for folder, count in slices.items() if count > 1]:
        raise InputError(f"{together[0]}: several of its DICOM slices were given; give the folder instead")
    twice = sorted(name for name, count in Counter(name for name, _ in meant.cts).items() if count > 1)
    if twice:
        raise InputError(f"several inputs have one output name: {listed(twice)}; predict them in separate calls")
    return dict(meant.cts)


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
    `formats.nifti_placement`. Raises InputError as readers do."""
    return reading.open_scan(path, grid=grid, series=series, allow_gaps=allow_gaps)


@dataclass(frozen=True)
class _Meant:
    """Names and paths of the CTs that inputs mean, and what the headers in DICOM folders among them say."""

    cts: list[tuple[str, Path]]
    dicom: Mapping[Path, DicomFiles] = field(default_factory=dict)


def _joined(parts: Iterable[_Meant]) -> _Meant:
    every = list(parts)
    return _Meant(
        [ct for one in every for ct in one.cts], {path: one.dicom[path] for one in every for path in one.dicom}
    )


def _meant(given: Path) -> _Meant:
    try:
        if given.is_file():
            return _in_list(given) if given.suffix.lower() == LIST_SUFFIX else _Meant([(_mask_name(given), given)])
        if given.is_dir():
            return _in_folder(given)
    except OSError as error:
        raise InputError(f"{given}: cannot be read ({error.strerror or error})") from error
    if given.is_symlink():
        raise InputError(f"{given}: the link leads to no file; fetch the file first, for instance by `git annex get`")
    raise InputError(f"{given}: no such file or folder")


def _in_folder(given: Path) -> _Meant:
    """The folder itself where it holds a DICOM CT. Else CTs directly in it, DICOM folders at any depth (as archives
    export them: patient/study/series) and the cases of a dataset, whose own folders hold nothing else that is meant."""
    below = folders_below(given)
    read = {folder: read_files(folder) for folder in (given, *below) if is_dicom(folder)}
    series = [folder for folder, files in read.items() if files.has_ct]
    apart = [folder for folder in below if _other_cts(folder)]
    if given in series:
        if others := sorted({*_other_cts(given), *series, *apart} - {given}):
            log.warning("%s: read as one DICOM series; %s", given, _passed_over(given, others))
        return _Meant([(visible_name(given), given)], {folder: read[folder] for folder in series})
    own = [path for path in _files(given) if _is_ct(path) and not (given in read and is_dicom(path))]
    if images := [path for path in (*own, *read) if path.parent == given and case_name(path) == IMAGE_STEM]:
        return _Meant([(_mask_name(path), path) for path in images])
    scans = {folder: "_".join(folder.relative_to(given).parts) for folder in series}
    scans |= {path: _mask_name(path) for path in own}
    has_cases = is_dataset(given)
    if not scans and not has_cases:
        if apart:
            found = listed([str(folder.relative_to(given)) for folder in apart])
            raise InputError(
                f"{given}: no CT directly in it, but in {found}; give these folders, or a .txt list of them"
            )
        if list(read) == [given]:
            return _Meant([(visible_name(given), given)])  # opening it says what is wrong with it
        if read:
            raise InputError(f"{given}: holds no plain CT, found {_kinds(given, read)}; give the folder of a CT")
    cases = list(open_dataset(given, need_masks=False)) if has_cases or not scans else []
    of_cases = {path.parent for case in cases for path in (case.image, case.mask) if path is not None}
    scans = {path: name for path, name in scans.items() if of_cases.isdisjoint((path, *path.parents))}
    rest = [folder for folder in (given, *below) if of_cases.isdisjoint((folder, *folder.parents))]
    beside = [path for folder in scans if folder in read for path in _other_cts(folder)]
    others = sorted({*beside, *(folder for folder in rest if folder in apart and folder not in scans)})
    if scans and others:
        log.warning("%s: %s", given, _passed_over(given, others))
    if useless := {folder: read[folder] for folder in rest if folder in read and not read[folder].has_ct}:
        log.warning("%s: passed over DICOM folders without a plain CT: %s", given, _kinds(given, useless))
    cts = [(scans[path], path) for path in sorted(scans)] + [(case.name, case.image) for case in cases]
    return _Meant(cts, {path: read[path] for _, path in cts if path in read})


def _other_cts(folder: Path) -> list[Path]:
    """The CTs of other formats than DICOM directly in a folder."""
    try:
        return [path for path in _files(folder) if case_name(path) != MASK_STEM and _is_ct(path) and not is_dicom(path)]
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _is_ct(path: Path) -> bool:
    return reading.is_readable(path) and not is_seg_nrrd(path)


def _passed_over(given: Path, others: Sequence[Path]) -> str:
    return f"CTs passed over: {listed([str(other.relative_to(given)) for other in others])}; give these too"


def _kinds(given: Path, read: Mapping[Path, DicomFiles]) -> str:
    return listed([f"{folder.relative_to(given)} ({files.summary})" for folder, files in sorted(read.items())])


def _in_list(path: Path) -> _Meant:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a list of inputs is plain text in UTF-8, found something else") from error
    named = [path.parent / line for line in lines if line and not line.startswith("#")]
    if not named:
        raise InputError(f"{path}: the list names no input; write one file or folder a line")
    for one in named:
        if one.suffix.lower() == LIST_SUFFIX:
            raise InputError(f"{path}: a list names CTs and folders, not other lists, found {one}")
        if not os.path.lexists(one):
            hint = " (a remark is a line of its own)" if "#" in one.name else ""
            raise InputError(f"{path}: no such file or folder: {one}{hint}; correct the line")
    return _joined(map(_meant, named))


def _mask_name(path: Path) -> str:
    whole = Path(os.path.abspath(path))
    if whole.parent.name in NNUNET_FOLDERS:
        return case_name(whole).removesuffix("_0000")
    return whole.parent.name if case_name(whole) == IMAGE_STEM else case_name(whole)
