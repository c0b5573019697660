"""Segmenting many CTs: while one is computed, the next is read and the last is written."""

import functools
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pneumoseg.data_io.console import log, track, warnings_of_this_thread
from pneumoseg.data_io.datasets.inputs import open_input
from pneumoseg.data_io.datasets.picture_layouts import mask_beside
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.probability_maps import probability_maps
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.formats.writing import is_dicom_segmentation, write_labels
from pneumoseg.data_io.public_text import AboutFiles, visible
from pneumoseg.data_io.storage.atomic import write_aside, write_json
from pneumoseg.data_io.storage.file_names import name_as_text
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.calibration import verdict_of
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions, input_sha256, recipe
from pneumoseg.evaluation.measures.plausibility import implausible
from pneumoseg.evaluation.measures.volumetry import volumetry
from pneumoseg.pipeline.prediction.predictor import Predictor, PreparedScan, require_same_kind
from pneumoseg.pipeline.prediction.sliding_window import Segmentation
from pneumoseg.pipeline.prediction.watching import entropy
from pneumoseg.pipeline.preprocessing.intensity import warnings_of_unusual_ct
from pneumoseg.pipeline.runtime.executors import background_threads
from pneumoseg.pipeline.runtime.prefetch import results_ahead
from pneumoseg.pipeline.runtime.timing import timed

if TYPE_CHECKING:
    from pneumoseg.data_io.formats.dicom.results.source import Source

# What a bad CT, a full disk or a failing network may raise; InputError is a ValueError.
FAILURES = (ValueError, OSError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Result:
    """What came of one CT: where its results lie, its manifest, or the error where it failed."""

    source: Path
    output: Output
    manifest: dict | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Case:
    """A CT that was read. `source`: its DICOM series, where results are to refer to it; `warnings`: of reading it."""

    scan: Scan
    source: "Source | None"
    in_hu: bool
    sha256: str
    prepare_s: float
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class _Segmented:
    """A CT and its mask. `segment_s`: all seconds of the segmentation, with its parts."""

    case: _Case
    segmentation: Segmentation
    segment_s: float


_Read = tuple[_Case, PreparedScan]


def predict_files(
    outputs: Mapping[Path, Output],
    predictor: Predictor,
    *,
    options: PredictionOptions | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    open_scan: Callable[[Path], Scan] | None = None,
) -> list[Result]:
    """Segments CTs; `outputs` (as of `place_outputs`) says which, and where their results go.

    With `resume`, a mask that the same CT, models and settings made is kept, unless something else that `options` ask
    for is missing; all others are made again. `executor`: of threads, reads the next CT and writes the last one while
    another is computed; by default two threads. `open_scan`: opens a CT, by default `open_input` as the options say.
    Raises InputError for a mask that was made otherwise, and for the first CT that fails unless `options.keep_going`.
    """
    options = options or PredictionOptions()
    channels = predictor.settings.preprocessing.channels
    open_scan = open_scan or functools.partial(
        open_input, series=options.series, allow_gaps=options.allow_gaps, grid=options.grid, channels=channels
    )
    kept: dict[Path, Result] = {}
    if resume:
        for source, output in outputs.items():
            if output.mask.exists():
                manifest = output.made_with(input_sha256(source, predictor), recipe(predictor, options))
                if _is_complete(output, manifest, predictor, options, in_mm=not is_picture(source)):
                    kept[source] = Result(source, output, manifest)
    todo = [(source, output) for source, output in outputs.items() if source not in kept]
    with nullcontext(executor) if executor is not None else background_threads(2) as threads:
        made = {result.source: result for result in _predict(todo, predictor, options, open_scan, threads)}
    return [(made | kept)[source] for source in outputs]


def _is_complete(
    output: Output, manifest: dict, predictor: Predictor, options: PredictionOptions, *, in_mm: bool
) -> bool:
    maps = output.probabilities(predictor.settings.labels.names) if options.probabilities else []
    pictures = [output.preview] * options.preview + [output.side_by_side] * options.side_by_side
    pictures += [output.uncertainty] * options.uncertainty + [output.report] * options.report
    captured = not options.captures or output.captures.is_dir()
    judged = isinstance(options.calibration, str) or ((manifest.get("trust") or {}).get("verdict") is not None)
    measured = not (options.statistics and in_mm) or manifest.get("statistics") is not None
    encoded = not is_dicom_segmentation(output.mask) or manifest.get("dicom_encoding") == options.dicom_encoding
    return judged and measured and encoded and all(path.is_file() for path in (*maps, *pictures)) and captured


def _predict(
    todo: Sequence[tuple[Path, Output]],
    predictor: Predictor,
    options: PredictionOptions,
    open_scan: Callable[[Path], Scan],
    executor: Executor,
) -> Iterator[Result]:
    read = functools.partial(_read, predictor=predictor, options=options, open_scan=open_scan)
    pending: Future[Result] | None = None
    with closing(results_ahead(executor, read, todo)) as reading:
        try:
            for (source, output), opened in track(zip(todo, reading, strict=True), "Volumes", len(todo)):
                output.clear(predictor.settings.labels.names)
                made = opened if isinstance(opened, Exception) else _segment(opened, output, predictor, options)
                if pending:
                    yield pending.result()
                    pending = None
                if isinstance(made, Exception):
                    yield _failed(source, output, made, options)
                else:
                    pending = executor.submit(_write, source, output, made, predictor=predictor, options=options)
                del opened, made  # while the next CT is computed, this one belongs to the writer
            if pending:
                yield pending.result()
        finally:
            if pending:
                wait([pending])


def _read(
    one: tuple[Path, Output],
    *,
    predictor: Predictor,
    options: PredictionOptions,
    open_scan: Callable[[Path], Scan],
) -> _Read | Exception:
    source, output = one
    with warnings_of_this_thread() as warnings:
        try:
            require_same_kind(source, predictor.settings)
            scan = open_scan(source)
            series = _series(scan, output, options)
            prepared, prepare_s = timed(predictor.prepare, scan)
            fingerprint = input_sha256(source, predictor)
        except FAILURES as error:
            return error
        first = prepared.volumes[0]
        for warning in warnings_of_unusual_ct(
            first.windowed, first.extremes, slices=scan.grid.shape[2], settings=predictor.settings
        ):
            log.warning("%s: %s", source.name, warning)
    return _Case(prepared.scan, series, first.in_hu, fingerprint, prepare_s, warnings), prepared


def _series(scan: Scan, output: Output, options: PredictionOptions) -> "Source | None":
    """The DICOM series that results are to refer to; None where all are of other formats."""
    if not (is_dicom_segmentation(output.mask) or options.report or options.captures):
        return None
    from pneumoseg.data_io.formats.dicom.results.source import source_of

    return source_of(scan.stored_grid, assign_uids=options.assign_uids)


def _segment(read: _Read, output: Output, predictor: Predictor, options: PredictionOptions) -> _Segmented | Exception:
    case, prepared = read
    maps = probability_maps(output.probabilities(predictor.settings.labels.names), case.scan)
    uncertainty = probability_maps([output.uncertainty], case.scan)
    try:
        with (
            maps if options.probabilities else nullcontext() as to_maps,
            uncertainty if options.uncertainty else nullcontext() as to_uncertainty,
        ):

            def sink(start: int, planes: np.ndarray) -> None:
                if to_maps is not None:
                    to_maps(start, planes)
                if to_uncertainty is not None:
                    to_uncertainty(start, entropy(planes)[None])

            wanted = options.probabilities or options.uncertainty
            return _Segmented(case, *timed(predictor.segment, prepared, sink=sink if wanted else None))
    except FAILURES as error:
        return error


def _write(
    source: Path, output: Output, segmented: _Segmented, *, predictor: Predictor, options: PredictionOptions
) -> Result:
    try:
        manifest = _write_files(source, output, segmented, predictor=predictor, options=options)
    except FAILURES as error:
        return _failed(source, output, error, options)
    log.info("%s -> %s", source, output.mask)
    return Result(source, output, manifest)


def reason_of(source: Path, error: Exception) -> str:
    """Why a CT failed, in one line that names it."""
    reason = visible(" ".join(str(error).split())) or type(error).__name__
    return reason if str(source) in reason else f"{source}: {reason}"


def _failed(source: Path, output: Output, error: Exception, options: PredictionOptions) -> Result:
    reason = reason_of(source, error)
    if not options.keep_going:
        raise InputError(reason, options=options_of(error)) from error
    log.error("%s", AboutFiles(reason, (source, output.mask)))
    return Result(source, output, error=reason)


def _write_files(
    source: Path, output: Output, segmented: _Segmented, *, predictor: Predictor, options: PredictionOptions
) -> dict:
    case, mask = segmented.case, segmented.segmentation.mask
    table = predictor.settings.labels.table
    lungs, infection = predictor.settings.lung_labels, predictor.settings.postprocessing.infection
    seconds = {
        "prepare": case.prepare_s,
        "network": segmented.segmentation.network_s,
        "postprocess": segmented.segmentation.postprocess_s,
        "segment": segmented.segment_s,
    }
    statistics, in_mm, how = None, not is_picture(source), recipe(predictor, options)
    if in_mm and (options.statistics or lungs or case.source is not None):
        statistics, seconds["statistics"] = timed(
            volumetry, case.scan, mask, table, lungs=lungs, infection=infection, in_hu=case.in_hu
        )
    findings = list(implausible(statistics or {}, table, lungs, infection=infection))
    trust = verdict_of(options.calibration, segmented.segmentation.signals, findings)
    if options.preview:
        title = output.name if trust["verdict"] is None else f"{output.name}: {trust['verdict']}"
        _, seconds["preview"] = timed(_draw, case.scan, mask, predictor, output, title=title)
    if options.side_by_side:
        _, seconds["side_by_side"] = timed(_draw_side_by_side, source, case.scan, mask, predictor, output=output)
    with write_aside(output.mask) as aside:  # takes its name last, as that says that all is there
        with warnings_of_this_thread() as warnings:
            if not is_dicom_segmentation(aside):
                _, seconds["write"] = timed(write_labels, aside, mask, table)
            if _is_watched(source, output, case) and input_sha256(source, predictor) != case.sha256:
                raise InputError(f"{source}: the series changed while it was segmented; segment it again")
            if case.source is not None:
                from pneumoseg.evaluation.inference.dicom_results import measured, write_dicom

                series = measured(case.scan, mask, predictor.settings, statistics or {}, trust)
                _, seconds["dicom"] = timed(
                    write_dicom, aside, output, series, case.source, recipe=how, options=options
                )
            for finding in findings:
                log.warning("%s: %s", source.name, finding.sentence)
        manifest = {
            "pneumoseg": importlib.metadata.version("pneumoseg"),
            "source": name_as_text(source.name),
            "source_sha256": case.sha256,
            "mask": name_as_text(output.mask.name),
            "mask_sha256": sha256_of(aside),
            **how,
            "engine": _all_or_one([member.engine.name for member in predictor.members]),
            "precision": _all_or_one([member.engine.precision for member in predictor.members]),
            "tile_seconds": [dict(member.engine.seconds) for member in predictor.members],
            "dicom_encoding": options.dicom_encoding if is_dicom_segmentation(output.mask) else None,
            "labels": list(table.names),
            "geometry": {
                "shape": list(case.scan.stored_grid.shape),
                "spacing_mm": [round(value, 6) for value in case.scan.stored_grid.spacing_mm] if in_mm else None,
                "axes": case.scan.stored_grid.axis_codes,
                "affine": case.scan.stored_grid.affine.tolist(),
            },
            "in_hu": case.in_hu,
            "statistics": statistics,
            "trust": trust,
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
            "warnings": [*case.warnings, *warnings],
        }
        write_json(output.manifest, manifest)
    warn_of_verdict(source, trust)
    return manifest


def warn_of_verdict(source: Path, trust: Mapping) -> None:
    """Says in the log where a mask should not be used as it is. `trust`: as in its manifest."""
    if trust["verdict"] not in (None, "use"):
        log.warning("%s: %s: %s", source.name, trust["verdict"], "; ".join(trust["reasons"]))


def _is_watched(source: Path, output: Output, case: _Case) -> bool:
    """Whether the CT must not change while it is segmented: folders may still be growing, but for those that the
    results themselves go to."""
    return case.source is not None or (source.is_dir() and source.resolve() not in output.mask.resolve().parents)


def _all_or_one(facts: list[str]) -> list[str] | str:
    """One fact for each member of the predictor, or the one that holds for all."""
    return facts if len(set(facts)) > 1 else facts[0]


def _draw(scan: Scan, labels: Volume, predictor: Predictor, output: Output, *, title: str) -> None:
    from pneumoseg.evaluation.figures.overlays import overlay_sheet
    from pneumoseg.evaluation.figures.saving import save_figure

    table = predictor.settings.labels.table
    save_figure(overlay_sheet(scan.read(), labels, table, title=title), output.preview)


def _draw_side_by_side(source: Path, scan: Scan, mask: Volume, predictor: Predictor, *, output: Output) -> None:
    from pneumoseg.evaluation.figures.side_by_side import write_side_by_side

    labels = predictor.settings.labels
    truth = mask_beside(source, predictor.settings.data.masks)
    masks = [mask] if truth is None else [read_labels(truth, labels.table, merge=labels.merge), mask]
    image, *rows = (np.swapaxes(volume.restore()[:, :, 0], 0, 1) for volume in (scan.read(), *masks))
    write_side_by_side(output.side_by_side, image, rows, labels.table)
