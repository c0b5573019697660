"""The CTs that a person means by files, folders and lists: each with the name that its results will bear."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data_io import readers
from data_io.dicom import open_dicom
from data_io.dicom_series import is_dicom
from data_io.errors import InputError
from data_io.layouts import IMAGE_STEM, open_dataset
from data_io.nifti import case_name
from data_io.scan import Scan
from data_io.seg_nrrd import is_seg_nrrd

LIST_SUFFIX = ".txt"
NNUNET_FOLDERS = ("imagesTr", "imagesTs")


def find_inputs(inputs: Sequence[str | Path]) -> dict[str, Path]:
    """The CT files (and DICOM folders) that `inputs` mean, by the name their masks will bear.

    An input is a CT file; a folder with the slices of a DICOM series; a folder of CT files or of such folders; a
    dataset in one of the known layouts (its masks are passed over); or a .txt file that lists inputs, one a line,
    relative to itself, # before remarks. A file called `imaging` is named by its folder.
    Raises InputError where there is no CT, or where two would bear one name.
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
    """Of the inputs, with `part` "I/N", every N-th from the I-th on: so N machines share them."""
    index, slash, count = part.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError(f"a part is I/N with I in 1..N, for instance 1/4, found {part}")
    return dict(list(files.items())[int(index) - 1 :: int(count)])


def open_input(path: str | Path, series: str | None = None, allow_gaps: bool = False) -> Scan:
    """Opens a CT. `series` and `allow_gaps` are for DICOM, see `dicom.open_dicom`. Raises InputError as readers do."""
    if (series or allow_gaps) and is_dicom(path):
        return open_dicom(path, series, allow_gaps)
    return readers.open_scan(path)


def _meant(given: Path) -> list[tuple[str, Path]]:
    if given.is_file():
        return _listed(given) if given.suffix.lower() == LIST_SUFFIX else [(_mask_name(given), given)]
    if not given.is_dir():
        raise InputError(f"{given}: no such file or folder")
    if is_dicom(given):
        return [(given.resolve().name, given)]
    own = [path for path in sorted(given.iterdir()) if readers.is_readable(path) and not is_seg_nrrd(path)]
    scans = [path for path in own if case_name(path) == IMAGE_STEM] or own
    if scans:
        return [(_mask_name(path), path) for path in scans]
    series = [folder for folder in sorted(given.rglob("*")) if folder.is_dir() and is_dicom(folder)]
    if series:  # as archives export them: patient/study/series
        return [("_".join(folder.relative_to(given).parts), folder) for folder in series]
    return [(case.name, case.image) for case in open_dataset(given, need_masks=False)]


def _listed(path: Path) -> list[tuple[str, Path]]:
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
