"""Datasets of volumes: one folder per case (MIScnn), `imagesTr` and `labelsTr` (nnU-Net), and the two unpacked archives
of Zenodo record 3757476.

Each function finds the files in a folder of that layout, and returns None for another.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pneumoseg.data_io.datasets.found_files import FoundFiles, by_name, readable_files, visible
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import DATASET_JSON, names_of_dataset, read_dataset_json
from pneumoseg.data_io.formats.reading import is_readable
from pneumoseg.data_io.formats.slicer_seg import is_seg_nrrd
from pneumoseg.data_io.formats.writing import case_name

IMAGE_STEM = "imaging"
MASK_STEM = "segmentation"
VALID_STEM = "valid"
ZENODO_IMAGES = "COVID-19-CT-Seg_20cases"
ZENODO_MASKS = "Lung_and_Infection_Mask"

NNUNET_IMAGE = re.compile(r"(.+)_(\d{4})")


def folder_per_case(root: Path) -> FoundFiles | None:
    """`CASE/imaging.nii.gz` + `CASE/segmentation.nii.gz`, perhaps + `CASE/valid.nii.gz`, of any format."""
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    valid: dict[str, list[Path]] = {}
    no_cases = []
    for folder in filter(Path.is_dir, visible(root)):
        try:
            image, mask, counted = (_called(stem, folder) for stem in (IMAGE_STEM, MASK_STEM, VALID_STEM))
        except PermissionError:  # such as lost+found
            no_cases.append(f"{folder.name} (may not be read)")
            continue
        if image:
            images[folder.name] = image
        if mask:
            masks[folder.name] = mask
        if counted:
            valid[folder.name] = counted
        if not image and not mask:
            no_cases.append(folder.name)
    if not images and not masks:
        return None
    return FoundFiles("folder per case", images, masks, tuple(no_cases), valid=valid)


def nnunet(root: Path) -> FoundFiles | None:
    """`imagesTr/CASE_0000.nii.gz` + `labelsTr/CASE.nii.gz`; with several channels also `CASE_0001.nii.gz` and so on.

    Raises InputError for other names, a case without all channels, a wrong dataset.json, and where there is no file.
    """
    if not (root / "imagesTr").is_dir():
        return None
    described = root / DATASET_JSON
    content = read_dataset_json(described) if described.is_file() else {}
    ending = _file_ending(content, described)
    numbered: dict[str, dict[int, Path]] = {}
    for path in readable_files(root / "imagesTr", ending):
        match = NNUNET_IMAGE.fullmatch(_without(path, ending))
        if match is None:
            raise InputError(f"{path}: an nnU-Net image is called CASE_0000{ending}; rename it")
        numbered.setdefault(match[1], {})[int(match[2])] = path
    channels = _channels(numbered, content, root / "imagesTr", described)
    masks: dict[str, list[Path]] = {}
    for path in readable_files(root / "labelsTr", ending):
        masks.setdefault(_without(path, ending), []).append(path)
    if not numbered and not masks:
        raise InputError(f"{root / 'imagesTr'}: no file CASE_0000{ending} that a reader here knows")
    return FoundFiles(
        "nnU-Net",
        {case: [paths[0]] for case, paths in channels.items()},
        masks,
        label_names=names_of_dataset(content, described),
        further={case: paths[1:] for case, paths in channels.items()},
    )


def zenodo(root: Path) -> FoundFiles | None:
    """`COVID-19-CT-Seg_20cases/CASE.nii.gz` + `Lung_and_Infection_Mask/CASE.nii.gz`. Raises InputError where there is
    no file."""
    image_folder, mask_folder = _unnested(root / ZENODO_IMAGES), _unnested(root / ZENODO_MASKS)
    if not image_folder.is_dir() and not mask_folder.is_dir():
        return None
    images, masks = by_name(image_folder), by_name(mask_folder)
    if not images and not masks:
        raise InputError(f"{image_folder}: no file CASE.nii.gz that a reader here knows")
    return FoundFiles("Zenodo 3757476", images, masks)


def _called(stem: str, folder: Path) -> list[Path]:
    files = [path for path in visible(folder) if case_name(path) == stem and is_readable(path)]
    return files if stem == MASK_STEM else [path for path in files if not is_seg_nrrd(path)]


def _file_ending(content: Mapping[str, object], path: Path) -> str:
    """`file_ending` of nnU-Net's dataset.json; its version 1 knew only .nii.gz."""
    ending = content.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise InputError(f'{path}: file_ending must be like ".nii.gz", found {ending!r}')
    return ending


def _channels(
    numbered: Mapping[str, Mapping[int, Path]], content: Mapping[str, object], folder: Path, described: Path
) -> dict[str, tuple[Path, ...]]:
    """The files of each case, one per channel in the order of their numbers; as many as dataset.json names channels,
    or, where it names none, as the case with most has."""
    named = content.get("channel_names") or content.get("modality")
    if isinstance(named, dict | list) and named:
        count, reason = len(named), f"as {described.name} names {len(named)}"
    else:
        count = max((max(files) + 1 for files in numbered.values()), default=1)
        reason = "as many as the other cases"
    for case, files in numbered.items():
        if sorted(files) != list(range(count)):
            needed = "channel 0000" if count == 1 else f"channels 0000 to {count - 1:04d}"
            found = ", ".join(files[number].name for number in sorted(files))
            raise InputError(f"{folder}: case {case} needs the {needed}, {reason}, found {found}; add or remove files")
    return {case: tuple(files[number] for number in range(count)) for case, files in numbered.items()}


def _unnested(folder: Path) -> Path:
    """The folder, or the one of the same name inside it, as some programs unpack an archive."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _without(path: Path, ending: str) -> str:
    return path.name[: len(path.name) - len(ending)]
