"""`pneumoseg studies`: which patients, studies and series are in a tree of DICOM files, and which to segment."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def studies(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Folder, or zip archive, of DICOM files; with --table by default the folder of the table.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The CSV to write.", show_default=False)] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", help="Check this CSV with the columns patient, path, covid (yes or no), score (0 to 100)."
        ),
    ] = None,
    reference_tag: Annotated[
        str | None,
        typer.Option(
            "--reference-tag",
            metavar="KEYWORD",
            help="With --table: the DICOM attribute that holds the number in the column reference, or else patient.",
            show_default="PatientID",
        ),
    ] = None,
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

    With --table, a table of patients is compared with the headers instead: what is missing, doubled, unknown,
    contradicting or no valid value, by row and value. Exit code 1 where there is such a finding.

    Example: pneumoseg studies export/ -o studies.csv
    """
    from pneumoseg.data_io.formats.dicom.studies import find_studies
    from pneumoseg.data_io.formats.dicom.study_table import study_table
    from pneumoseg.data_io.formats.dicom.table_check import check_reference_tag
    from pneumoseg.data_io.storage.zip_files import unzipped

    if table is None and (folder is None or output is None):
        raise InputError("a folder and the CSV to write are needed; give FOLDER and -o, or --table")
    if reference_tag and table is None:
        raise InputError("--reference-tag is for --table; leave it out")
    if with_ids and table is not None:
        raise InputError("--with-ids is for the table of series, not for --table; leave it out")
    if output is not None:
        check_output(output, overwrite)
    place = folder or (table or Path()).parent
    tag = check_reference_tag(reference_tag or "PatientID")
    with unzipped(place) as tree:
        found = find_studies(tree, tag)
        series = study_table(found, with_ids)
    _warn_of_skipped(place, found)
    if table is None:
        _tell_series(series, found, output, quiet=quiet, json=json)
    else:
        _tell_findings(table, series, found, output, tag=tag, quiet=quiet, json=json)


def _tell_series(series, found, output, *, quiet: bool, json: bool) -> None:
    from pneumoseg.data_io.storage.csv_files import write_table
    from pneumoseg.evaluation.scoring.tables import rows_of

    write_table(series, output)
    chosen = series[series["segment"] == "yes"]
    summary = {
        "patients": int(series["patient"].nunique()),
        "studies": int(series["study"].nunique()),
        "series": len(series),
        "to_segment": len(chosen),
        "skipped": dict(found.skipped),
    }
    if json:
        print_json({"summary": summary, "series": rows_of(series)})
    elif not quiet:
        for row in chosen.to_dict("records"):
            place = f"series {row['series']} in {row['path']} ({row['slices']} slices)"
            print(f"study {row['study']}: {place}: {row['why']}")
        print(
            f"{summary['patients']} patients, {summary['studies']} studies, {len(series)} series, "
            f"{len(chosen)} to segment: {output}"
        )


def _tell_findings(table, series, found, output, *, tag: str, quiet: bool, json: bool) -> None:
    """Ends with exit code 1 where there is a finding."""
    from pneumoseg.data_io.formats.dicom.table_check import check_table, findings_table
    from pneumoseg.data_io.storage.csv_files import write_table

    to_segment = set(series["study"][series["segment"] == "yes"])
    findings = check_table(table, found, to_segment, tag)
    if output is not None:
        write_table(findings_table(findings), output)
    if json:
        print_json({"studies": int(series["study"].nunique()), "findings": [asdict(one) for one in findings]})
    else:
        for one in findings:
            place = f"row {one.row}" if one.row else "no row"
            print(f"{one.problem:<13} {place}, {one.column} {one.value!r}: {one.message}")
        if not quiet:
            print(f"{len(findings)} findings in {table}")
    if findings:
        raise typer.Exit(1)


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
