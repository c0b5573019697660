"""Datasets of pictures, `images` and `masks`, and of stacks of slices, `NAME_im.nii.gz` and `NAME_mask.nii.gz`.

Each function finds the files in a folder of that layout, and returns None for another.
"""

import re
from pathlib import Path

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.datasets.found_files import FoundFiles, readable_files, visible
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.writing import case_name

PICTURES = "pictures"
"""The name of the layout."""

IMAGE_FOLDERS = ("images", "image")
MASKS = "masks"
"""The folder of the masks where no other is named; `mask` counts as well."""

STACK = re.compile(r"(.+)_(?:(im|image|images)|(mask|masks))", re.IGNORECASE)


def pictures(root: Path, masks: str = MASKS) -> FoundFiles | None:
    """`images/NAME.png` + `masks/NAME.png`, or .jpg, .tif, .bmp; image and mask may differ in format.

    `masks`: the folder of the masks. Raises InputError where another than "masks" is named and has no pictures.
    """
    images = next((found for name in IMAGE_FOLDERS if (found := _by_stem(root / name))), None)
    found_masks = _masks_by_stem(root, masks)
    if images is None and (found_masks is None or not any((root / name).is_dir() for name in IMAGE_FOLDERS)):
        return None
    if found_masks is None and masks != MASKS:
        others = [folder.name for folder in visible(root) if folder.name not in IMAGE_FOLDERS and _by_stem(folder)]
        raise InputError(
            f"{root}: no masks in the folder {masks}, found {listed(others) if others else 'no other folder'} with "
            "pictures; set data.masks to the folder of the masks",
        )
    return FoundFiles(PICTURES, images or {}, found_masks or {})


def mask_beside(image: Path, masks: str = MASKS) -> Path | None:
    """The mask of a picture in the folder `images` of a dataset; None where there is none, or several. `masks`: the
    folder of the masks."""
    if image.parent.name not in IMAGE_FOLDERS:
        return None
    found = (_masks_by_stem(image.parent.parent, masks) or {}).get(image.stem, [])
    return found[0] if len(found) == 1 else None


def stacks(root: Path) -> FoundFiles | None:
    """`NAME_im.nii.gz` + `NAME_mask.nii.gz` of any volume format, also `image`, `images` and `masks`; one pair at
    least."""
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    for path in readable_files(root):
        match = STACK.fullmatch(case_name(path))
        if match and not is_picture(path):
            (images if match[2] else masks).setdefault(match[1], []).append(path)
    return FoundFiles("stacks of slices", images, masks, stacks=True) if images.keys() & masks.keys() else None


def stack_masks(root: Path) -> set[Path]:
    """The masks of the stacks in a folder that have an image beside them."""
    found = stacks(root)
    return {path for name, paths in found.masks.items() if name in found.images for path in paths} if found else set()


def _masks_by_stem(root: Path, masks: str) -> dict[str, list[Path]] | None:
    candidates = (MASKS, "mask") if masks == MASKS else (masks,)
    return next((found for name in candidates if (found := _by_stem(root / name))), None)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for path in filter(is_picture, readable_files(folder)):
        files.setdefault(path.stem, []).append(path)
    return files
