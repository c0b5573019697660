"""Segmenting many CTs: while one is computed, the next is read and the last is written."""

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import log, track, warnings_of_this_thread
from pneumoseg.data_io.datasets.inputs import open_input
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.probability_maps import probability_maps
from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.public_text import AboutFiles, visible
from pneumoseg.data_io.storage.atomic import write_aside, write_json
from pneumoseg.data_io.storage.file_names import name_as_text
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.measures.plausibility import implausible
from pneumoseg.evaluation.measures.volumetry import volumetry
from pneumoseg.pipeline.prediction.predictor import Predictor
from pneumoseg.pipeline.preprocessing.preprocessor import PreparedVolume, warn_if_odd
from pneumoseg.pipeline.runtime.prefetch import ahead
from pneumoseg.pipeline.runtime.timing import timed
from pneumoseg.pipeline.settings import plugins

# What a bad CT, a full disk or a failing network may raise; InputError is a ValueError.
FAILURES = (ValueError, OSError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Wanted:
    """What is written for each CT besides its mask and manifest, and how CTs are read.

    `probabilities`: a map per class, before postprocessing; `statistics`: volumes and mean HU in the manifest, where
    those of lungs are in any case; `preview`: a picture. `series`, `allow_gaps`: see `dicom.open_dicom`. `keep_going`:
    a bad CT does not end the batch. `grid`: which form of NIfTI headers counts, see `formats.nifti_placement`.
    """

    probabilities: bool = False
    statistics: bool = False
    preview: bool = False
    series: str | None = None
    allow_gaps: bool = False
    keep_going: bool = False
    grid: GridForm = "sform"


@dataclass(frozen=True)
class Result:
    """What came of one CT: where its results lie, its manifest, or the error where it failed."""

    source: Path
    output: Output
    manifest: dict | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Case:
    """A CT that was opened; what took how long and what was warned of, so far."""

    scan: Scan
    in_hu: bool
    sha256: str
    seconds: dict[str, float]
    warnings: list[str]


_Read = tuple[_Case, tuple[PreparedVolume, ...]]


def predict_files(
    outputs: Mapping[Path, Output], predictor: Predictor, *, wanted: Wanted | None = None, resume: bool = False
) -> list[Result]:
    """Segments CTs; `outputs` (as of `place_outputs`) says which, and where their results go.

    With `resume`, a mask that the same CT, models and settings made is kept, unless something else that is wanted is
    missing; all others are made anew. Raises InputError for a mask that was made otherwise, and for the first CT that
    fails unless `wanted.keep_going`.
    """
    wanted = wanted or Wanted()
    kept: dict[Path, Result] = {}
    if resume:
        for source, output in outputs.items():
            if output.mask.exists():
                manifest = output.made_with(source, _recipe(predictor, wanted))
                if _is_complete(output, manifest, predictor, wanted):
                    kept[source] = Result(source, output, manifest)
    todo = [(source, output) for source, output in outputs.items() if source not in kept]
    made = {result.source: result for result in _predict(todo, predictor, wanted)}
    return [(made | kept)[source] for source in outputs]


def _recipe(predictor: Predictor, wanted: Wanted) -> dict:
    """What decides how a mask looks, beside the CT (engines differ by rounding)."""
    preprocessing = [member.settings.preprocessing.model_dump(mode="json") for member in predictor.members]
    steps = sorted({name for member in predictor.members for name in member.settings.preprocessing.steps})
    sources = {"sources": {name: plugins.source_hash(name) for name in steps}} if steps else {}
    return sources | {
        "models": dict(predictor.models),
        "settings": {
            "preprocessing": preprocessing[0] if len(preprocessing) == 1 else preprocessing,
            "prediction": predictor.settings.prediction.model_dump(mode="json"),
            "postprocessing": predictor.settings.postprocessing.model_dump(mode="json"),
        },
        "nifti": {"grid": wanted.grid},
        "dicom": {"series": _hashed(wanted.series), "allow_gaps": wanted.allow_gaps},
    }


def _hashed(series: str | None) -> str | None:
    """SHA-256 of what chooses a DICOM series: its description or UID may say who the patient is."""
    return None if series is None else hashlib.sha256(series.encode("utf-8", "surrogatepass")).hexdigest()


def _is_complete(output: Output, manifest: dict, predictor: Predictor, wanted: Wanted) -> bool:
    maps = output.probabilities(predictor.settings.labels.names) if wanted.probabilities else []
    pictures = [output.preview] if wanted.preview else []
    return all(path.is_file() for path in (*maps, *pictures)) and not (
        wanted.statistics and manifest.get("statistics") is None
    )


def _predict(todo: Sequence[tuple[Path, Output]], predictor: Predictor, wanted: Wanted) -> Iterator[Result]:
    cases = (_read(source, predictor, wanted) for source, _ in todo)
    with ahead(cases) as reading, ThreadPoolExecutor(max_workers=1) as writer:
        pending: Future[Result] | None = None
        for (source, output), read in track(zip(todo, reading, strict=True), "Volumes", len(todo)):
            output.clear(predictor.settings.labels.names)
            made = read if isinstance(read, Exception) else _segment(read, output, predictor, wanted)
            if pending:
                yield pending.result()
                pending = None
            if isinstance(made, Exception):
                yield _failed(source, output, made, wanted)
            else:
                case, labels = made
                pending = writer.submit(_write, source, output, case, labels=labels, predictor=predictor, wanted=wanted)
                del case, labels
            del read, made  # while the next CT is computed, this one belongs to the writer
        if pending:
            yield pending.result()


def _read(source: Path, predictor: Predictor, wanted: Wanted) -> _Read | Exception:
    seconds: dict[str, float] = {}
    with warnings_of_this_thread() as warnings:
        try:
            scan = open_input(source, wanted.series, wanted.allow_gaps, grid=wanted.grid)
            prepared = predictor.prepare(scan, seconds)
            fingerprint = sha256_of(source)
        except FAILURES as error:
            return error
        settings = predictor.settings.preprocessing
        warn_if_odd(
            source.name, prepared[0].windowed, prepared[0].extremes, slices=scan.grid.shape[2], settings=settings
        )
    return _Case(scan, prepared[0].in_hu, fingerprint, seconds, warnings), prepared


def _segment(read: _Read, output: Output, predictor: Predictor, wanted: Wanted) -> tuple[_Case, Volume] | Exception:
    case, prepared = read
    maps = probability_maps(output.probabilities(predictor.settings.labels.names), case.scan)
    try:
        with maps if wanted.probabilities else nullcontext() as sink:
            return case, predictor.segment(case.scan, prepared, sink=sink, seconds=case.seconds)
    except FAILURES as error:
        return error


def _write(
    source: Path, output: Output, case: _Case, *, labels: Volume, predictor: Predictor, wanted: Wanted
) -> Result:
    try:
        manifest = _write_files(source, output, case, labels=labels, predictor=predictor, wanted=wanted)
    except FAILURES as error:
        return _failed(source, output, error, wanted)
    log.info("%s -> %s", source, output.mask)
    return Result(source, output, manifest)


def _failed(source: Path, output: Output, error: Exception, wanted: Wanted) -> Result:
    reason = visible(" ".join(str(error).split())) or type(error).__name__
    reason = reason if str(source) in reason else f"{source}: {reason}"
    if not wanted.keep_going:
        raise InputError(reason, options=options_of(error)) from error
    log.error("%s", AboutFiles(reason, (source, output.mask)))
    return Result(source, output, error=reason)


def _write_files(
    source: Path, output: Output, case: _Case, *, labels: Volume, predictor: Predictor, wanted: Wanted
) -> dict:
    table = predictor.settings.labels.table
    lungs, infection = predictor.settings.lung_labels, predictor.settings.postprocessing.infection
    statistics = None
    if wanted.statistics or lungs:
        with timed(case.seconds, "statistics"):
            statistics = volumetry(case.scan, labels, table, lungs=lungs, infection=infection, in_hu=case.in_hu)
    if wanted.preview:
        with timed(case.seconds, "preview"):
            _draw(case.scan, labels, predictor, output)
    with write_aside(output.mask) as aside:  # takes its name last, as that says that all is there
        with timed(case.seconds, "write"), warnings_of_this_thread() as warnings:
            write_labels(aside, labels, table)
            for sentence in implausible(statistics or {}, table, lungs, infection=infection):
                log.warning("%s: %s", source.name, sentence)
        manifest = {
            "pneumoseg": importlib.metadata.version("pneumoseg"),
            "source": name_as_text(source.name),
            "source_sha256": case.sha256,
            "mask": name_as_text(output.mask.name),
            "mask_sha256": sha256_of(aside),
            **_recipe(predictor, wanted),
            "engine": _all_or_one([member.engine.name for member in predictor.members]),
            "precision": _all_or_one([member.engine.precision for member in predictor.members]),
            "labels": list(table.names),
            "geometry": {
                "shape": list(case.scan.source.shape),
                "spacing_mm": [round(value, 6) for value in case.scan.source.spacing_mm],
                "axes": case.scan.source.axis_codes,
                "affine": case.scan.source.affine.tolist(),
            },
            "in_hu": case.in_hu,
            "statistics": statistics,
            "seconds": {stage: round(value, 3) for stage, value in case.seconds.items()},
            "warnings": [*case.warnings, *warnings],
        }
        write_json(output.manifest, manifest)
    return manifest


def _all_or_one(facts: list[str]) -> list[str] | str:
    """One fact for each member of the predictor, or the one that holds for all."""
    return facts if len(set(facts)) > 1 else facts[0]


def _draw(scan: Scan, labels: Volume, predictor: Predictor, output: Output) -> None:
    from pneumoseg.evaluation.figures.overlays import overlay_sheet
    from pneumoseg.evaluation.figures.saving import save_figure

    table = predictor.settings.labels.table
    save_figure(overlay_sheet(scan.read(), labels, table, title=output.name), output.preview)
