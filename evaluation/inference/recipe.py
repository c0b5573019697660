"""What decides how the masks of a prediction look: the image, the models, the settings, and how files are read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pneumoseg.data_io.datasets.inputs import input_files
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.evaluation.measures.trust import Calibration
from pneumoseg.pipeline.prediction.predictor import Predictor
from pneumoseg.pipeline.settings import plugins


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """What is written for each CT besides its mask and manifest, and how CTs are read.

    `probabilities`: a map per class, before postprocessing; `uncertainty`: a map of the entropy of the probabilities;
    `statistics`: volumes and mean HU in the manifest, where those of lungs are in any case; `preview`: a picture;
    `side_by_side`: image, truth (in a dataset of pictures) and mask in one picture, for pictures alone. `series`,
    `allow_gaps`: see `dicom.ct.open_dicom`. `keep_going`: a bad CT does not end the batch. `grid`: which form of NIfTI
    headers counts, see `formats.nifti_placement`. `calibration`: of the verdicts, or why there is none, in words.

    Of DICOM series alone: `report`: measurements as structured report, of a mask as segmentation; `captures`: pictures
    as secondary captures; `assign_uids`: see `results.source.source_of`; `dicom_encoding`: see
    `results.segmentation.write_segmentation`.
    """

    probabilities: bool = False
    uncertainty: bool = False
    statistics: bool = False
    preview: bool = False
    side_by_side: bool = False
    series: str | None = None
    allow_gaps: bool = False
    keep_going: bool = False
    grid: GridForm = "sform"
    report: bool = False
    captures: bool = False
    assign_uids: bool = False
    dicom_encoding: Literal["binary", "labelmap"] = "binary"
    calibration: Calibration | str = "no calibration was given"


def recipe(predictor: Predictor, options: PredictionOptions) -> dict:
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
        "nifti": {"grid": options.grid},
        "dicom": {"series": _hashed(options.series), "allow_gaps": options.allow_gaps},
    }


def _hashed(series: str | None) -> str | None:
    """SHA-256 of what chooses a DICOM series: its description or UID may say who the patient is."""
    return None if series is None else hashlib.sha256(series.encode("utf-8", "surrogatepass")).hexdigest()


def input_sha256(source: Path, predictor: Predictor) -> str:
    """Of the content of a CT or picture; of all its channels where these are files of their own."""
    hashes = [sha256_of(file) for file in input_files(source, predictor.settings.preprocessing.channels)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
