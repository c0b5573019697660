"""Segmenting many CTs: while one is computed, the next is read and the last is written."""

import csv
import importlib.metadata
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from data_io.atomic import write_json, write_text
from data_io.errors import InputError
from data_io.inputs import open_input
from data_io.label_files import is_label_file, label_name, write_labels
from data_io.probability_maps import probability_maps
from data_io.reporting import log, track, warnings_of_this_thread
from data_io.scan import Scan
from data_io.volume import Volume
from evaluation.figures.overlays import overlay_sheet
from evaluation.figures.saving import save_figure
from evaluation.run_folder import check_flags
from evaluation.volumetry import volumetry
from pipeline.ahead import ahead
from pipeline.predictor import Predictor
from pipeline.preprocessing import PreparedVolume, warn_if_odd
from pipeline.stopwatch import timed


@dataclass(frozen=True)
class Wanted:
    """What is written for each CT besides its mask and manifest, and how DICOM folders are read.

    `probabilities`: a map per class; `statistics`: volumes and mean HU in the manifest; `preview`: a picture.
    `series`, `allow_gaps`: see `dicom.open_dicom`. `keep_going`: a bad CT does not end the batch.
    """

    probabilities: bool = False
    statistics: bool = False
    preview: bool = False
    series: str | None = None
    allow_gaps: bool = False
    keep_going: bool = False


@dataclass(frozen=True)
class Result:
    """What came of one CT: its mask's path, its manifest, and the error where it failed."""

    source: Path
    mask: Path
    manifest: dict | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Case:
    """A CT that was read and prepared; what took how long and what was warned of, so far."""

    scan: Scan
    prepared: PreparedVolume
    seconds: dict[str, float]
    warnings: list[str]


FAILURES = (InputError, OSError, MemoryError)


def manifest_path(mask: Path) -> Path:
    """Where the manifest of a mask lies: beside it, NAME.json."""
    return mask.with_name(f"{label_name(mask)}.json")


def predict_files(
    files: Mapping[str, Path],
    output: str | Path,
    predictor: Predictor,
    wanted: Wanted | None = None,
    resume: bool = False,
    overwrite: bool = False,
    suffix: str = ".nii.gz",
) -> list[Result]:
    """Writes a mask for each of `files` (as of `find_inputs`) to `output`/NAME + `suffix`, or for a single one to
    `output` itself where that is the name of a mask; beside it NAME.json, the manifest, which is written last.

    Existing masks are refused, replaced with `overwrite`, or with `resume` kept where their manifest says that the same
    models and settings made them. Raises InputError for the first bad CT unless `wanted.keep_going`.
    """
    wanted = wanted or Wanted()
    check_flags(resume, overwrite)
    targets = _targets(files, Path(output), suffix)
    kept: dict[Path, Result] = {}
    for source, mask in targets:
        if mask.exists() and not overwrite:
            if not resume:
                raise InputError(f"{mask}: exists already; use --resume to keep it or --overwrite to replace it")
            finished = _finished(source, mask, predictor)
            if finished is not None:
                kept[mask] = finished
    todo = [(source, mask) for source, mask in targets if mask not in kept]
    made = {result.mask: result for result in _predict(todo, predictor, wanted)}
    return [(made | kept)[mask] for _, mask in targets]


def write_statistics(path: str | Path, results: Sequence[Result]) -> None:
    """Writes one row of statistics per segmented CT as CSV."""
    rows = [
        {"case": label_name(result.mask), **result.manifest["statistics"]}
        for result in results
        if result.manifest and result.manifest.get("statistics")
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else ["case"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def _targets(files: Mapping[str, Path], output: Path, suffix: str) -> list[tuple[Path, Path]]:
    if not is_label_file(f"mask{suffix}"):
        raise InputError(f"--format {suffix}: a mask is written as .nii.gz, .nii or .seg.nrrd")
    if is_label_file(output):
        if len(files) != 1:
            raise InputError(f"{output}: one mask for {len(files)} volumes; give a folder as output")
        masks = [output]
    else:
        masks = [output / f"{name}{suffix}" for name in files]
    for source, mask in zip(files.values(), masks, strict=True):
        if mask.exists() and mask.samefile(source):
            raise InputError(f"{mask}: the mask would replace the CT itself; give another output")
    return list(zip(files.values(), masks, strict=True))


def _finished(source: Path, mask: Path, predictor: Predictor) -> Result | None:
    """What is on record of a mask; None where its manifest, the last file written, is missing. Raises InputError where
    another model or other settings made it."""
    path = manifest_path(mask)
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        same = manifest["models"] == list(predictor.models) and manifest["settings"] == _settings(predictor)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the manifest of a mask; use --overwrite or another output") from error
    if not same:
        raise InputError(f"{mask}: made with another model or other settings; use --overwrite or another output")
    return Result(source, mask, manifest)


def _predict(todo: Sequence[tuple[Path, Path]], predictor: Predictor, wanted: Wanted) -> Iterator[Result]:
    reading = ahead(_read(source, predictor, wanted) for source, _ in todo)
    with ThreadPoolExecutor(max_workers=1) as writer:
        pending: Future[Result] | None = None
        for (source, mask), case in track(zip(todo, reading, strict=True), "Volumes", len(todo)):
            labels = case if isinstance(case, Exception) else _segment(case, mask, predictor, wanted)
            if pending:
                yield pending.result()
            pending = writer.submit(_finish, source, mask, case, labels, predictor, wanted)
        if pending:
            yield pending.result()


def _read(source: Path, predictor: Predictor, wanted: Wanted) -> _Case | Exception:
    seconds: dict[str, float] = {}
    with warnings_of_this_thread() as warnings:
        try:
            scan = open_input(source, wanted.series, wanted.allow_gaps)
            prepared = predictor.prepare(scan, seconds)
        except FAILURES as error:
            return error
        warn_if_odd(source.name, prepared.windowed, scan.grid.shape[2], predictor.settings.preprocessing)
    return _Case(scan, prepared, seconds, warnings)


def _segment(case: _Case, mask: Path, predictor: Predictor, wanted: Wanted) -> Volume | Exception:
    names = predictor.settings.labels.names
    paths = [mask.with_name(f"{label_name(mask)}.{name}.nii.gz") for name in names]
    maps = probability_maps(paths, case.scan) if wanted.probabilities else nullcontext()
    try:
        with maps as sink:
            return predictor.segment(case.scan, case.prepared, sink, case.seconds)
    except FAILURES as error:
        return error


def _finish(
    source: Path, mask: Path, case: _Case | Exception, labels: Volume | Exception, predictor: Predictor, wanted: Wanted
) -> Result:
    """Writes what was segmented, or says what failed; raises it unless the batch is to go on."""
    try:
        if isinstance(case, Exception):
            raise case
        if isinstance(labels, Exception):
            raise labels
        manifest = _write_files(source, mask, case, labels, predictor, wanted)
    except FAILURES as error:
        if not wanted.keep_going:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        log.error("%s: %s", source, reason.removeprefix(f"{source}: "))
        return Result(source, mask, error=reason)
    log.info("%s -> %s", source, mask)
    return Result(source, mask, manifest)


def _write_files(source: Path, mask: Path, case: _Case, labels: Volume, predictor: Predictor, wanted: Wanted) -> dict:
    settings, table = predictor.settings, predictor.settings.labels.table
    manifest_path(mask).unlink(missing_ok=True)
    with timed(case.seconds, "writing"), warnings_of_this_thread() as warnings:
        write_labels(mask, labels, table)
    statistics = None
    if wanted.statistics:
        parts = settings.postprocessing
        with timed(case.seconds, "statistics"):
            statistics = volumetry(
                case.scan, labels, table, parts.lungs, parts.infection, in_hu=not case.prepared.windowed
            )
    if wanted.preview:
        with timed(case.seconds, "preview"):
            figure = overlay_sheet(case.scan.read(), None, labels, table, title=label_name(mask))
            save_figure(figure, mask.with_name(f"{label_name(mask)}.png"))
    grid = case.scan.source
    manifest = {
        "pneumoseg": importlib.metadata.version("pneumoseg"),
        "source": source.name,
        "mask": mask.name,
        "models": list(predictor.models),
        "engine": predictor.engine.name,
        "precision": predictor.engine.precision,
        "settings": _settings(predictor),
        "labels": list(table.names),
        "geometry": {
            "shape": list(grid.shape),
            "spacing_mm": [round(value, 6) for value in grid.spacing_mm],
            "axes": grid.axis_codes,
            "affine": grid.affine.tolist(),
        },
        "in_hu": not case.prepared.windowed,
        "statistics": statistics,
        "seconds": {stage: round(value, 3) for stage, value in case.seconds.items()},
        "warnings": [*case.warnings, *warnings],
    }
    write_json(manifest_path(mask), manifest)
    return manifest


def _settings(predictor: Predictor) -> dict:
    return {
        "prediction": predictor.settings.prediction.model_dump(mode="json"),
        "postprocessing": predictor.settings.postprocessing.model_dump(mode="json"),
    }
