"""Scores of masks of any program: tables, figures and a report, without a run."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pandas as pd

from pneumoseg.data_io.console import log, track, warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import check_labelled, named
from pneumoseg.data_io.datasets.inputs import one_part
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
from pneumoseg.evaluation.experiments.scored_parts import MeasuredCase, measured_parts, part_case, settings_of_parts
from pneumoseg.evaluation.experiments.task import CaseVolumes
from pneumoseg.evaluation.figures.case_pictures import move_pictures
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.report.source_tables import source_sections
from pneumoseg.evaluation.report.warnings import grouped
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.parts import check_part_free, part_file, write_part
from pneumoseg.evaluation.runs.run_folder import check_flags
from pneumoseg.evaluation.runs.run_marks import METRICS
from pneumoseg.evaluation.scoring import files, tables
from pneumoseg.evaluation.scoring.case_scores import CaseScores
from pneumoseg.evaluation.scoring.pairing import Pair, find_pairs
from pneumoseg.evaluation.scoring.pooled import POOLED
from pneumoseg.pipeline.runtime.spreading import finished, result_of

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
    resume: bool = False,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Scores each pair of `find_pairs`, writes final.csv, lesions.csv, confusion.csv, pooled.csv, figures/,
    report.html, summary.json and at last metrics.csv, which says that all is there, to `output`, and returns the final
    table; also final.by_source.csv where there are several sources or cases without lesions. All cases count as fold 0.
    Nothing is written, and nothing of before removed, until every case has been read and scored.

    With an executor each case is a part of its own (as of `evaluate_part`), which is kept whatever ends.

    `mapping`: which number in the masks is which class. `tolerances_mm`: of the surface Dice by class or group, on top
    of `surface.TOLERANCES_MM`. `executor`: where cases are measured, each as one piece of work; by default in this
    thread. Other processes need absolute paths. `probabilities`: folder of maps CASE.CLASS.nii.gz, or in another
    format. Raises InputError as `check_output` and `find_pairs`, for masks with other labels, masks and CTs that lie
    elsewhere, for a tolerance of an unknown class, and for a folder of maps that lacks a case. Of a reference that is a
    dataset, voxels that do not count and classes that are not labelled are left out.
    """
    output = Path(output)
    check_flags(resume, overwrite)
    check_output(output, overwrite)
    task = _evaluation(mapping, tolerances_mm, probabilities)
    with folder_aside(output / "figures") as aside:
        with warnings_of_this_thread() as warnings:
            pairs = find_pairs(reference, prediction)
        known = measured_parts(output, pairs, task.mapping, task.settings_of_parts) if resume else {}
        if executor is None:
            measured = _measured_cases(task, pairs, aside, known)
        else:
            measured = _spread_cases(task, pairs, output, known, executor)
        scored = [one.scores for one in measured]
        warnings += [warning for one in measured for warning in one.warnings]
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


def evaluate_part(
    reference: str | Path,
    prediction: str | Path,
    part: str,
    mapping: LabelMapping = LUNG_MAPPING,
    *,
    output: str | Path,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Scores of the pairs every N-th from the I-th on, with `part` "I/N", draws them to `output`/figures, writes their
    scores to `output`/parts/I_of_N.json at last, and returns the names of the cases. `evaluate_masks` with `resume`
    makes the whole of all parts.

    Raises InputError as `evaluate_masks` and `part_numbers`, and where the part is there without `resume` or
    `overwrite`.
    """
    output = Path(output)
    check_flags(resume, overwrite)
    check_output(output, overwrite)
    file = part_file(output, part)
    check_part_free(file, resume=resume, overwrite=overwrite)
    task = _evaluation(mapping, tolerances_mm, probabilities)
    pairs = tuple(one_part({pair.case: pair for pair in find_pairs(reference, prediction)}, part).values())
    known = {}
    if resume:
        known = measured_parts(output, pairs, task.mapping, task.settings_of_parts, parts=[part])
    with _drawn_into(output / "figures") as aside:
        measured = _measured_cases(task, pairs, aside, known)
    cases = {pair.case: part_case(pair, one) for pair, one in zip(pairs, measured, strict=True)}
    write_part(file, task.settings_of_parts, cases)
    return list(cases)


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

    @property
    def settings_of_parts(self) -> dict[str, object]:
        return settings_of_parts(self.mapping, self.tolerances_mm, self.maps is not None)

    def probabilities(self, case: CaseVolumes) -> Mapping[str, Volume] | None:
        if self.maps is None:
            return None
        with named(case.name):
            return _probability_maps(self.maps, case.name, self.mapping)


def _evaluation(
    mapping: LabelMapping, tolerances_mm: Mapping[str, float] | None, probabilities: str | Path | None
) -> _MaskEvaluation:
    maps = None if probabilities is None else Path(probabilities)
    return _MaskEvaluation(mapping.table, tolerances_mm, mapping=mapping, maps=maps)


def _measured_cases(
    task: _MaskEvaluation, pairs: Sequence[Pair], pictures: Path, known: Mapping[str, MeasuredCase]
) -> list[MeasuredCase]:
    """The pairs scored and drawn into the folder `pictures`, but for those that are known."""
    todo = [pair for pair in pairs if pair.case not in known]
    found = {pair.case: _measured(task, pictures, pair) for pair in track(todo, MEASURING, len(todo))}
    return [known.get(pair.case) or found[pair.case] for pair in pairs]


def _spread_cases(
    task: _MaskEvaluation, pairs: Sequence[Pair], output: Path, known: Mapping[str, MeasuredCase], executor: Executor
) -> list[MeasuredCase]:
    """As `_measured_cases`, by the processes of the executor: each case is a part of its own, which the process writes
    to `output` with its pictures, so that it is kept whatever ends."""
    numbered = [(pair, f"{number}/{len(pairs)}") for number, pair in enumerate(pairs, 1) if pair.case not in known]
    with closing(finished(executor, functools.partial(_write_case, task, output), numbered)) as ended:
        for (pair, _), future in track(ended, MEASURING, len(numbered)):
            result_of(future, pair.case)
    todo, parts = [pair for pair, _ in numbered], [part for _, part in numbered]
    found = measured_parts(output, todo, task.mapping, task.settings_of_parts, parts=parts)
    for pair in todo:
        for warning in found[pair.case].warnings:
            log.warning("%s", warning)
    return [known.get(pair.case) or found[pair.case] for pair in pairs]


def _write_case(task: _MaskEvaluation, output: Path, numbered: tuple[Pair, str]) -> None:
    pair, part = numbered
    with _drawn_into(output / "figures") as aside:
        measured = _measured(task, aside, pair, hold_back=True)
    write_part(part_file(output, part), task.settings_of_parts, {pair.case: part_case(pair, measured)})


@contextmanager
def _drawn_into(folder: Path) -> Iterator[Path]:
    """A folder aside whose pictures are moved to `folder` at the end."""
    with folder_aside(folder) as aside:
        yield aside
        if any(aside.iterdir()):
            move_pictures(aside, folder)


def _measured(task: _MaskEvaluation, pictures: Path, pair: Pair, *, hold_back: bool = False) -> MeasuredCase:
    case = _PairedCase(pair, task.mapping)
    with warnings_of_this_thread(hold_back=hold_back) as warnings:
        scores = score_and_draw(task, case, case.prediction, fold=0, pictures=pictures, title=case.name)
    return MeasuredCase(cast(CaseScores, scores), tuple(warnings))


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
