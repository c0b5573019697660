"""`pneumoseg deidentify`: DICOM and NIfTI files without what names their patients."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.formats.dicom.deidentification.pixels_at_risk import RELEASABLE
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def deidentify(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A folder tree, one file, or a zip archive.", show_default=False),
    ],
    output: Output,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="File with the secret that pseudonyms, UIDs and shifts follow from; made where it does not exist. The "
            "same file gives the same ones. Without it a secret is drawn and forgotten.",
        ),
    ] = None,
    dates: Annotated[
        Literal["remove", "shift"],
        typer.Option("--dates", help="Remove dates and times, or move them by a number of days of each patient."),
    ] = "remove",
    keep_descriptors: Annotated[
        bool, typer.Option("--keep-descriptors", help="Keep the known words of descriptions, such as protocol names.")
    ] = False,
    keep_characteristics: Annotated[
        bool, typer.Option("--keep-characteristics", help="Keep sex, age, size and weight.")
    ] = False,
    keep_uids: Annotated[bool, typer.Option("--keep-uids", help="Keep UIDs that are valid.")] = False,
    release: Annotated[
        list[str] | None,
        typer.Option(
            "--release",
            metavar="KIND",
            help=f"Release objects that are held back: {', '.join(RELEASABLE)}; may be repeated.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many processes share the files.")] = 1,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Remove from DICOM and NIfTI files what names their patients: DICOM PS3.15 Annex E, Basic Profile. Pixels stay as
    they are.

    Writes PATIENT/STUDY/SERIES/NUMBER.dcm with pseudonyms and new UIDs, and deidentification.csv: what became of each
    file. What may show who the patient is, and what is no image, is held back.

    Example: pneumoseg deidentify export/ -o clean --key secret.key --dates shift
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key, read_or_make_key
    from pneumoseg.data_io.formats.dicom.deidentification.options import Options
    from pneumoseg.data_io.formats.dicom.deidentification.tree import check_folders, deidentify_tree, reasons_of
    from pneumoseg.pipeline.runtime.executors import reusable_processes
    from pneumoseg.pipeline.runtime.prefetch import results_ahead

    if unknown := [kind for kind in release or () if kind not in RELEASABLE]:
        raise InputError(f"--release: no such kind, {unknown[0]}{nearest(unknown[0], list(RELEASABLE))}")
    options = Options(dates, keep_descriptors, keep_characteristics, keep_uids, frozenset(release or ()))
    check_folders(source, output, overwrite=overwrite)
    if key is not None and any(key.resolve().is_relative_to(folder.resolve()) for folder in (source, output)):
        raise InputError(f"{key}: the key must lie outside the input and the output; choose another folder")
    secret, made = (fresh_key(), False) if key is None else read_or_make_key(key)
    if made:
        log.warning("%s: a new key; who has it can link the results to patients: keep it apart from them", key)
    pool = reusable_processes(processes) if processes > 1 else None
    mapped = map if pool is None else lambda call, items: results_ahead(pool, call, items, ahead=4 * processes)
    report = deidentify_tree(source, output, key=secret, options=options, overwrite=overwrite, mapped=mapped)
    reasons = reasons_of(report)
    held_back = reasons.total()
    counts = {"files": len(report), "released": len(report) - held_back, "held_back": held_back}
    if json:
        print_json({**counts, "reasons": dict(reasons)})
    elif not quiet:
        print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
    log.info("written to %s", output)


if __name__ == "__main__":
    run(deidentify)
