"""Scores of anyone's masks: tables, figures and a report, without a run."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import track, warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING, LabelMapping
from pneumoseg.data_io.formats.nifti import SUFFIXES as NIFTI_SUFFIXES
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.nrrd_metaimage import SUFFIXES as ITK_SUFFIXES
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.figures.case_pictures import draw_case
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.report.results import case_sheets, draw_results, extreme_cases, grouped
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.scoring import files, tables
from pneumoseg.evaluation.scoring.case_scores import CaseScores, check_tolerances, score_case
from pneumoseg.evaluation.scoring.pairing import Pair, find_pairs

MAP_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)
REPORT, SUMMARY = "report.html", "summary.json"
RESULTS = (REPORT, SUMMARY, files.METRICS)
"""What says that results lie in a folder: written last, in this order."""
MARKS = (REPORT, files.LESIONS, files.CONFUSION, "final.csv")
"""What an evaluation leaves that was ended before its last file."""


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where an evaluation cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, files.METRICS, others=(REPORT, SUMMARY), marks=MARKS, overwrite=overwrite)


def evaluate_masks(
    reference: str | Path,
    prediction: str | Path,
    mapping: LabelMapping = LUNG_MAPPING,
    *,
    output: str | Path,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: str | Path | None = None,
) -> pd.DataFrame:
    """Scores each pair of `find_pairs`, writes final.csv, lesions.csv, confusion.csv, figures/, report.html,
    summary.json and at last metrics.csv, which says that all is there, to `output`, and returns the final table. All
    cases count as fold 0. Nothing is written, and nothing of before removed, until every case has been read and scored.

    `mapping`: which number in the masks is which class. `tolerances_mm`: of the surface Dice by class or group, on top
    of `surface.TOLERANCES_MM`. `probabilities`: folder of maps CASE.CLASS.nii.gz, or in another format. Raises
    InputError as `find_pairs`, for masks with other labels, masks and CTs that lie elsewhere, for a tolerance of a
    class that there is not, and for a folder of maps that lacks a case.
    """
    output = Path(output)
    check_tolerances(tolerances_mm, mapping.table)
    with warnings_of_this_thread() as warnings:
        pairs = find_pairs(reference, prediction)
        maps = None if probabilities is None else Path(probabilities)
        scored = [_scored(pair, mapping, tolerances_mm, maps) for pair in track(pairs, "scoring", len(pairs))]
    for name in RESULTS:  # of an earlier call: they tell of other masks
        (output / name).unlink(missing_ok=True)
    shown = {pair: pair.image for pair in pairs if pair.image is not None}
    for pair, path in track(shown.items(), "drawing", len(shown)):
        reference_mask, predicted_mask = _masks(pair, mapping)
        draw_case(
            output / "figures",
            pair.case,
            _ct(path, reference_mask, mapping.grid),
            reference=reference_mask,
            prediction=predicted_mask,
            labels=mapping.table,
            title=pair.case,
        )
    detailed = files.write_counts(output, scored, mapping.table)
    final = tables.final_table(detailed)
    write_table(final, output / "final.csv")
    # What an earlier call drew lies there too, and may show other masks.
    folders = {(0, pair.case): output / "figures" for pair in shown}
    names = zip(mapping.values, mapping.table.names, strict=True)
    write_report(
        output / REPORT,
        f"Evaluation: {visible_name(output)}",
        {"labels": [f"{value} = {name}" for value, name in names], **summarise(final)},
        settings_yaml="",
        splits=[],
        detailed=detailed,
        final=final,
        figures=[*draw_results(output, detailed), *case_sheets(detailed, folders)],
        warnings=grouped(warnings),
        environment={"predictions (SHA-256)": {pair.case: sha256_of(pair.prediction) for pair in pairs}},
        strips=extreme_cases(detailed, folders),
    )
    write_json(output / SUMMARY, summarise(final))
    write_table(detailed, output / files.METRICS)  # last: its presence says that all the rest is there
    return final


def _scored(
    pair: Pair, mapping: LabelMapping, tolerances_mm: Mapping[str, float] | None, probabilities: Path | None
) -> CaseScores:
    reference, prediction = _masks(pair, mapping)
    with named(pair.case):
        if pair.image is not None:
            _ct(pair.image, reference, mapping.grid)  # read for its faults alone, before anything is written
        maps = _probability_maps(probabilities, pair.case, mapping) if probabilities else None
    return score_case(
        pair.case,
        0,
        reference,
        prediction=prediction,
        labels=mapping.table,
        tolerances_mm=tolerances_mm,
        probabilities=maps,
    )


def _masks(pair: Pair, mapping: LabelMapping) -> tuple[Volume, Volume]:
    """Reference and prediction, both on the reference's grid."""
    with named(pair.case):
        reference = mapping.read(pair.reference, pair.reference_names)
        prediction = mapping.read(pair.prediction, pair.prediction_names)
        return reference, on_grid_of(reference, prediction, "reference and prediction")


def _ct(path: Path, reference: Volume, grid: GridForm) -> Volume:
    return on_grid_of(reference, read_volume(path, grid=grid), "reference and CT")


def _probability_maps(folder: Path, case: str, mapping: LabelMapping) -> dict[str, Volume]:
    maps: dict[str, Path] = {}
    for name in mapping.table.names:
        paths = [path for suffix in MAP_SUFFIXES if (path := folder / f"{case}.{name}{suffix}").is_file()]
        if len(paths) > 1:
            raise InputError(f"{folder}: two maps of one class, {paths[0].name} and {paths[1].name}; keep one")
        if paths:
            maps[name] = paths[0]
    if not maps:
        raise InputError(f"{folder} needs a map {case}.CLASS.nii.gz, such as {case}.{mapping.table.names[-1]}.nii.gz")
    return {name: read_volume(path, grid=mapping.grid) for name, path in maps.items()}
