"""Scores of anyone's masks: tables, figures and a report, without a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from data_io.atomic import write_json
from data_io.errors import InputError
from data_io.fingerprint import sha256_of
from data_io.label_mapping import LabelMapping
from data_io.readers import read_volume
from data_io.reporting import track
from data_io.volume import Volume
from evaluation import score_files, tables
from evaluation.case_pictures import draw_case
from evaluation.measures.surface import TOLERANCES_MM
from evaluation.pairing import Pair
from evaluation.report.page import summarise, write_report
from evaluation.report.run import case_sheets, draw_results, extreme_cases
from evaluation.scores import score_case


def evaluate_masks(
    pairs: Sequence[Pair],
    mapping: LabelMapping,
    output: Path,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: Path | None = None,
) -> pd.DataFrame:
    """Scores each pair, writes metrics.csv, final.csv, lesions.csv, confusion.csv, summary.json, figures/ and
    report.html to `output`, and returns the final table. All cases count as fold 0.

    `tolerances_mm`: of the surface Dice by class or group, on top of `surface.TOLERANCES_MM`. `probabilities`: folder
    of maps CASE.CLASS.nii.gz. Raises InputError for masks with other labels, on other grids, for a tolerance of a class
    that there is not, and for a folder of maps that lacks a case.
    """
    classes = {*mapping.table.names, *TOLERANCES_MM}
    if unknown := sorted(set(tolerances_mm or {}) - classes):
        raise InputError(f"a tolerance belongs to a class, one of {', '.join(sorted(classes))}; found {unknown[0]}")
    scored = []
    for pair in track(pairs, "scoring", len(pairs)):
        reference, prediction = mapping.read(pair.reference), mapping.read(pair.prediction)
        maps = _probability_maps(probabilities, pair.case, mapping.table.names) if probabilities else None
        scored.append(
            score_case(
                pair.case,
                0,
                reference,
                prediction,
                mapping.table,
                tolerances_mm=tolerances_mm,
                probabilities=maps,
            )
        )
        if pair.image is not None:
            image = read_volume(pair.image)
            draw_case(output / "figures", pair.case, image, reference, prediction, mapping.table, pair.case)
    detailed = score_files.write_scores(output, scored, mapping.table)
    final = tables.final_table(detailed)
    tables.write_csv(final, output / "final.csv")
    write_json(output / "summary.json", summarise(final))
    folders = {pair.case: output / "figures" for pair in pairs}
    names = zip(mapping.values, mapping.table.names, strict=True)
    write_report(
        output / "report.html",
        f"Evaluation: {output.resolve().name}",
        {"labels": [f"{value} = {name}" for value, name in names], **summarise(final)},
        "",
        [],
        detailed,
        final,
        [*draw_results(output, detailed), *case_sheets(detailed, folders)],
        [],
        {"predictions (SHA-256)": {pair.case: sha256_of(pair.prediction) for pair in pairs}},
        strips=extreme_cases(detailed, folders),
    )
    return final


def _probability_maps(folder: Path, case: str, names: Sequence[str]) -> dict[str, Volume]:
    paths = {name: folder / f"{case}.{name}.nii.gz" for name in names}
    found = {name: path for name, path in paths.items() if path.is_file()}
    if not found:
        raise InputError(f"{folder}: case {case} needs a map CASE.CLASS.nii.gz, such as {case}.{names[-1]}.nii.gz")
    return {name: read_volume(path) for name, path in found.items()}
