"""Segmenting many CTs on the workers of a cluster: one CT a piece of work, its results to the shared storage.

What travels is where a CT lies and, back, its manifest. A worker keeps the model open from one CT to the next.
"""

import functools
import os
from collections.abc import Hashable, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.public_text import AboutFiles
from pneumoseg.evaluation.inference.batch import FAILURES, Result, predict_files, reason_of, warn_of_verdict
from pneumoseg.evaluation.inference.calibration import calibration_of
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.runs.run_folder import logged_to
from pneumoseg.evaluation.runs.run_marks import LOGS
from pneumoseg.pipeline.models.bundled import bundled_models, model_path
from pneumoseg.pipeline.prediction.engines import EngineName, Precision
from pneumoseg.pipeline.prediction.predictor import Predictor, ensemble_files, open_predictor
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from pneumoseg.pipeline.runtime.spreading import finished
from pneumoseg.pipeline.runtime.worker_checks import ClusterError


class OpensPredictor(Hashable, Protocol):
    """What a worker opens its predictor by: picklable, and equal where the predictors are."""

    @property
    def models(self) -> Mapping[str, str]:
        """SHA-256 of the model files that the predictor must have, by the name of fold or file."""

    def open(self) -> Predictor:
        """The predictor."""

    def calibration(self) -> Any:
        """The calibration of its verdicts, or in words why there is none."""


@dataclass(frozen=True, kw_only=True)
class PredictorRequest:
    """The arguments of `open_predictor`, for a worker that sees the same files. `hashes`: as `models`, in pairs."""

    paths: tuple[str | Path, ...]
    folds: tuple[int, ...] | None
    changes: tuple[str, ...]
    trust_plugins: bool
    engine: EngineName
    precision: Precision
    threads: int | None
    hashes: tuple[tuple[str, str], ...] = ()

    @property
    def models(self) -> Mapping[str, str]:
        """SHA-256 of the model files by the name of fold or file."""
        return dict(self.hashes)

    def open(self) -> Predictor:
        """The predictor. Raises InputError as `open_predictor`."""
        return open_predictor(
            self.paths,
            self.folds,
            changes=self.changes,
            trust_plugins=self.trust_plugins,
            engine=self.engine,
            precision=self.precision,
            threads=self.threads,
        )

    def calibration(self) -> Any:
        """The calibration as it is now, or in words why there is none. Raises InputError as `calibration_of`."""
        return calibration_of(self.paths)

    def elsewhere(self) -> "PredictorRequest":
        """The same for other processes: absolute paths, bundled models by their names, and the hashes of the model
        files as they are now. Raises InputError where there is no model."""
        names = {folder: name for name, folder in bundled_models().items()}
        files = ensemble_files(self.paths, self.folds)
        paths = tuple(names.get(where) or os.path.abspath(where) for where in map(model_path, self.paths))
        return replace(self, paths=paths, hashes=tuple((name, sha256_of(file)) for name, file in files.items()))


@dataclass(frozen=True)
class _Order:
    """What is the same for all CTs. `keep`: a mask that is there and was made in the same way is kept."""

    request: OpensPredictor
    options: PredictionOptions
    keep: bool


def spread_predictions(
    outputs: Mapping[Path, Output],
    request: OpensPredictor,
    *,
    executor: Executor,
    options: PredictionOptions,
    overwrite: bool = False,
) -> list[Result]:
    """Segments CTs as `batch.predict_files`, each by a process of the executor, which opens its predictor once.

    A CT that comes to a second process, as the first one was lost, is made by one of them: a lock beside its log keeps
    the other waiting, and a mask that is whole is kept, as are all that an earlier call made, unless `overwrite`. Each
    CT's messages are added to logs/NAME.log beside its mask. Raises InputError for the first CT that fails unless
    `options.keep_going`, and ClusterError where a worker cannot open the model, has another one or sees other files, or
    the cluster is lost.
    """
    order = _Order(request, replace(options, keep_going=False, calibration=""), keep=not overwrite)
    made: dict[Path, Result] = {}
    pieces = ((source, output, order) for source, output in outputs.items())
    sources = {Path(os.path.abspath(source)): source for source in outputs}
    with closing(finished(executor, _predict_one, map(_elsewhere, pieces))) as ended:
        for (absolute, _, _), future in track(ended, "Volumes", len(outputs)):
            source = sources[absolute]
            made[source] = _result(source, outputs[source], future, options)
    return [made[source] for source in outputs]


_Piece = tuple[Path, Output, _Order]


def _elsewhere(piece: _Piece) -> _Piece:
    source, output, order = piece
    return Path(os.path.abspath(source)), Output(Path(os.path.abspath(output.mask))), order


def _result(source: Path, output: Output, future: Future[dict], options: PredictionOptions) -> Result:
    try:
        manifest = future.result()
    except ClusterError:
        raise
    except FAILURES as error:
        reason = reason_of(source, error)
        if not options.keep_going:
            raise InputError(reason, options=options_of(error)) from error
        log.error("%s", AboutFiles(reason, (source, output.mask)))
        return Result(source, output, error=reason)
    log.info("%s -> %s", source, output.mask)
    for warning in manifest["warnings"]:
        log.warning("%s", warning)
    warn_of_verdict(source, manifest["trust"])
    return Result(source, output, manifest)


def _predict_one(piece: _Piece) -> dict:
    """On a worker: the manifest of the mask, which lies in the shared storage."""
    source, output, order = piece
    logs = output.mask.parent / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    with FileLock(logs / f".{output.mask.name}.lock"), logged_to(logs / f"{output.name}.log"):
        predictor = _opened(order.request)
        (result,) = predict_files(
            {source: output},
            predictor,
            options=replace(order.options, calibration=order.request.calibration()),
            resume=order.keep and output.mask.exists(),
            executor=SerialExecutor(),
        )
    return result.manifest or {}


@functools.lru_cache(maxsize=1)
def _opened(request: OpensPredictor) -> Predictor:
    """The predictor. Raises ClusterError where it cannot be opened or is another one: no CT could
    be segmented with it."""
    try:
        predictor = request.open()
    except InputError as error:
        raise ClusterError(f"a worker cannot open the model: {error}", options=error.options) from error
    differing = sorted(name for name, sha256 in request.models.items() if predictor.models.get(name) != sha256)
    if differing:
        raise ClusterError(
            f"the model {', '.join(differing)} is another one on a worker than when the work began; leave it unchanged "
            "until all is done, or begin again"
        )
    return predictor
