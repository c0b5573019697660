"""From a folder to a Dataset: the shapes in which segmentation datasets come.

Those of volumes are found in `volume_layouts`, those of pictures and stacks of slices in `picture_layouts`. A file
counts where a registered reader recognises it, so registered formats work as well.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets import picture_layouts, volume_layouts
from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.datasets.found_files import FoundFiles, visible
from pneumoseg.data_io.datasets.patients import read_case_table, source_of
from pneumoseg.data_io.datasets.picture_layouts import MASKS, PICTURES
from pneumoseg.data_io.datasets.slices import check_names, slices_of_stack
from pneumoseg.data_io.datasets.volume_layouts import IMAGE_STEM, MASK_STEM, VALID_STEM, ZENODO_IMAGES, ZENODO_MASKS
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti_placement import GridForm


def is_dataset(root: str | Path) -> bool:
    """Whether the folder `root` shows images in one of the layouts that `open_dataset` knows, in folders of it: stacks
    of slices, which lie in `root` itself, do not count."""
    files = _files_of(Path(root), MASKS)
    return files is not None and bool(files.images) and not files.stacks


def open_dataset(
    root: str | Path,
    need_masks: bool = True,
    *,
    grid: GridForm = "sform",
    merge: Sequence[tuple[int, int]] = (),
    masks: str = MASKS,
) -> Dataset:
    """Finds the cases below `root`, whatever the layout, ordered by name.

    Volumes: `CASE/imaging.nii.gz` + `CASE/segmentation.nii.gz`; or `imagesTr/CASE_0000.nii.gz` +
    `labelsTr/CASE.nii.gz`, with several channels also `CASE_0001.nii.gz` and so on; or
    `COVID-19-CT-Seg_20cases/CASE.nii.gz` + `Lung_and_Infection_Mask/CASE.nii.gz`. Pictures: `images/CASE.png` +
    `masks/CASE.png`, or .jpg, .tif, .bmp. Stacks: `NAME_im.nii.gz` + `NAME_mask.nii.gz`, whose slices are the cases
    NAME_000, NAME_001 and so on, in the file's order. Hidden files are skipped.

    `CASE/valid.nii.gz`, 0 or 1, says which voxels count, where there is one. Scans share a patient by their name
    (`radiopaedia_10_85902_1`, `radiopaedia_10_85902_3`) or as `patients.csv` (columns case,patient, perhaps
    labels_present) in `root` says; each picture and slice of a stack is a patient of its own without it.
    `grid`: which form of NIfTI headers counts (see `formats.nifti_placement`). `merge`: the class of values in the
    masks' files. `masks`: the folder of the masks of pictures.

    Raises InputError where the folder is missing, is a file, is empty or shows none of the layouts; for a mask without
    image, two files for one case, a case that lacks a channel, a stack whose image and mask differ in slices, a wrong
    `patients.csv`; and, with `need_masks`, for an image without mask.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root}: no such folder; give the folder of the dataset")
    if not root.is_dir():
        raise InputError(f"{root}: a dataset is a folder, found a file; give the folder that holds its cases")
    if not visible(root):
        raise InputError(f"{root}: the folder is empty; give the folder of the dataset")
    files = _files_of(root, masks)
    if files is None:
        raise InputError(
            f"{root}: no dataset found; looked for CASE/{IMAGE_STEM}.nii.gz with CASE/{MASK_STEM}.nii.gz, for "
            f"imagesTr/CASE_0000.nii.gz with labelsTr/CASE.nii.gz, for {ZENODO_IMAGES}/CASE.nii.gz with "
            f"{ZENODO_MASKS}/CASE.nii.gz, for images/CASE.png with masks/CASE.png (or .jpg, .tif, .bmp), and for "
            "NAME_im.nii.gz with NAME_mask.nii.gz"
        )
    if masks != MASKS and files.layout != PICTURES:
        raise InputError(
            f"{root}: data.masks names a folder beside images, for pictures, found {masks} for the layout "
            f"{files.layout}; leave it at {MASKS}"
        )
    if files.no_cases:
        log.warning("%s: ignored folders without %s.nii.gz: %s", root, IMAGE_STEM, listed(files.no_cases))
    _check(root, files, need_masks)
    cases = [
        Case(
            name,
            images[0],
            mask=files.masks.get(name, [None])[0],
            patient=name,
            grid=grid,
            label_names=files.label_names,
            further=files.further.get(name, ()),
            merge=tuple(merge),
            valid=files.valid.get(name, [None])[0],
        )
        for name, images in files.images.items()
    ]
    if files.stacks:
        cases = [one for case in cases for one in slices_of_stack(case)]
        check_names(root, cases)
    rows = read_case_table(root, {case.name for case in cases})
    described = (
        replace(case, patient=row.patient, labelled=row.labelled, source=source_of(case.name))
        for case in cases
        for row in (rows[case.name],)
    )
    return Dataset(root, tuple(sorted(described, key=lambda case: case.name)), files.layout)


def _files_of(root: Path, masks: str) -> FoundFiles | None:
    """The files by the first layout that the folder shows."""
    return (
        volume_layouts.nnunet(root)
        or volume_layouts.zenodo(root)
        or picture_layouts.pictures(root, masks)
        or volume_layouts.folder_per_case(root)
        or picture_layouts.stacks(root)
    )


def _check(root: Path, files: FoundFiles, need_masks: bool) -> None:
    for kind, by_name in (("image", files.images), ("mask", files.masks), (f"file {VALID_STEM}", files.valid)):
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
