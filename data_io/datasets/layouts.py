"""From a folder to a Dataset: the shapes in which segmentation datasets come.

Three are known: one folder per case (MIScnn), `imagesTr` and `labelsTr` (nnU-Net), and the two unpacked archives of
Zenodo record 3757476. A file counts where a registered reader recognises it, so registered formats work as well.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import DATASET_JSON, names_of_dataset, read_dataset_json
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.reading import is_readable
from pneumoseg.data_io.formats.slicer_seg import is_seg_nrrd
from pneumoseg.data_io.formats.writing import case_name

IMAGE_STEM = "imaging"
MASK_STEM = "segmentation"
ZENODO_IMAGES = "COVID-19-CT-Seg_20cases"
ZENODO_MASKS = "Lung_and_Infection_Mask"
PATIENTS_FILE = "patients.csv"

RADIOPAEDIA_SCAN = re.compile(r"(radiopaedia_\d+)_\d+_\d+")
NNUNET_IMAGE = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class _Files:
    """The files of each case name: images and masks, any number of each until they are checked. `no_cases`: folders
    beside those of the cases. `label_names`: of the masks' numbers, where the dataset gives them."""

    layout: str
    images: dict[str, list[Path]]
    masks: dict[str, list[Path]]
    no_cases: tuple[str, ...] = ()
    label_names: Names = ()


def is_dataset(root: str | Path) -> bool:
    """Whether the folder `root` shows images in one of the layouts that `open_dataset` knows."""
    files = _files_of(Path(root))
    return files is not None and bool(files.images)


def open_dataset(root: str | Path, need_masks: bool = True, *, grid: GridForm = "sform") -> Dataset:
    """Finds the cases below `root`, whatever the layout, ordered by name.

    `CASE/imaging.nii.gz` + `CASE/segmentation.nii.gz`; or `imagesTr/CASE_0000.nii.gz` + `labelsTr/CASE.nii.gz`; or
    `COVID-19-CT-Seg_20cases/CASE.nii.gz` + `Lung_and_Infection_Mask/CASE.nii.gz`. Hidden files are skipped.
    Scans share a patient by their name (`radiopaedia_10_85902_1`, `radiopaedia_10_85902_3`) or as `patients.csv`
    (columns case,patient) in `root` says. `grid`: which form of NIfTI headers counts (see `formats.nifti_placement`).

    Raises InputError where the folder is missing, is a file, is empty or shows none of the layouts; for a mask without
    image, two files for one case, a wrong `patients.csv`; and, with `need_masks`, for an image without mask.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root}: no such folder; give the folder of the dataset")
    if not root.is_dir():
        raise InputError(f"{root}: a dataset is a folder, found a file; give the folder that holds its cases")
    if not _visible(root):
        raise InputError(f"{root}: the folder is empty; give the folder of the dataset")
    files = _files_of(root)
    if files is None:
        raise InputError(
            f"{root}: no dataset found; looked for CASE/{IMAGE_STEM}.nii.gz with CASE/{MASK_STEM}.nii.gz, for "
            f"imagesTr/CASE_0000.nii.gz with labelsTr/CASE.nii.gz, and for {ZENODO_IMAGES}/CASE.nii.gz with "
            f"{ZENODO_MASKS}/CASE.nii.gz"
        )
    if files.no_cases:
        log.warning("%s: ignored folders without %s.nii.gz: %s", root, IMAGE_STEM, listed(files.no_cases))
    _check(root, files, need_masks)
    patients = _patients(root, files.images)
    cases = tuple(
        Case(
            name,
            images[0],
            mask=files.masks.get(name, [None])[0],
            patient=patients[name],
            source=source_of(name),
            grid=grid,
            label_names=files.label_names,
        )
        for name, images in sorted(files.images.items())
    )
    return Dataset(root, cases, files.layout)


def patient_of(name: str) -> str:
    """The patient of a case name: `radiopaedia_10` for `radiopaedia_10_85902_1`, else the name itself."""
    match = RADIOPAEDIA_SCAN.fullmatch(name)
    return match[1] if match else name


def source_of(name: str) -> str:
    """Where a case comes from: the letters that begin its name ("coronacases" for `coronacases_001`), or ""."""
    match = re.match(r"[A-Za-z]+", name)
    return match[0] if match else ""


def _files_of(root: Path) -> _Files | None:
    return next((files for find in _LAYOUTS if (files := find(root)) is not None), None)


def _folder_per_case(root: Path) -> _Files | None:
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    no_cases = []
    for folder in filter(Path.is_dir, _visible(root)):
        try:
            image, mask = (_called(stem, folder) for stem in (IMAGE_STEM, MASK_STEM))
        except PermissionError:  # such as lost+found
            no_cases.append(f"{folder.name} (may not be read)")
            continue
        if image:
            images[folder.name] = image
        if mask:
            masks[folder.name] = mask
        if not image and not mask:
            no_cases.append(folder.name)
    if not images and not masks:
        return None
    return _Files("folder per case", images, masks, tuple(no_cases))


def _called(stem: str, folder: Path) -> list[Path]:
    files = [path for path in _visible(folder) if case_name(path) == stem and is_readable(path)]
    return files if stem == MASK_STEM else [path for path in files if not is_seg_nrrd(path)]


def _nnunet(root: Path) -> _Files | None:
    if not (root / "imagesTr").is_dir():
        return None
    described = root / DATASET_JSON
    content = read_dataset_json(described) if described.is_file() else {}
    ending = _nnunet_file_ending(content, described)
    images: dict[str, list[Path]] = {}
    for path in _files(root / "imagesTr", ending):
        match = NNUNET_IMAGE.fullmatch(_without(path, ending))
        if match is None:
            raise InputError(f"{path}: an nnU-Net image is called CASE_0000{ending}; rename it")
        if match[2] != "0000":
            raise InputError(f"{path}: one channel per case (_0000) is read here, found channel {match[2]}; remove it")
        images.setdefault(match[1], []).append(path)
    masks: dict[str, list[Path]] = {}
    for path in _files(root / "labelsTr", ending):
        masks.setdefault(_without(path, ending), []).append(path)
    if not images and not masks:
        raise InputError(f"{root / 'imagesTr'}: no file CASE_0000{ending} that a reader here knows")
    return _Files("nnU-Net", images, masks, label_names=names_of_dataset(content, described))


def _nnunet_file_ending(content: Mapping[str, object], path: Path) -> str:
    """`file_ending` of nnU-Net's dataset.json; its version 1 knew only .nii.gz."""
    channels = content.get("channel_names") or content.get("modality")
    if isinstance(channels, dict | list) and len(channels) > 1:
        raise InputError(f"{path}: one channel per case is read here, found {len(channels)}: {channels}; keep the CT")
    ending = content.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise InputError(f'{path}: file_ending must be like ".nii.gz", found {ending!r}')
    return ending


def _zenodo(root: Path) -> _Files | None:
    image_folder, mask_folder = _unnested(root / ZENODO_IMAGES), _unnested(root / ZENODO_MASKS)
    if not image_folder.is_dir() and not mask_folder.is_dir():
        return None
    images, masks = _by_name(image_folder), _by_name(mask_folder)
    if not images and not masks:
        raise InputError(f"{image_folder}: no file CASE.nii.gz that a reader here knows")
    return _Files("Zenodo 3757476", images, masks)


_LAYOUTS: tuple[Callable[[Path], _Files | None], ...] = (_nnunet, _zenodo, _folder_per_case)


def _check(root: Path, files: _Files, need_masks: bool) -> None:
    for kind, by_name in (("image", files.images), ("mask", files.masks)):
        for name, paths in by_name.items():
            if len(paths) > 1:
                names = ", ".join(path.name for path in paths)
                raise InputError(f"{paths[0].parent}: case {name} has more than one {kind}: {names}; keep one")
    lone_masks = sorted(files.masks.keys() - files.images.keys())
    if lone_masks:
        raise InputError(
            f"{root}: no image for {listed(lone_masks)}, only a mask such as {files.masks[lone_masks[0]][0]}; "
            "add the image or remove the mask"
        )
    lone_images = sorted(files.images.keys() - files.masks.keys())
    if need_masks and lone_images:
        raise InputError(
            f"{root}: no mask for {listed(lone_images)}, only an image such as {files.images[lone_images[0]][0]}; "
            "add the mask or move the case elsewhere"
        )


def _patients(root: Path, names: Iterable[str]) -> dict[str, str]:
    path = root / PATIENTS_FILE
    if not path.is_file():
        return {name: patient_of(name) for name in names}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows = [(row.get("case"), row.get("patient")) for row in table]
            columns = table.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table ({error})") from error
    if "case" not in columns or "patient" not in columns:
        raise InputError(f"{path}: the columns must be case,patient, found {','.join(columns)}")
    patients: dict[str, str] = {}
    for number, (case, patient) in enumerate(rows, start=2):
        if not case or not patient:
            raise InputError(f"{path}: line {number} needs a case and a patient, found {case!r} and {patient!r}")
        if case in patients:
            raise InputError(f"{path}: case {case} is named twice; keep one line")
        patients[case] = patient
    known = set(names)
    if unknown := sorted(patients.keys() - known):
        raise InputError(f"{path}: no such case in {root}: {listed(unknown)}; correct or remove the lines")
    if lacking := sorted(known - patients.keys()):
        raise InputError(f"{path}: no patient for {listed(lacking)}; add a line for each case")
    return patients


def _unnested(folder: Path) -> Path:
    """The folder, or the one of the same name inside it, as some programs unpack an archive."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _by_name(folder: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for path in _files(folder, ""):
        files.setdefault(case_name(path), []).append(path)
    return files


def _files(folder: Path, ending: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in _visible(folder) if path.name.endswith(ending) and is_readable(path)]


def _without(path: Path, ending: str) -> str:
    return path.name[: len(path.name) - len(ending)]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
