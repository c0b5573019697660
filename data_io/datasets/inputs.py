"""The CTs and pictures that files, folders and lists refer to, and the names of their results."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.case_files import read_channels
from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.layouts import is_dataset, open_dataset
from pneumoseg.data_io.datasets.picture_layouts import stack_masks
from pneumoseg.data_io.datasets.volume_layouts import IMAGE_STEM, MASK_STEM, NNUNET_IMAGE, VALID_STEM
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.dicom.folders import check_whole
from pneumoseg.data_io.formats.dicom.recognition import is_segmentation
from pneumoseg.data_io.formats.dicom.series import DicomFiles, is_dicom, read_files
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.slicer_seg import is_seg_nrrd
from pneumoseg.data_io.formats.writing import case_name
from pneumoseg.data_io.storage.folders import folders_below, visible_name
from pneumoseg.data_io.volumes.lazy_volume import Scan

Input = TypeVar("Input")

LIST_SUFFIX, TABLE_SUFFIX = ".txt", ".csv"
NNUNET_FOLDERS = ("imagesTr", "imagesTs")


def find_inputs(inputs: Sequence[str | Path]) -> dict[str, Path]:
    """The CT files (and DICOM folders) of `inputs`, by the names of their masks.

    An input is a CT file or picture; a folder with the slices of a DICOM series; a folder that holds CT files, such
    folders (at any depth) and a dataset in one of the known layouts (its masks are skipped), or some of these; a .txt
    file that lists inputs, one a line, relative to itself; lines that begin with # are remarks; or the table of a
    cohort (.csv, see `cohort_table`), whose CTs have the names of its studies. A file called
    `imaging` is the one CT of its folder and named by it. Pictures in a folder count where it holds no CT. Links are
    followed, and names are those of the links. Hidden files and folders do not count. A warning names CTs of other
    formats beside DICOM slices, folders whose CTs are skipped, and DICOM folders below one that was given which hold no
    plain CT (localizers, reports, other modalities).

    Raises InputError where there is no CT, where two have one name, and where the slices of one DICOM series lie
    in several of the folders.
    """
    joined = _joined(_inputs_at(given) for given in map(Path, inputs))
    check_whole(joined.dicom)
    slices = Counter(path.parent for _, path in joined.cts if path.is_file() and is_dicom(path))
    if together := [folder for folder, count in slices.items() if count > 1]:
        raise InputError(f"{together[0]}: several of its DICOM slices were given; give the folder instead")
    twice = sorted(name for name, count in Counter(name for name, _ in joined.cts).items() if count > 1)
    if twice:
        raise InputError(f"several inputs have one output name: {listed(twice)}; predict them in separate calls")
    return dict(joined.cts)


def one_part(inputs: Mapping[str, Input], part: str) -> dict[str, Input]:
    """Of the inputs by name, with `part` "I/N", every N-th from the I-th on: so N machines share them.

    Raises InputError as `part_numbers`.
    """
    index, count = part_numbers(part)
    return dict(list(inputs.items())[index - 1 :: count])


def part_numbers(part: str) -> tuple[int, int]:
    """I and N of "I/N". Raises InputError for another text, and where I is not in 1..N.

    >>> part_numbers("1/4")
    (1, 4)
    """
    index, slash, count = part.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError(f"a part is I/N with I in 1..N, for instance 1/4, found {part}")
    return int(index), int(count)


def open_input(
    path: str | Path,
    series: str | None = None,
    allow_gaps: bool = False,
    *,
    grid: GridForm = "sform",
    channels: int = 1,
) -> Scan:
    """Opens a CT or picture. `series` and `allow_gaps` are for DICOM, see `dicom.ct.open_dicom`, `grid` for NIfTI, see
    `formats.nifti_placement`; `channels`: as `input_files`. Raises InputError as readers do, where channels lie in
    different places, and for a DICOM segmentation."""
    if is_segmentation(path):
        raise InputError(f"{path}: a CT is needed, found a DICOM segmentation, which is a mask; give the CT")
    files = input_files(path, channels)
    if len(files) > 1:
        return Scan.from_volume(read_channels(tuple(files), grid))
    return reading.open_scan(path, grid=grid, series=series, allow_gaps=allow_gaps)


def input_files(path: str | Path, channels: int) -> list[Path]:
    """The files of an input: beside CASE_0000, where several channels are needed, CASE_0001 and so on. Numbered
    pictures are channels of one case in nnU-Net's folders alone: elsewhere they are pictures of their own."""
    path = Path(path)
    if is_picture(path) and path.parent.name not in NNUNET_FOLDERS:
        return [path]
    files = [_channel(path, number) for number in range(channels)]
    are_channels = len(set(files)) == channels and files[0] == path and all(file.is_file() for file in files)
    return files if are_channels else [path]


def _channel(path: Path, number: int) -> Path:
    """The file of that channel beside one that is named CASE_NNNN, as nnU-Net names them; another file itself."""
    stem = case_name(path)
    match = NNUNET_IMAGE.fullmatch(stem)
    return path.with_name(f"{match[1]}_{number:04d}{path.name[len(stem) :]}") if match else path


@dataclass(frozen=True)
class _Inputs:
    """Names and paths of CTs, and the headers of the DICOM folders among them."""

    cts: list[tuple[str, Path]]
    dicom: Mapping[Path, DicomFiles] = field(default_factory=dict)


def _joined(parts: Iterable[_Inputs]) -> _Inputs:
    every = list(parts)
    return _Inputs(
        [ct for one in every for ct in one.cts], {path: one.dicom[path] for one in every for path in one.dicom}
    )


def _inputs_at(given: Path) -> _Inputs:
    try:
        if given.is_file():
            ways = {LIST_SUFFIX: _in_list, TABLE_SUFFIX: _in_table}
            return ways.get(given.suffix.lower(), _one_file)(given)
        if given.is_dir():
            return _in_folder(given)
    except OSError as error:
        raise InputError(f"{given}: cannot be read ({error.strerror or error})") from error
    if given.is_symlink():
        raise InputError(f"{given}: the link leads to no file; fetch the file first, for instance by `git annex get`")
    raise InputError(f"{given}: no such file or folder")


def _one_file(path: Path) -> _Inputs:
    return _Inputs([(_mask_name(path), path)])


def _in_table(path: Path) -> _Inputs:
    found = {row.name: _inputs_at(row.path) for row in read_cohort_table(path)}
    for name, one in found.items():
        if len(one.cts) != 1:
            raise InputError(f"{path}: a row names one CT, found {len(one.cts)} for {name}; name each in a row")
    return _joined(_Inputs([(name, one.cts[0][1])], one.dicom) for name, one in found.items())


@dataclass(frozen=True)
class _Folder:
    """A folder and those below it, at any depth, with what the headers of the DICOM folders among them say."""

    path: Path
    below: tuple[Path, ...]
    headers: Mapping[Path, DicomFiles]

    @property
    def series(self) -> list[Path]:
        """The folders with a DICOM CT."""
        return [folder for folder, files in self.headers.items() if files.has_ct]

    @property
    def with_other_cts(self) -> list[Path]:
        """The folders below with CTs of other formats."""
        return [folder for folder in self.below if _other_cts(folder)]


def _survey(path: Path) -> _Folder:
    below = tuple(folders_below(path))
    return _Folder(path, below, {folder: read_files(folder) for folder in (path, *below) if is_dicom(folder)})


def _in_folder(path: Path) -> _Inputs:
    """The folder itself where it holds a DICOM CT. Else CTs directly in it, DICOM folders at any depth (as archives
    export them: patient/study/series) and the cases of a dataset, whose own folders hold no other input."""
    folder = _survey(path)
    if path in folder.series:
        return _one_series(folder)
    masks = stack_masks(path)
    files = [file for file in _files(path) if _is_ct(file) and file not in masks]
    files = [file for file in files if not (path in folder.headers and is_dicom(file))]
    if images := [file for file in (*files, *folder.headers) if file.parent == path and case_name(file) == IMAGE_STEM]:
        return _Inputs([(_mask_name(file), file) for file in images])
    scans = {series: "_".join(series.relative_to(path).parts) for series in folder.series}
    scans |= {file: _mask_name(file) for file in files}
    has_cases = is_dataset(path)
    if not scans and not has_cases:
        if pictures := [file for file in _files(path) if is_picture(file) and reading.is_readable(file)]:
            return _Inputs([(_mask_name(file), file) for file in pictures])
        _check_has_input(folder)
        if list(folder.headers) == [path]:
            return _Inputs([(visible_name(path), path)])  # opening it says what is wrong with it
    cases = list(open_dataset(path, need_masks=False)) if has_cases or not scans else []
    return _scans_and_cases(folder, scans, cases)


def _one_series(folder: _Folder) -> _Inputs:
    path, series = folder.path, folder.series
    if others := sorted({*_other_cts(path), *series, *folder.with_other_cts} - {path}):
        log.warning("%s: read as one DICOM series; %s", path, _skipped(path, others))
    return _Inputs([(visible_name(path), path)], {place: folder.headers[place] for place in series})


def _check_has_input(folder: _Folder) -> None:
    """Raises InputError for a folder without CTs and cases, where the folders below hold CTs of other formats, or DICOM
    files that are no plain CT."""
    path = folder.path
    if places := folder.with_other_cts:
        names = listed([str(place.relative_to(path)) for place in places])
        raise InputError(f"{path}: no CT directly in it, but in {names}; give these folders, or a .txt list of them")
    if folder.headers and list(folder.headers) != [path]:
        raise InputError(f"{path}: holds no plain CT, found {_kinds(path, folder.headers)}; give the folder of a CT")


def _scans_and_cases(folder: _Folder, scans: Mapping[Path, str], cases: Sequence[Case]) -> _Inputs:
    """The scans that lie outside the cases' folders, by name, and the cases. A warning names what is skipped."""
    path, headers = folder.path, folder.headers
    of_cases = {file.parent for case in cases for file in (case.image, case.mask) if file is not None}
    scans = {scan: name for scan, name in scans.items() if of_cases.isdisjoint((scan, *scan.parents))}
    outside = [place for place in (path, *folder.below) if of_cases.isdisjoint((place, *place.parents))]
    beside = [file for scan in scans if scan in headers for file in _other_cts(scan)]
    others = sorted({*beside, *(set(outside) & set(folder.with_other_cts) - scans.keys())})
    if scans and others:
        log.warning("%s: %s", path, _skipped(path, others))
    if without_ct := {place: headers[place] for place in outside if place in headers and not headers[place].has_ct}:
        log.warning("%s: skipped DICOM folders without a plain CT: %s", path, _kinds(path, without_ct))
    cts = [(scans[scan], scan) for scan in sorted(scans)] + [(case.name, case.image) for case in cases]
    return _Inputs(cts, {ct: headers[ct] for _, ct in cts if ct in headers})


def _other_cts(folder: Path) -> list[Path]:
    """The CTs of other formats than DICOM directly in a folder."""
    try:
        cts = [path for path in _files(folder) if _is_ct(path) and not is_dicom(path)]
    except OSError:
        return []
    return [path for path in cts if case_name(path) not in (MASK_STEM, VALID_STEM)]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not _is_further_channel(path))


def _is_further_channel(path: Path) -> bool:
    first = _channel(path, 0)
    return path.parent.name in NNUNET_FOLDERS and first != path and first.is_file()


def _is_ct(path: Path) -> bool:
    return reading.is_readable(path) and not is_seg_nrrd(path) and not is_picture(path)


def _skipped(given: Path, others: Sequence[Path]) -> str:
    return f"CTs skipped: {listed([str(other.relative_to(given)) for other in others])}; give these too"


def _kinds(given: Path, read: Mapping[Path, DicomFiles]) -> str:
    return listed([f"{folder.relative_to(given)} ({files.summary})" for folder, files in sorted(read.items())])


def _in_list(path: Path) -> _Inputs:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a list of inputs is plain text in UTF-8, found something else") from error
    named = [path.parent / line for line in lines if line and not line.startswith("#")]
    if not named:
        raise InputError(f"{path}: the list names no input; write one file or folder a line")
    for one in named:
        if one.suffix.lower() in (LIST_SUFFIX, TABLE_SUFFIX):
            raise InputError(f"{path}: a list names CTs and folders, not other lists, found {one}")
        if not os.path.lexists(one):
            hint = " (a remark is a line of its own)" if "#" in one.name else ""
            raise InputError(f"{path}: no such file or folder: {one}{hint}; correct the line")
    return _joined(map(_inputs_at, named))


def _mask_name(path: Path) -> str:
    whole = Path(os.path.abspath(path))
    if whole.parent.name in NNUNET_FOLDERS:
        return case_name(whole).removesuffix("_0000")
    return whole.parent.name if case_name(whole) == IMAGE_STEM else case_name(whole)
