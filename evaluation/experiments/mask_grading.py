"""Severity of masks of any program: how much of the lungs is infected, and which severity that is called.

The folder of a grading: severity.json (rows and the definition of each column), figures/severity.png, severity.csv;
with a cohort also the files of `severity_agreement`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import listed, log, track
from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.datasets.inputs import find_inputs, one_part
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.dicom.references import on_series
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.experiments.severity_agreement import FILES as AGREEMENT_FILES
from pneumoseg.evaluation.experiments.severity_agreement import CohortAgreement, agreement_content, write_agreement
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.severity import severity_figure
from pneumoseg.evaluation.measures.opacity import DEFAULT_LIMITS, OpacityLimits, opacity_definitions
from pneumoseg.evaluation.measures.severity import DEFINITIONS, LOBES, RESEARCH_ONLY, severity
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.parts import (
    PartCase,
    check_part_free,
    part_file,
    read_parts,
    same_masks,
    write_part,
)
from pneumoseg.evaluation.runs.run_folder import check_flags
from pneumoseg.evaluation.scoring.counted_masks import counted_masks
from pneumoseg.evaluation.scoring.pairing import Mask, files_of, find_masks, masks_given
from pneumoseg.evaluation.scoring.tables import aligned, decimals

TABLE = "severity.csv"
SHOWN = {
    "infected_percent": "infected %", "infected_percent_left": "left %", "infected_percent_right": "right %",
    "infection_ml": "infection ml", "category": "category", "ctsi_percent_over_4": "percent/4",
    "ctsi_thirds": "thirds", "ctsi": "ctsi",
}  # fmt: skip
"""The columns that the terminal shows, and their headings there."""
OF_CT = {"ground_glass_percent": "ground glass %", "consolidation_percent": "consolidation %"}
"""Those that need a CT in HU."""

CT, LOBE_MASK = "CT", "lobe mask"
VALID_ALONE = "graded by the voxels that count, of valid, alone"


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where a grading cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, TABLE, others=AGREEMENT_FILES, overwrite=overwrite)


def grade_masks(
    masks: Path,
    *,
    images: Path | None = None,
    lobes: Path | None = None,
    grid: GridForm = "sform",
    limits: OpacityLimits = DEFAULT_LIMITS,
    resume_from: Path | None = None,
) -> list[dict]:
    """One row per mask of `find_masks`: `case` and the columns of `measures.severity.severity`.

    `images`: a CT or a folder of CTs with the names of the masks, for facts in HU; of a dataset, its CTs are taken.
    `lobes`: a lobe mask (labels 1..5) or a folder of them, for the CTSI by lobes. A file that a mask lacks there is a
    remark. `grid`: which form of NIfTI headers counts; `limits`: of ground glass and consolidation. `resume_from`:
    the folder of a grading whose parts (`grade_part`) hold masks that are then not graded again. Cases of a dataset
    whose masks do not label lungs and infection are left out, with a warning; voxels that do not count are not graded,
    as a remark says. Raises InputError as `find_masks`, `files_of`, `Case.read_valid` and `severity`, and where none is
    left.
    """
    grading = _Grading(images, lobes, grid, limits)
    mask_of = _fully_labelled(find_masks(masks), masks)
    known = {} if resume_from is None else read_parts(resume_from, grading.settings_of_parts)
    return _graded(mask_of, grading, known)


def grade_part(
    masks: Path,
    part: str,
    *,
    output: Path,
    images: Path | None = None,
    lobes: Path | None = None,
    grid: GridForm = "sform",
    limits: OpacityLimits = DEFAULT_LIMITS,
    resume: bool = False,
    overwrite: bool = False,
) -> list[dict]:
    """The rows of every N-th mask from the I-th on, with `part` "I/N"; writes them to `output`/parts/I_of_N.json, too.
    `grade_masks` with `resume_from` makes the whole of all parts. Raises InputError as `grade_masks` and
    `part_numbers`, and where the part is there without `resume` or `overwrite`."""
    check_flags(resume, overwrite)
    file = part_file(output, part)
    check_part_free(file, resume=resume, overwrite=overwrite)
    grading = _Grading(images, lobes, grid, limits)
    mask_of = _fully_labelled(find_masks(masks), masks)
    known = read_parts(output, grading.settings_of_parts, parts=[part]) if resume else {}
    rows = _graded(mask_of, grading, known, only=one_part(mask_of, part))
    held = {row["case"]: PartCase({"mask": sha256_of(mask_of[row["case"]].path)}, row) for row in rows}
    write_part(file, grading.settings_of_parts, held)
    return rows


@dataclass(frozen=True)
class _Grading:
    """What masks are graded with; see `grade_masks`."""

    images: Path | None
    lobes: Path | None
    grid: GridForm
    limits: OpacityLimits

    @property
    def settings_of_parts(self) -> dict[str, object]:
        """What must be equal for all parts of one grading."""
        limits = {name: list(value) for name, value in asdict(self.limits).items()}
        return {"grid": self.grid, **limits, "images": self.images is not None, "lobes": self.lobes is not None}


def _graded(
    masks: dict[str, Mask],
    grading: _Grading,
    known: Mapping[str, PartCase],
    *,
    only: Mapping[str, Mask] | None = None,
) -> list[dict]:
    """A row per mask, or per mask of `only`; of those that are `known`, theirs."""
    chosen = masks if only is None else only
    further = _further_files(masks, grading) if chosen.keys() - known.keys() else {}
    return [
        _row_of_part(case, mask, known[case]) if case in known else _row(case, mask, further, grading)
        for case, mask in track(chosen.items(), "grading", total=len(chosen))
    ]


def _further_files(masks: dict[str, Mask], grading: _Grading) -> dict[str, dict[str, Path]]:
    """The CTs and the lobe masks by case."""
    image_of = {case: mask.image for case, mask in masks.items() if mask.image is not None}
    if grading.images is not None:
        image_of |= files_of(masks, grading.images, find_inputs([grading.images]), what=CT)
    lobes_of: dict[str, Path] = {}
    if grading.lobes is not None:
        lobe_masks = {case: mask.path for case, mask in masks_given(grading.lobes).items()}
        lobes_of = files_of(masks, grading.lobes, lobe_masks, what=LOBE_MASK)
    return {CT: image_of, LOBE_MASK: lobes_of}


def _row(case: str, given: Mask, further: Mapping[str, Mapping[str, Path]], grading: _Grading) -> dict:
    image_of, lobes_of, grid = further[CT], further[LOBE_MASK], grading.grid
    mask = read_labels(given.path, LUNG_LABELS, label_names=given.label_names, grid=grid)
    image = read_volume(image_of[case], grid=grid) if case in image_of else None
    lobe_mask = read_labels(lobes_of[case], LOBES + 1, grid=grid) if case in lobes_of else None
    valid = given.read_valid(grid)
    with named(case):
        if image is not None:
            mask = on_series(mask, image)
        if valid is not None:
            mask = counted_masks(mask, mask, (), valid=valid).reference
        row = severity(mask, image, LUNG_LABELS, lobes=lobe_mask, limits=grading.limits)
    remarks = [] if valid is None else [VALID_ALONE]
    expected = [what for what, given in ((CT, grading.images), (LOBE_MASK, grading.lobes)) if given]
    remarks += [f"no {what} of this name" for what in expected if case not in further[what]]
    return {"case": case, **row, "remarks": "; ".join(filter(None, [str(row["remarks"]), *remarks]))}


def _row_of_part(case: str, mask: Mask, held: PartCase) -> dict:
    """The row that a part holds. Raises InputError for other content, and for a mask that changed since."""
    same_masks(case, held, {"mask": sha256_of(mask.path)})
    row = dict(held.results)
    plain = all(value is None or isinstance(value, str | int | float) for value in row.values())
    if row.get("case") != case or not plain or not {*SHOWN, *OF_CT, "remarks"} <= row.keys():
        raise InputError(f"case {case}: its part holds no row as severity writes it; make the part again")
    return row


def _fully_labelled(masks: dict[str, Mask], given: Path) -> dict[str, Mask]:
    needed = set(LUNG_LABELS.names[1:])
    kept = {case: mask for case, mask in masks.items() if not (mask.labelled and needed - set(mask.labelled))}
    if partly := sorted(masks.keys() - kept.keys()):
        text = f"{given}: severity needs {', '.join(LUNG_LABELS.names[1:])}, not all labelled in {listed(partly)}"
        if not kept:
            raise InputError(f"{text}; correct labels_present of patients.csv, or give other masks")
        log.warning("%s; left out", text)
    return kept


def grading_content(
    rows: list[dict], limits: OpacityLimits = DEFAULT_LIMITS, cohort: CohortAgreement | None = None
) -> dict:
    """The rows of a grading with what they may be used for and the definition of each column, and the agreement with
    the cohort where there is one, ready for JSON."""
    content = {"use": RESEARCH_ONLY, "definitions": DEFINITIONS | opacity_definitions(limits), "cases": rows}
    return content if cohort is None else content | {"cohort": agreement_content(cohort)}


def write_grading(
    rows: list[dict],
    output: Path,
    *,
    limits: OpacityLimits = DEFAULT_LIMITS,
    cohort: CohortAgreement | None = None,
    overwrite: bool = False,
) -> None:
    """Writes the rows of `grade_masks`, made with `limits`, to the folder `output`, with a figure, and their agreement
    with the `cohort` where there is one. Raises InputError as `check_output`."""
    check_output(output, overwrite)
    (output / TABLE).unlink(missing_ok=True)  # of an earlier grading
    table = pd.DataFrame(rows)
    write_agreement(cohort, output)
    write_json(output / "severity.json", grading_content(rows, limits, cohort))
    save_figure(severity_figure(table), output / "figures" / "severity.png")
    write_table(table, output / TABLE)  # last: its presence says that all the rest is there


def readable(rows: list[dict]) -> str:
    """The rows as a table for the terminal: percents, category and scores, types of opacity where a CT tells them, then
    the remarks."""
    shown = SHOWN | (OF_CT if any(row[column] is not None for row in rows for column in OF_CT) else {})
    lines = [["case", *shown.values()]]
    remarks: dict[str, list[str]] = {}
    for row in rows:
        cells = [row[column] for column in shown]
        lines.append([row["case"], *(cell if isinstance(cell, str) else decimals(cell, 1) for cell in cells)])
        if row["remarks"]:
            remarks.setdefault(row["remarks"], []).append(row["case"])
    text = aligned(lines)
    text += [f"{', '.join(cases)}: {remark}" for remark, cases in remarks.items()]
    return "\n".join([*text, RESEARCH_ONLY])
