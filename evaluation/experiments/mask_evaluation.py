"""Scores of masks of any program: tables, figures and a report, without a run."""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import log, track, warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import check_labelled, named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING, LabelMapping
from pneumoseg.data_io.formats.nifti import SUFFIXES as NIFTI_SUFFIXES
from pneumoseg.data_io.formats.nrrd_metaimage import SUFFIXES as ITK_SUFFIXES
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.storage.atomic import folder_aside, write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.experiments.case_measurement import score_and_draw
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.task import CaseVolumes, ScoredCase
from pneumoseg.evaluation.figures.case_pictures import move_pictures
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.report.source_tables import source_sections
from pneumoseg.evaluation.report.warnings import grouped
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_marks import METRICS
from pneumoseg.evaluation.scoring import files, tables
from pneumoseg.evaluation.scoring.pairing import Pair, find_pairs
from pneumoseg.evaluation.scoring.pooled import POOLED
from pneumoseg.pipeline.runtime.spreading import finished

MAP_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)
MEASURING = "scoring and drawing"
REPORT, SUMMARY = "report.html", "summary.json"
RESULTS = (REPORT, SUMMARY, METRICS)
"""What says that results lie in a folder: written last, in this order."""
BY_SOURCE = "final.by_source.csv"
MARKS = (REPORT, files.LESIONS, files.CONFUSION, POOLED, BY_SOURCE, "final.csv")
"""What an evaluation leaves that was ended before its last file."""


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where an evaluation cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, METRICS, others=(REPORT, SUMMARY), marks=MARKS, overwrite=overwrite)


def evaluate_masks(
    reference: str | Path,
    prediction: str | Path,
    mapping: LabelMapping = LUNG_MAPPING,
    *,
    output: str | Path,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: str | Path | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Scores each pair of `find_pairs`, writes final.csv, lesions.csv, confusion.csv, pooled.csv, figures/,
    report.html, summary.json and at last metrics.csv, which says that all is there, to `output`, and returns the final
    table; also final.by_source.csv where there are several sources or cases without lesions. All cases count as fold 0.
    Nothing is written, and nothing of before removed, until every case has been read and scored.

    `mapping`: which number in the masks is which class. `tolerances_mm`: of the surface Dice by class or group, on top
    of `surface.TOLERANCES_MM`. `executor`: where cases are measured, each as one piece of work; by default in this
    thread. Other processes need absolute paths. `probabilities`: folder of maps CASE.CLASS.nii.gz, or in another
    format. Raises InputError as `check_output` and `find_pairs`, for masks with other labels, masks and CTs that lie
    elsewhere, for a tolerance of an unknown class, and for a folder of maps that lacks a case. Of a reference that is a
    dataset, voxels that do not count and classes that are not labelled are left out.
    """
    output = Path(output)
    check_output(output, overwrite)
    maps = None if probabilities is None else Path(probabilities)
    task = _MaskEvaluation(mapping.table, tolerances_mm, mapping=mapping, maps=maps)
    with folder_aside(output / "figures") as aside:
        with warnings_of_this_thread() as warnings:
            pairs = find_pairs(reference, prediction)
            scored = _all_measured(task, pairs, aside, executor)
        for name in (*RESULTS, BY_SOURCE):  # of an earlier call, on other masks
            (output / name).unlink(missing_ok=True)
        if drawn := [pair.case for pair in pairs if pair.reference.image is not None]:
            move_pictures(aside, output / "figures")
    task.write_further(output, scored)
    detailed = tables.detailed_table([row for one in scored for row in one.rows])
    final = tables.final_table(detailed)
    write_table(final, output / "final.csv")
    by_source = task.by_source(detailed)
    if by_source is not None:
        write_table(by_source, output / BY_SOURCE)
    # Pictures of an earlier call may lie there too, of other masks.
    folders = {(0, case): output / "figures" for case in drawn}
    pictures = task.case_pictures(detailed, folders)
    names = zip(mapping.values, mapping.table.names, strict=True)
    write_report(
        output / REPORT,
        f"Evaluation: {visible_name(output)}",
        {"labels": [f"{value} = {name}" for value, name in names], **summarise(final)},
        settings_yaml="",
        splits=[],
        detailed=detailed,
        final=final,
        figures=[*task.figures(output, detailed), *pictures.sheets],
        warnings=grouped(warnings),
        environment={"predictions (SHA-256)": {pair.case: sha256_of(pair.prediction.path) for pair in pairs}},
        strips=pictures.strips,
        result=task.result(detailed, final),
        further={**source_sections(by_source), **task.further_sections(output)},
    )
    write_json(output / SUMMARY, summarise(final))
    write_table(detailed, output / METRICS)  # last: its presence says that all the rest is there
    return final


@dataclass(frozen=True, eq=False)
class _PairedCase:
    """A pair's volumes, all on the reference's grid, read when they are first asked for and once."""

    pair: Pair
    mapping: LabelMapping

    @property
    def name(self) -> str:
        return self.pair.case

    @cached_property
    def reference(self) -> Volume:
        given = self.pair.reference
        with named(self.name):
            reference = self.mapping.read(given.path, given.label_names)
            check_labelled(reference.array, self.mapping.table, self.labelled, given.path)
            return reference

    @cached_property
    def prediction(self) -> Volume:
        reference = self.reference
        with named(self.name):
            prediction = self.mapping.read(self.pair.prediction.path, self.pair.prediction.label_names)
            return on_grid_of(reference, prediction, "reference and prediction")

    @cached_property
    def image(self) -> Volume | None:
        path = self.pair.reference.image
        if path is None:
            return None
        reference = self.reference
        with named(self.name):
            return on_grid_of(reference, read_volume(path, grid=self.mapping.grid), "reference and CT")

    @cached_property
    def valid(self) -> Volume | None:
        return self.pair.reference.read_valid(self.mapping.grid)

    @property
    def labelled(self) -> tuple[str, ...]:
        return self.pair.reference.labelled

    @property
    def source(self) -> str:
        return self.pair.reference.source


@dataclass(frozen=True)
class _MaskEvaluation(MaskTask):
    """Masks of any classes. `maps`: the folder of probability maps."""

    mapping: LabelMapping = LUNG_MAPPING
    maps: Path | None = None

    def probabilities(self, case: CaseVolumes) -> Mapping[str, Volume] | None:
        if self.maps is None:
            return None
        with named(case.name):
            return _probability_maps(self.maps, case.name, self.mapping)


def _all_measured(
    task: _MaskEvaluation, pairs: Sequence[Pair], pictures: Path, executor: Executor | None
) -> list[ScoredCase]:
    """The scores of all pairs, in their order; of those measured by other processes the warnings come to the log."""
    if executor is None:
        return [_measured(task, pictures, pair) for pair in track(pairs, MEASURING, len(pairs))]
    made: dict[str, tuple[ScoredCase, list[str]]] = {}
    with closing(finished(executor, functools.partial(_measured_elsewhere, task, pictures), pairs)) as ended:
        for pair, future in track(ended, MEASURING, len(pairs)):
            made[pair.case] = future.result()
    for pair in pairs:
        for warning in made[pair.case][1]:
            log.warning("%s", warning)
    return [made[pair.case][0] for pair in pairs]


def _measured(task: _MaskEvaluation, pictures: Path, pair: Pair) -> ScoredCase:
    case = _PairedCase(pair, task.mapping)
    return score_and_draw(task, case, case.prediction, fold=0, pictures=pictures, title=case.name)


def _measured_elsewhere(task: _MaskEvaluation, pictures: Path, pair: Pair) -> tuple[ScoredCase, list[str]]:
    with warnings_of_this_thread(hold_back=True) as warnings:
        return _measured(task, pictures, pair), warnings


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
