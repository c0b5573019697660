"""Where the results of prediction go, and whether an existing mask was made in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_pictures import SUFFIX as PICTURE_SUFFIX
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.slicer_seg import is_seg_nrrd
from pneumoseg.data_io.formats.writing import case_name, is_dicom_segmentation, is_label_file
from pneumoseg.data_io.storage.atomic import remove_folder, remove_leftovers
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.data_io.storage.file_names import is_utf8, name_as_text
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.evaluation.runs.run_folder import check_flags
from pneumoseg.pipeline.settings.loading import with_defaults

Fact = int | float | str | None
IMAGE_SUFFIXES = (
    *(".gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm", ".img", ".hdr"),
    *(".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
)
DICOM_ENDINGS = {"dicom-seg": "seg.dcm", "dicom-labelmap": "seg.dcm"}
FORMATS = "nii.gz, nii, seg.nrrd, seg.dcm (DICOM), png (pictures) or npy"


@dataclass(frozen=True)
class Output:
    """The files of one CT: the mask, which appears last and says that all is there, and what belongs to it."""

    mask: Path

    @property
    def name(self) -> str:
        """The name of the mask without folder and suffix."""
        return case_name(self.mask)

    @property
    def manifest(self) -> Path:
        """How the mask was made."""
        return self.mask.with_name(f"{self.mask.name}.json")

    @property
    def preview(self) -> Path:
        """A picture of the mask over its CT."""
        return self.mask.parent / "previews" / f"{self.name}.png"

    @property
    def side_by_side(self) -> Path:
        """A picture beside its masks."""
        return self.mask.parent / "side_by_side" / f"{self.name}.png"

    def probabilities(self, classes: Sequence[str]) -> list[Path]:
        """A map per class."""
        return [self.mask.parent / "probabilities" / f"{self.name}.{one}.nii.gz" for one in classes]

    @property
    def uncertainty(self) -> Path:
        """A map of the entropy of the probabilities."""
        return self.mask.parent / "uncertainty" / f"{self.name}.uncertainty.nii.gz"

    @property
    def report(self) -> Path:
        """The measurements as a DICOM structured report."""
        return self.mask.with_name(f"{self.name}.sr.dcm")

    @property
    def captures(self) -> Path:
        """A folder of pictures of the mask as a DICOM series."""
        return self.mask.parent / "secondary_captures" / self.name

    def clear(self, classes: Sequence[str]) -> None:
        """Removes all of them, the mask first, and what a killed process left half-written."""
        beside = (self.manifest, self.report, self.preview, self.side_by_side, self.uncertainty)
        for path in (self.mask, *beside, *self.probabilities(classes)):
            path.unlink(missing_ok=True)
            remove_leftovers(path)
        if self.captures.is_dir():
            remove_folder(self.captures)
        remove_leftovers(self.captures)

    def made_with(self, source_sha256: str, recipe: Mapping) -> dict:
        """The manifest of the existing mask. Raises InputError unless it says that an image of that content and
        `recipe` (all that decides what the mask looks like) made the mask, and the mask is unchanged since."""
        remedy, options = "overwrite it or choose another output", ("overwrite",)
        if not self.manifest.is_file():
            raise InputError(f"{self.mask}: no manifest says how it was made; {remedy}", options=options)
        try:
            manifest = read_json(self.manifest, "the manifest of a mask", dict)
        except InputError as error:
            message = f"{self.manifest}: not the manifest of a mask ({error}); {remedy}"
            raise InputError(message, options=options) from error
        statistics = manifest.get("statistics") or {}
        plain = isinstance(statistics, dict) and all(isinstance(fact, Fact) for fact in statistics.values())
        if "mask_sha256" not in manifest or not plain:
            raise InputError(f"{self.manifest}: not the manifest of a mask; {remedy}", options=options)
        theirs, ours = (_with_whole_settings(facts) for facts in (manifest, recipe))
        differing = [key for key in ours if theirs.get(key) != ours[key]]
        if manifest.get("source_sha256") != source_sha256:
            differing.append("CT")
        if manifest["mask_sha256"] != sha256_of(self.mask):
            differing.append("mask itself")
        if differing:
            message = f"{self.mask}: made otherwise, or changed since: {', '.join(differing)}; {remedy}"
            raise InputError(message, options=options)
        return manifest


def _with_whole_settings(facts: Mapping) -> dict:
    """A manifest or recipe whose settings are whole: one of an earlier version lacks some."""
    return {**facts, "settings": with_defaults(facts.get("settings"))}


def place_outputs(
    files: Mapping[str, Path],
    output: str | Path,
    *,
    mask_format: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[Path, Output]:
    """For each CT or picture of `files` (as of `find_inputs`) where its results go: `output`/NAME.`mask_format` (unless
    given nii.gz, and png for pictures), or for a single one `output` itself where that is the name of a mask. Writes
    nothing.

    Raises InputError where an output exists without `resume` or `overwrite`, is a CT, cannot be a mask or folder, is to
    be seg.nrrd and has a name that is not UTF-8, png for a volume, or DICOM in the folder of the CT itself.
    """
    check_flags(resume, overwrite)
    output = Path(output)
    ending = f".{DICOM_ENDINGS.get(mask_format or '', mask_format or 'nii.gz').lstrip('.')}"
    if not is_label_file(f"mask{ending}"):
        raise InputError(f"format {mask_format}: a mask is written as {FORMATS}", options=("mask_format",))
    if is_label_file(output):
        if len(files) != 1:
            raise InputError(f"{output}: one mask for {len(files)} volumes; give a folder as output")
        if mask_format is not None and not output.name.lower().endswith(ending):
            raise InputError(
                f"{output}: the name asks for another format than {mask_format}; give one of them",
                options=("mask_format",),
            )
        masks = [output]
    elif output.is_file() or output.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(f"{output}: the output is a folder, or a mask that ends in {FORMATS}")
    else:
        endings = [
            PICTURE_SUFFIX if mask_format is None and is_picture(source) else ending for source in files.values()
        ]
        masks = [output / f"{name}{ending}" for name, ending in zip(files, endings, strict=True)]
    for mask in masks:
        if is_seg_nrrd(mask) and not is_utf8(mask):
            raise InputError(f"{mask}: a mask as seg.nrrd needs names in UTF-8; rename file or folder, or use nii.gz")
    for source, mask in zip(files.values(), masks, strict=True):
        if mask.suffix.lower() == PICTURE_SUFFIX and not is_picture(source):
            message = f"{mask}: the mask of a volume does not fit into a picture; write it as nii.gz"
            raise InputError(message, options=("mask_format",))
        if is_dicom_segmentation(mask) and source.is_dir() and mask.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{mask}: DICOM results must not lie in the folder of the CT; give another output")
        if mask.exists() and mask.samefile(source):
            raise InputError(f"{mask}: the mask would replace the CT itself; give another output")
        if mask.exists() and not (resume or overwrite):
            message = f"{mask}: exists already; resume to keep it, or overwrite it"
            raise InputError(message, options=("resume", "overwrite"))
    return {source: Output(mask) for source, mask in zip(files.values(), masks, strict=True)}


def facts_of(manifest: Mapping) -> dict | None:
    """The row of a mask in statistics.csv: its volumes, then the verdict and the predicted Dice of each class, where
    there is a verdict. None for a picture, which has no volumes."""
    if manifest["statistics"] is None:
        return None
    facts, trust = dict(manifest["statistics"]), manifest.get("trust") or {}
    if trust.get("verdict") is not None:
        facts["verdict"] = trust["verdict"]
        for name, one in trust["classes"].items():
            facts[f"{name}_predicted_dice"] = None if one is None else one["predicted_dice"]
    return facts


def write_volumetry(path: str | Path, facts: Mapping[str, dict | None]) -> None:
    """Writes the facts of `measures.volumetry` as CSV, one row per case, by name; None for a case without a mask.

    Rows of other cases that are in the file already stay, those of the same cases are replaced; several processes may
    do so at a time, as each holds a lock beside the file meanwhile. Without any row there is no file. Raises InputError
    where the file that is there is no such table.
    """
    path, facts = Path(path), {name_as_text(name): row for name, row in facts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        rows = [row for row in _read_volumetry(path) if row["case"] not in facts] if path.exists() else []
        rows += [{"case": name, **row} for name, row in facts.items() if row is not None]
        if rows:
            write_table(pd.DataFrame(rows), path, digits=None)
        else:
            path.unlink(missing_ok=True)


def _read_volumetry(path: Path) -> list[dict]:
    """The rows of an earlier call."""
    try:
        table = read_table(path)
    except InputError as error:
        raise InputError(f"{error}; move it elsewhere", options=error.options) from error
    if "case" not in table:
        columns = ", ".join(map(str, table.columns))
        raise InputError(f"{path}: a table of volumes has a column case, found {columns}; move it elsewhere")
    return table.to_dict("records")
