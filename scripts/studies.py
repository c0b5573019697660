"""`pneumoseg studies`: which patients, studies and series are in a tree of DICOM files, and which to segment."""

import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def studies(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder, or zip archive, of DICOM files.", show_default=False)
    ],
    output: Output,
    with_ids: Annotated[
        bool, typer.Option("--with-ids", help="Add what identifies patients: IDs, UIDs, descriptions, dates.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Tabulate every series in a folder or zip archive of DICOM files, and say which one of each study to segment.

    Files are looked for at any depth, and sorted by their headers. The CSV has one row per series: modality, slices,
    spacing, kernel, orientation, gaps, tilt, units, whether the whole lungs are in it, and the reason of the choice.
    Patients and studies are numbers, paths relative to the folder.

    Example: pneumoseg studies export/ -o studies.csv
    """
    from pneumoseg.data_io.formats.dicom.studies import find_studies
    from pneumoseg.data_io.formats.dicom.study_table import study_table
    from pneumoseg.data_io.storage.csv_files import write_table
    from pneumoseg.data_io.storage.zip_files import unpack_zip

    check_output(output, overwrite)
    with tempfile.TemporaryDirectory() as place:
        tree = folder
        if folder.is_file() and zipfile.is_zipfile(folder):
            tree = Path(place, "archive")
            unpack_zip(folder, tree)
        found = find_studies(tree)
        table = study_table(found, with_ids)
    _warn_of_skipped(folder, found)
    write_table(table, output)
    chosen = table[table["segment"] == "yes"]
    summary = {
        "patients": int(table["patient"].nunique()),
        "studies": int(table["study"].nunique()),
        "series": len(table),
        "to_segment": len(chosen),
        "skipped": dict(found.skipped),
    }
    if json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json({"summary": summary, "series": rows})
    elif not quiet:
        for row in chosen.to_dict("records"):
            print(
                f"study {row['study']}: series {row['series']} in {row['path']} ({row['slices']} slices): {row['why']}"
            )
        print(
            f"{summary['patients']} patients, {summary['studies']} studies, {len(table)} series, "
            f"{len(chosen)} to segment: {output}"
        )


def check_output(output: Path, overwrite: bool) -> None:
    """Raises InputError where the file exists and is not to be replaced."""
    if output.is_dir():
        raise InputError(f"{output}: a table is written to a file, found a folder; give the name of a file")
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists already; overwrite it or choose another name", options=("overwrite",))


def _warn_of_skipped(folder: Path, found) -> None:
    from pneumoseg.data_io.console import listed, log

    for reason, count in sorted(found.skipped.items()):
        names = listed([str(path) for path in found.examples[reason]])
        say = log.info if reason == "files that are no DICOM" else log.warning
        say("%s: skipped %d %s, such as %s", folder, count, reason, names)


if __name__ == "__main__":
    run(studies)
