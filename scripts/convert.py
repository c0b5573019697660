"""`pneumoseg convert`: DICOM series to NIfTI or NRRD."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def convert(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="DICOM folders, folders of such, zip archives.", show_default=False),
    ],
    output: Output,
    image_format: Annotated[
        Literal["nii.gz", "nii", "nrrd"], typer.Option("--format", help="Format of files in a folder.")
    ] = "nii.gz",
    series: Annotated[str | None, typer.Option("--series", help="Which DICOM series: UID, number or name.")] = None,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Read DICOM series with missing slices.")] = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Skip bad series; exit code 1 at the end.")] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Convert DICOM CT series to NIfTI or NRRD in HU, one file per folder.

    Position and orientation are those of the series. The file FILE.json beside each has modality, kernel, kVp, spacing,
    number of slices, units and warnings, and nothing that identifies a person.

    Example: pneumoseg convert export/patient/ct -o ct.nii.gz
    """
    from pneumoseg.data_io.console import log, track
    from pneumoseg.data_io.datasets.inputs import find_inputs
    from pneumoseg.data_io.formats.dicom.conversion import convert_series, side_file
    from pneumoseg.data_io.storage.zip_files import unzipped

    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        files = find_inputs([stack.enter_context(unzipped(one)) for one in inputs])
        targets = _targets(files, output, image_format)
        for source, target in targets.items():
            _check_target(source, target, [side_file(target), target], overwrite)
        for source, target in track(targets.items(), "series", len(targets)):
            try:
                done[str(target)] = convert_series(source, target, series=series, allow_gaps=allow_gaps)
                log.info("%s written", target)
            except InputError as error:
                if not keep_going:
                    raise
                log.error("%s", error)
                failed[target.name] = str(error)
    if json:
        print_json({"files": done, "failed": failed})
    elif not quiet:
        for name, facts in done.items():
            shape = " x ".join(map(str, facts["shape"]))
            print(f"{name}: {shape}, {facts['units']}" + "".join(f"; {text}" for text in facts["warnings"]))
    if failed:
        raise typer.Exit(1)


def _targets(files: dict[str, Path], output: Path, image_format: str) -> dict[Path, Path]:
    """The file to write for each DICOM folder. Raises InputError where an input is no DICOM, and where `output` is one
    file for several."""
    from pneumoseg.data_io.formats.dicom.series import is_dicom
    from pneumoseg.data_io.formats.scan_writing import scan_suffix

    if others := [path for path in files.values() if not is_dicom(path)]:
        raise InputError(f"{others[0]}: DICOM series are converted, found another file; leave it out")
    if scan_suffix(output) is None or output.is_dir():
        return {path: output / f"{name}.{image_format}" for name, path in files.items()}
    if len(files) > 1:
        raise InputError(f"{output}: one file is to be written for {len(files)} series; give a folder")
    return {path: output for path in files.values()}


def _check_target(source: Path, target: Path, written: list[Path], overwrite: bool) -> None:
    folder = source if source.is_dir() else source.parent
    if target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{target}: lies in the folder that is converted, {folder}; choose another place")
    if output := next((path for path in written if path.exists() and not overwrite), None):
        raise InputError(f"{output}: exists already; overwrite it or choose another name", options=("overwrite",))


if __name__ == "__main__":
    run(convert)
