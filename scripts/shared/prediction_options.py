"""The flags that commands share which segment CTs, beyond those of `options`; as these, imports nothing heavy."""

from typing import Annotated, Literal

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import DEFAULT_MODEL, PICTURE_MODEL

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="A model.keras, a run folder, or a bundled model's name; several models, and the folds of a run, are "
        f"an ensemble. Default: {DEFAULT_MODEL}, for pictures {PICTURE_MODEL}.",
    ),
]
Engine = Annotated[Literal["auto", "openvino", "keras"], typer.Option("--engine", help="What computes the networks.")]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "int8"],
    typer.Option("--precision", help="Precision of the computation; auto takes the one measured to be fastest."),
]
Report = Annotated[
    bool, typer.Option("--sr", help="Measurements as DICOM structured report, too; with --format dicom-seg.")
]
Captures = Annotated[
    bool, typer.Option("--secondary-capture", help="Pictures as a DICOM series of secondary captures, too.")
]
AssignUids = Annotated[
    bool, typer.Option("--assign-uids", help="DICOM results of slices without valid UIDs: make UIDs from content.")
]
AllowGaps = Annotated[bool, typer.Option("--allow-gaps", help="Read DICOM series with missing slices.")]


def check_report(report: bool, segmentations: bool) -> None:
    """Raises InputError where a structured report is asked for of masks that are no DICOM segmentations."""
    if report and not segmentations:
        message = "a structured report refers to a DICOM segmentation; write the masks as dicom-seg"
        raise InputError(message, options=("mask_format",))
