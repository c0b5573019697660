"""`pneumoseg severity`: how much of the lungs is infected, and which severity that is called."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.command_line import Json, Output, Overwrite, Quiet, Verbose, command, print_json, run

Masks = Annotated[
    Path,
    typer.Argument(
        metavar="MASKS", help="A mask (.nii.gz, .nii, .seg.nrrd), a folder of masks, or a dataset.", show_default=False
    ),
]
Images = Annotated[
    Path | None, typer.Option("--images", help="CT or folder of CTs, with the names of the masks.", show_default=False)
]
Lobes = Annotated[
    Path | None,
    typer.Option(
        "--lobes", help="Lobe mask (labels 1..5) or folder of them, with the names of the masks.", show_default=False
    ),
]


@command
def severity(
    masks: Masks,
    output: Output,
    images: Images = None,
    lobes: Lobes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Grade masks: infected volume and percent per lung, category, CT severity scores. For research only, no diagnosis.

    Writes severity.csv, severity.json (with the definition of each column) and figures/severity.png. Facts in HU need
    the CTs, the CTSI by lobes needs lobe masks; of a dataset, its own CTs are taken.

    Example: pneumoseg severity masks/ --images cts/ -o severity/
    """
    import pandas as pd

    from data_io.atomic import write_json
    from data_io.csv_files import write_table
    from data_io.dataset import named
    from data_io.errors import InputError
    from data_io.inputs import find_inputs
    from data_io.labels import LUNG_LABELS
    from data_io.readers import read_labels, read_volume
    from data_io.reporting import log, track
    from evaluation.figures.saving import save_figure
    from evaluation.figures.severity import severity_figure
    from evaluation.measures.severity import DEFINITIONS, LOBES, RESEARCH_ONLY
    from evaluation.measures.severity import severity as grade

    table_path = output / "severity.csv"
    if table_path.exists() and not overwrite:
        raise InputError(f"{table_path}: exists already; choose another folder or give --overwrite")
    mask_of, image_of = _masks_and_images(masks)
    if images is not None:
        image_of |= _of_cases(mask_of, images, find_inputs([images]), "CT")
    lobes_of = {} if lobes is None else _of_cases(mask_of, lobes, _label_files(lobes), "lobe mask")
    rows = []
    for case, path in track(mask_of.items(), "grading", total=len(mask_of)):
        mask = read_labels(path, len(LUNG_LABELS))
        image = read_volume(image_of[case]) if case in image_of else None
        lobe_mask = read_labels(lobes_of[case], LOBES + 1) if case in lobes_of else None
        with named(case):
            row = grade(mask, image, LUNG_LABELS, lobes=lobe_mask)
        missing = [
            f"no {what} of this name"
            for what, given, files in (("CT", images, image_of), ("lobe mask", lobes, lobes_of))
            if given is not None and case not in files
        ]
        remarks = "; ".join(filter(None, [str(row["remarks"]), *missing]))
        rows.append({"case": case, **row, "remarks": remarks})

    table = pd.DataFrame(rows)
    content = {"use": RESEARCH_ONLY, "definitions": DEFINITIONS, "cases": rows}
    write_json(output / "severity.json", content)
    save_figure(severity_figure(table), output / "figures" / "severity.png")
    write_table(table, table_path)  # last: its presence says that all the rest is there
    if json:
        print_json(content)
    elif not quiet:
        print(_readable(rows))
    log.info("Written to %s", output)


def _readable(rows: list[dict]) -> str:
    """The rows as a table for the terminal: percents, category and scores, then the remarks."""
    from evaluation.measures.severity import RESEARCH_ONLY
    from evaluation.tables import aligned, decimals

    columns = {
        "infected_percent": "infected %", "infected_percent_left": "left %", "infected_percent_right": "right %",
        "infection_ml": "infection ml", "category": "category", "ctsi_percent_over_4": "percent/4",
        "ctsi_thirds": "thirds", "ctsi": "ctsi",
    }  # fmt: skip
    lines = [["case", *columns.values()]]
    remarked: dict[str, list[str]] = {}
    for row in rows:
        cells = [row[column] for column in columns]
        lines.append([row["case"], *(cell if isinstance(cell, str) else decimals(cell, 1) for cell in cells)])
        if row["remarks"]:
            remarked.setdefault(row["remarks"], []).append(row["case"])
    text = aligned(lines)
    text += [f"{', '.join(cases)}: {remark}" for remark, cases in remarked.items()]
    return "\n".join([*text, RESEARCH_ONLY])


def _masks_and_images(masks: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Masks by case name and, of a dataset, its CTs."""
    from data_io.layouts import open_dataset

    if found := _label_files(masks):
        return found, {}
    dataset = open_dataset(masks, need_masks=True)
    return {case.name: case.mask for case in dataset if case.mask}, {case.name: case.image for case in dataset}


def _label_files(given: Path) -> dict[str, Path]:
    """The mask that is given, or those in the folder, by case name.

    A given file called `segmentation` is named by its folder. Raises InputError for what is neither mask nor folder.
    """
    from data_io.errors import InputError
    from data_io.label_files import is_label_file, label_name
    from data_io.layouts import MASK_STEM
    from evaluation.pairing import masks_in

    if given.is_dir():
        return masks_in(given)
    if not given.is_file():
        raise InputError(f"{given}: no such file or folder")
    if not is_label_file(given):
        raise InputError(f"{given}: a mask is a file .nii.gz, .nii or .seg.nrrd; convert it")
    name = label_name(given)
    return {given.resolve().parent.name if name == MASK_STEM else name: given}


def _of_cases(masks: dict[str, Path], given: Path, found: dict[str, Path], what: str) -> dict[str, Path]:
    """Of the files `found` at `given`, those with the name of a mask; one file given with one mask belongs to it.

    Raises InputError where no name matches.
    """
    from data_io.dicom_series import is_dicom
    from data_io.errors import InputError

    if len(masks) == len(found) == 1 and (given.is_file() or is_dicom(given)):
        return dict(zip(masks, found.values(), strict=True))
    matching = {case: found[case] for case in masks if case in found}
    if not matching:
        raise InputError(
            f"{given}: a {what} bears the name of its mask, such as {min(masks)}; "
            f"found {', '.join(sorted(found)[:5]) or 'none'}"
        )
    return matching


if __name__ == "__main__":
    run(severity)
