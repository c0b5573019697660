"""`predict` with networks for whole studies: no mask, but a probability, a severity score, or both.

This file imports no heavy package, so that `--help` answers at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoseg.scripts.shared.printing import print_json

if TYPE_CHECKING:
    from pneumoseg.evaluation.inference.study_batch import StudyOptions, StudyResult


def is_study_model(models: Sequence[str], folds: Sequence[int] | None) -> bool:
    """Whether the first of the models is a network for whole studies. Raises InputError where there is no model."""
    from pneumoseg.pipeline.models.study_model import holds_study_model
    from pneumoseg.pipeline.prediction.predictor import ensemble_files

    return holds_study_model(next(iter(ensemble_files(models, folds).values())))


def predict_whole_studies(
    files: Mapping[str, Path],
    output: Path,
    models: Sequence[str],
    folds: Sequence[int] | None,
    *,
    options: "StudyOptions",
    resume: bool,
    overwrite: bool,
    quiet: bool,
    json: bool,
) -> "list[StudyResult]":
    """Predicts CTs and prints what was found."""
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.inference.study_batch import place_predictions, predict_studies
    from pneumoseg.pipeline.methods.study_of_ct import NOT_CALIBRATED
    from pneumoseg.pipeline.models.study_model import load_study_model
    from pneumoseg.pipeline.prediction.predictor import ensemble_files

    placed = place_predictions(files, output, resume=resume, overwrite=overwrite)
    loaded = {name: load_study_model(file) for name, file in ensemble_files(models, folds).items()}
    results = predict_studies(files, placed, loaded, options=options, resume=resume)
    failed = [result for result in results if result.error is not None]
    log.warning("%s", NOT_CALIBRATED)
    if json:
        print_json(
            {
                "predictions": {str(result.file): result.content for result in results if result.content is not None},
                "failed": {str(result.source): result.error for result in failed},
            }
        )
    elif not quiet:
        for result in results:
            if result.content is not None:
                print(f"{result.file}: {_in_words(result.content)}")
        if failed:
            print(f"{len(failed)} of {len(results)} failed: {', '.join(str(result.source) for result in failed)}")
    return results


def _in_words(content: Mapping) -> str:
    parts = []
    if content["probability"] is not None:
        label = "diseased" if content["diseased"] else "healthy"
        parts.append(f"{label}, probability {content['probability']:.3f} (threshold {content['threshold']:.3f})")
    if content["score"] is not None:
        parts.append(f"severity {content['score']:.1f} of 100, {content['category']}")
    return "; ".join(parts)
