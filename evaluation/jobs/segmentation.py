"""The results of a segmentation: the mask as `predict` writes it, and what a page shows beside it."""

import functools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoseg.data_io.datasets.inputs import open_input
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.storage.atomic import write_aside, write_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.batch import predict_files
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions, recipe
from pneumoseg.evaluation.jobs.intake import TakenIn
from pneumoseg.evaluation.jobs.open_models import OpenModel
from pneumoseg.evaluation.jobs.progress import Progress
from pneumoseg.evaluation.jobs.results import MASK, PICTURE_MASK, write_classes
from pneumoseg.evaluation.measures.severity import DEFINITIONS, RESEARCH_ONLY, severity
from pneumoseg.pipeline.prediction.predictor import Predictor
from pneumoseg.pipeline.runtime.executors import background_threads


def segment(source: Path, taken: TakenIn, made: Path, model: OpenModel, *, progress: Progress) -> list[str]:
    """Segments the CT or picture `source`, which was `taken` in, writes the results to the folder `made` and gives the
    warnings. Raises InputError as `predict_files`."""
    is_ct = taken.kind == "ct"
    output = Output(made / (MASK if is_ct else PICTURE_MASK))
    options = PredictionOptions(
        statistics=is_ct, preview=is_ct, side_by_side=not is_ct, calibration=model.calibration, assign_uids=True
    )
    opened = functools.lru_cache(maxsize=1)(_held)  # once for the mask, and again for what is made beside it
    (result,) = predict_files({source: output}, model.predictor, options=options, open_scan=opened)
    if result.manifest is None:
        raise InputError(result.error or "no mask was made")
    manifest = result.manifest
    progress.begin("measuring")
    write_classes(made / "labels.json", model.predictor.settings.labels.table)
    write_json(made / "trust.json", manifest["trust"])
    if is_ct:
        _write_of_ct(opened(source), taken, output, model.predictor, manifest, options=options, progress=progress)
        os.rename(output.preview, made / "preview.png")
    else:
        _write_picture(source, made / "image.png")
        os.rename(output.side_by_side, made / "side-by-side.png")
    os.rename(output.manifest, made / "manifest.json")
    return list(manifest["warnings"])


def _held(source: Path) -> Scan:
    return open_input(source).held()


def _write_of_ct(
    scan: Scan,
    taken: TakenIn,
    output: Output,
    predictor: Predictor,
    manifest: dict,
    *,
    options: PredictionOptions,
    progress: Progress,
) -> None:
    made, settings = output.mask.parent, predictor.settings
    image = scan.read()
    stored = read_labels(output.mask, settings.labels.table).restore()
    mask = Volume.from_source(stored, image.stored_grid.affine)
    mask = Volume(mask.array, image.grid, image.stored_grid)
    write_json(made / "statistics.json", manifest["statistics"])
    lungs, infection = settings.lung_labels, settings.postprocessing.infection
    with background_threads() as threads:
        image_written = threads.submit(write_ct_nifti, made / "image.nii.gz", image)  # compressed meanwhile
        if len({*lungs, infection}) == 3 and infection < len(settings.labels.table):
            row = severity(mask, image, settings.labels.table, lungs=lungs, infection=infection)
            write_json(made / "severity.json", {"use": RESEARCH_ONLY, "severity": row, "definitions": DEFINITIONS})
        progress.begin("writing")
        if taken.is_dicom:
            _write_dicom(scan, mask, made, predictor, manifest, options=options)
        image_written.result()


def _write_dicom(
    scan: Scan, mask: Volume, made: Path, predictor: Predictor, manifest: dict, *, options: PredictionOptions
) -> None:
    from pneumoseg.data_io.formats.dicom.results.source import source_of
    from pneumoseg.evaluation.inference.dicom_results import measured, write_dicom

    series = measured(scan, mask, predictor.settings, manifest["statistics"], manifest["trust"])
    origin = source_of(scan.stored_grid, assign_uids=True)
    output = Output(made / "mask.seg.dcm")
    with write_aside(output.mask) as aside:
        write_dicom(
            aside, output, series, origin, recipe=recipe(predictor, options), options=replace(options, report=True)
        )
    os.rename(output.mask, made / "mask.dcm")
    os.rename(output.report, made / "measurements.dcm")


def _write_picture(source: Path, path: Path) -> None:
    """The picture as it was read, with 8 bits, without anything else that its file held."""
    array = np.swapaxes(read_volume(source).restore()[:, :, 0], 0, 1)
    levels = np.clip(np.rint(array), 0, 255).astype(np.uint8)
    with write_aside(path) as aside:
        Image.fromarray(np.ascontiguousarray(levels)).save(aside, "PNG")
