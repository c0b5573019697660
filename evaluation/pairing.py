"""Which predicted mask belongs to which reference mask: by the name of the case."""

from dataclasses import dataclass
from pathlib import Path

from data_io.errors import InputError
from data_io.label_files import is_label_file, label_name
from data_io.layouts import open_dataset
from data_io.reporting import log


@dataclass(frozen=True)
class Pair:
    """Two masks of one case, and its CT where the reference is a dataset."""

    case: str
    reference: Path
    prediction: Path
    image: Path | None


def find_pairs(reference: str | Path, prediction: str | Path) -> tuple[Pair, ...]:
    """Pairs the masks of two folders by case name, ordered by it.

    `reference`: a folder of masks `CASE.nii.gz`, or the folder of a dataset, whose masks then count;
    `prediction`: a folder of masks. Predictions without a reference are left out, aloud. Raises InputError for
    a missing folder, one without masks, a case that lies there twice, and, all in one message, for the references
    without a prediction: leaving failed cases out would flatter the scores.
    """
    images: dict[str, Path] = {}
    references = masks_in(reference)
    if not references:
        dataset = open_dataset(reference, need_masks=True)
        images = {case.name: case.image for case in dataset}
        references = {case.name: case.mask for case in dataset if case.mask is not None}
    predictions = masks_in(prediction)
    if not predictions:
        raise InputError(f"{prediction}: a folder of predicted masks holds files CASE.nii.gz, found none")
    missing = sorted(set(references) - set(predictions))
    extra = sorted(set(predictions) - set(references))
    if missing:
        raise InputError(
            f"{prediction}: every reference needs a prediction of the same name, missing: {', '.join(missing)}"
            + (f" (without a reference: {', '.join(extra)})" if extra else "")
        )
    if extra:
        log.warning("Left out, as they have no reference: %s", ", ".join(extra))
    return tuple(Pair(case, references[case], predictions[case], images.get(case)) for case in sorted(references))


def masks_in(folder: str | Path) -> dict[str, Path]:
    """The masks (NIfTI, .seg.nrrd) directly in `folder` by case name; hidden files are passed over.

    Raises InputError where the folder is missing or has a case in two formats.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder")
    masks: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and is_label_file(path) and not path.name.startswith("."):
            name = label_name(path)
            if name in masks:
                raise InputError(f"{folder}: case {name} lies there twice, {masks[name].name} and {path.name}")
            masks[name] = path
    return masks
