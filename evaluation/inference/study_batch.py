"""What networks for whole studies say of CTs: a JSON file each, and predictions.csv of all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from pneumoseg.data_io.console import listed, log, track, warnings_of_this_thread
from pneumoseg.data_io.datasets.inputs import open_input
from pneumoseg.data_io.datasets.studies import Study, resized_volume
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.probability_maps import probability_maps
from pneumoseg.data_io.formats.writing import is_label_file
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.file_names import name_as_text
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.evaluation.figures.heat_sheet import heat_sheet
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.inference.batch import FAILURES, reason_of
from pneumoseg.evaluation.inference.outputs import IMAGE_SUFFIXES
from pneumoseg.evaluation.inference.study_record import checked_record, study_record
from pneumoseg.evaluation.runs.run_folder import check_flags
from pneumoseg.evaluation.scoring.study_prediction_files import FIELDS
from pneumoseg.evaluation.scoring.study_predictions import (
    PREDICTIONS,
    prediction_row,
    read_predictions,
    write_predictions,
)
from pneumoseg.pipeline.methods.study_of_ct import (
    PredictedCt,
    explain_ct,
    on_ct_grid,
    predict_ct,
    preparation_of,
)
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.prediction.lung_masks import lung_mask_of

FILE_SUFFIXES = (*IMAGE_SUFFIXES, ".json", ".csv")
"""No folder of results ends in these."""


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How CTs are read, and what is written of each besides its JSON file. `grad_cam`: a map per output as NIfTI, 0 to
    1, and a sheet of slices. `keep_going`: a bad CT does not end the batch. `series`, `allow_gaps`: see
    `dicom.ct.open_dicom`; `grid`: which form of NIfTI headers counts."""

    grad_cam: bool = False
    keep_going: bool = False
    series: str | None = None
    allow_gaps: bool = False
    grid: GridForm = "sform"


@dataclass(frozen=True)
class StudyResult:
    """What came of one CT: where its JSON file lies and what it holds, or the error where it failed."""

    source: Path
    file: Path
    content: dict | None = None
    error: str | None = None


def place_predictions(
    files: Mapping[str, Path], output: Path, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Path]:
    """For each CT (as of `find_inputs`) the JSON file that its prediction goes to, `output`/NAME.json. Raises
    InputError where one exists without `resume` or `overwrite`, where `output` is a file, and where the predictions.csv
    in it is of something else, such as a run."""
    check_flags(resume, overwrite)
    if output.is_file() or is_label_file(output) or output.suffix.lower() in FILE_SUFFIXES:
        raise InputError(f"{output}: networks for whole studies write a folder of results; name a folder")
    _rows_of_before(output)
    placed = {name: output / f"{name}.json" for name in files}
    existing = [path for path in placed.values() if path.exists()]
    if existing and not (resume or overwrite):
        message = f"{existing[0]}: exists already; resume to keep it, or overwrite it"
        raise InputError(message, options=("resume", "overwrite"))
    return placed


def predict_studies(
    files: Mapping[str, Path],
    placed: Mapping[str, Path],
    models: Mapping[str, StudyModel],
    *,
    options: StudyOptions | None = None,
    resume: bool = False,
) -> list[StudyResult]:
    """Predicts each CT by the mean of the models, by name, and writes its JSON file, and predictions.csv in the folder.

    With `resume`, what the same CT and models made is kept, unless the file is damaged or was changed since. Raises
    InputError for a file that was made otherwise, and for the first CT that fails unless `options.keep_going`.
    """
    options = options or StudyOptions()
    hashes = {name: model.sha256 for name, model in models.items()}
    results = []
    for name, source in track(list(files.items()), "Studies", len(files)):
        file = placed[name]
        try:
            sha256 = sha256_of(source)
            kept = _kept(file, sha256, hashes, models, options) if resume and file.exists() else None
            content = kept or _predict(name, source, file, list(models.values()), sha256, hashes, options=options)
            results.append(StudyResult(source, file, content))
        except FAILURES as error:
            reason = reason_of(source, error)
            if not options.keep_going:
                raise InputError(reason, options=options_of(error)) from error
            log.error("%s", reason)
            results.append(StudyResult(source, file, error=reason))
    _write_table(files, results)
    return results


def _predict(
    name: str,
    source: Path,
    file: Path,
    models: Sequence[StudyModel],
    sha256: str,
    hashes: Mapping[str, str | None],
    *,
    options: StudyOptions,
) -> dict:
    with warnings_of_this_thread() as warnings:
        scan = open_input(source, options.series, options.allow_gaps, grid=options.grid)
        found = predict_ct(models, scan, lungs_of=lung_mask_of(preparation_of(models[0])), name=name)
        if options.grad_cam:
            _explain(name, file, models, found, scan)
    content = study_record(source, found, sha256=sha256, models=hashes, warnings=warnings)
    write_json(file, content)
    return content


def _explain(name: str, file: Path, models: Sequence[StudyModel], found: PredictedCt, scan: Scan) -> None:
    """Grad-CAM of each output, as a map on the grid of the CT and as a sheet of slices of what the network saw."""
    image = resized_volume(found.prepared.image, found.prepared.spacing_mm)
    for head in models[0].settings.network.heads:
        heat = explain_ct(models, found.prepared, head=head)
        with probability_maps([_map_of(file, head)], scan) as sink:
            sink(0, on_ct_grid(heat, scan.grid, scan.stored_grid).array.transpose(2, 1, 0)[None])
        sheet = heat_sheet(image, heat.transpose(2, 1, 0), title=f"{name}: Grad-CAM, {head}")
        save_figure(sheet, _sheet_of(file, head))


def _map_of(file: Path, head: str) -> Path:
    return file.parent / "grad_cam" / f"{file.stem}.{head}.nii.gz"


def _sheet_of(file: Path, head: str) -> Path:
    return file.parent / "grad_cam" / f"{file.stem}.{head}.png"


def _kept(
    file: Path, sha256: str, hashes: Mapping[str, str | None], models: Mapping[str, StudyModel], options: StudyOptions
) -> dict | None:
    """The content of a file that the same CT and models made; None, with a warning, where it is damaged or was changed,
    and where a map or a sheet is missing that `options` ask for. Raises InputError where it was made otherwise."""
    try:
        content = read_json(file, "the prediction of a study", dict)
        prediction = checked_record(content, f"{file}")
    except InputError as error:
        log.warning("%s; the CT is predicted again", error)
        return None
    if content["source_sha256"] != sha256 or content["models"] != dict(hashes):
        message = f"{file}: made of another CT or by other models; overwrite it or choose another output"
        raise InputError(message, options=("overwrite",))
    if not _is_of(models, prediction):
        log.warning("%s: outputs or threshold are not those of the models; the CT is predicted again", file)
        return None
    heads = _heads(models) if options.grad_cam else ()
    wanted = [place(file, head) for head in heads for place in (_map_of, _sheet_of)]
    return content if all(path.is_file() for path in wanted) else None


def _is_of(models: Mapping[str, StudyModel], prediction: StudyPrediction) -> bool:
    """Whether the prediction has the outputs and the threshold of the models."""
    outputs = {"label": prediction.probability, "score": prediction.score}
    given = {head for head, value in outputs.items() if value is not None}
    threshold = float(np.mean([model.threshold for model in models.values()]))
    return given == set(_heads(models)) and math.isclose(prediction.threshold, threshold)


def _heads(models: Mapping[str, StudyModel]) -> tuple[str, ...]:
    return next(iter(models.values())).settings.network.heads


def _write_table(files: Mapping[str, Path], results: Sequence[StudyResult]) -> None:
    """predictions.csv of all CTs in the folder, as runs have it; nothing is known of the truth.

    Rows of other CTs, of earlier calls or of another part that runs beside this one, stay.
    """
    rows = {
        name_as_text(name): prediction_row(0, _as_study(name, result.source), _prediction_of(result.content))
        for name, result in zip(files, results, strict=True)
        if result.content is not None
    }
    if not rows:
        return
    folder = results[0].file.parent
    with FileLock(folder / f".{PREDICTIONS}.lock"):
        before = {row["case"]: row for row in _rows_of_before(folder)}
        write_predictions(folder / PREDICTIONS, list((before | rows).values()))


def _rows_of_before(folder: Path) -> list[dict]:
    """The rows of predictions.csv of earlier calls. Raises InputError where some are of no CT that was predicted to
    this folder."""
    path = folder / PREDICTIONS
    if not path.exists():
        return []
    rows = read_predictions(path).to_dict("records")
    known = {name_as_text(file.stem) for file in folder.glob("*.json")}
    if others := sorted({row["case"] for row in rows} - known):
        raise InputError(f"{path}: has predictions of other studies, {listed(others)}; choose another output")
    return rows


def _prediction_of(content: Mapping) -> StudyPrediction:
    return StudyPrediction(**{field: content[field] for field in FIELDS})


def _as_study(name: str, source: Path) -> Study:
    """The CT as a study of which nothing is known, each of a patient of its own."""
    return Study(name_as_text(name), source, mask=None, patient=name_as_text(name))
