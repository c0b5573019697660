"""Masks of cases, and which predicted mask belongs to which reference mask: by the name of the case."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.volume_layouts import IMAGE_STEM, MASK_STEM, VALID_STEM
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import names_beside
from pneumoseg.data_io.formats.dicom.recognition import is_segmentation
from pneumoseg.data_io.formats.dicom.series import is_dicom
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.reading import is_readable
from pneumoseg.data_io.formats.writing import case_name, is_label_file
from pneumoseg.data_io.volumes.volume import Volume


@dataclass(frozen=True)
class Mask:
    """The mask of a case, the names that its folder gives its labels, and the case where it is of a dataset."""

    path: Path
    label_names: Names = ()
    of: Case | None = None

    @property
    def image(self) -> Path | None:
        """The case's CT, where it is of a dataset."""
        return self.of.image if self.of else None

    @property
    def labelled(self) -> tuple[str, ...]:
        """The names of the classes that it labels, none for all."""
        return self.of.labelled if self.of else ()

    def read_valid(self, grid: GridForm) -> Volume | None:
        """Which voxels count, 1 or 0, where it is of a dataset that says so; None for all. Raises InputError as
        `Case.read_valid`."""
        return replace(self.of, grid=grid).read_valid() if self.of else None

    @property
    def source(self) -> str:
        """Where the case comes from, where it is of a dataset."""
        return self.of.source if self.of else ""


@dataclass(frozen=True)
class Pair:
    """Two masks of the case of that name."""

    case: str
    reference: Mask
    prediction: Mask


def find_pairs(reference: str | Path, prediction: str | Path) -> tuple[Pair, ...]:
    """Pairs the masks of two folders by case name, ordered by it.

    `reference`: a folder of masks such as `CASE.nii.gz`, or the folder of a dataset, whose masks then count;
    `prediction`: a folder of masks. Predictions without a reference are left out, with a warning. Raises InputError for
    a missing folder, one without masks, a case that lies there twice, and, all in one message, for the references
    without a prediction: leaving failed cases out would flatter the scores.
    """
    references = masks_in(reference) or masks_of_dataset(reference)
    predictions = masks_in(prediction)
    if not predictions:
        raise InputError(f"{prediction}: a folder of predicted masks holds files such as CASE.nii.gz, found none")
    missing = sorted(set(references) - set(predictions))
    extra = sorted(set(predictions) - set(references))
    if missing:
        raise InputError(
            f"{prediction}: every reference needs a prediction of the same name, missing: {', '.join(missing)}"
            + (f" (without a reference: {', '.join(extra)})" if extra else "")
        )
    if extra:
        log.warning("Left out, as they have no reference: %s", ", ".join(extra))
    return tuple(Pair(case, references[case], predictions[case]) for case in sorted(references))


def find_masks(given: str | Path) -> dict[str, Mask]:
    """The mask that is given, those directly in the folder, or those of the dataset, by case name.

    A file called `segmentation` is named by its folder. Raises InputError for what is none of these.
    """
    given = Path(given)
    return masks_given(given) or masks_of_dataset(given)


def masks_given(given: Path) -> dict[str, Mask]:
    """The mask that is given, or those directly in the folder, by case name; see `find_masks`."""
    here = Path(os.path.abspath(given))  # of a link its own name, not that of its target
    if given.is_dir():
        return {here.name if name == MASK_STEM else name: mask for name, mask in masks_in(given).items()}
    if not given.is_file():
        raise InputError(f"{given}: no such file or folder")
    if not _may_be_mask(given):
        raise InputError(
            f"{given}: a mask is a DICOM segmentation or ends in .nii.gz, .nii, .nrrd, .nhdr, .mha or .mhd; convert it"
        )
    name = case_name(given)
    return {here.parent.name if name == MASK_STEM else name: Mask(given, names_beside(given.parent))}


def masks_in(folder: str | Path) -> dict[str, Mask]:
    """The masks directly in `folder` by case name, in any format that can be read (of DICOM, segmentations); hidden
    files do not count, nor what is called `imaging` or `valid` beside `segmentation`.

    Of files of one name, a mask in a format that masks are written in (NIfTI, .seg.nrrd) counts, the CT beside it in
    another does not; a warning says so. Raises InputError where the folder is missing or has a case twice.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    label_names = names_beside(folder)
    masks: dict[str, Mask] = {}
    for path in sorted(filter(_may_be_mask, folder.iterdir()), key=lambda path: (not is_label_file(path), path)):
        name = case_name(path)
        if name not in masks:
            masks[name] = Mask(path, label_names)
        elif is_label_file(masks[name].path) and not is_label_file(path):
            log.warning("%s: skipped, %s is the mask of that name", path, masks[name].path)
        else:
            raise InputError(f"{folder}: case {name} has two masks, {masks[name].path.name} and {path.name}; keep one")
    if MASK_STEM in masks:
        masks = {name: mask for name, mask in masks.items() if name not in (IMAGE_STEM, VALID_STEM)}
    return masks


def masks_of_dataset(root: str | Path) -> dict[str, Mask]:
    """The masks of a dataset's cases; a case without a mask raises InputError."""
    dataset = open_dataset(root, need_masks=True)
    return {case.name: Mask(case.mask, case.label_names, case) for case in dataset if case.mask is not None}


def files_of(masks: Mapping[str, Mask], given: Path, found: Mapping[str, Path], *, what: str) -> dict[str, Path]:
    """Of the files `found` at `given`, those with the name of a mask; one file given with one mask belongs to it.
    `what` they are, for the error.

    Raises InputError where no name matches.
    """
    if len(masks) == len(found) == 1 and (given.is_file() or is_dicom(given)):
        return dict(zip(masks, found.values(), strict=True))
    matching = {case: found[case] for case in masks if case in found}
    if not matching:
        raise InputError(
            f"{given}: a {what} must have the name of its mask, such as {min(masks)}; "
            f"found {', '.join(sorted(found)[:5]) or 'none'}"
        )
    return matching


def _may_be_mask(path: Path) -> bool:
    return path.is_file() and is_readable(path) and (is_segmentation(path) or not is_dicom(path))
