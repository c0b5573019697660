"""The result files of jobs on a generated patient: what a server gives out, without a network."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform, binary_dilation, shift

from pneumoseg.data_io.formats.label_pictures import write_label_picture
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.phantoms.follow_up import FollowUp, make_follow_up
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.side_by_side import side_by_side
from pneumoseg.evaluation.followup.change import NEW, RESOLVED, UNCHANGED
from pneumoseg.evaluation.followup.comparison import DEFINITIONS as CHANGE_DEFINITIONS
from pneumoseg.evaluation.followup.regions import REGIONS, region_volumes
from pneumoseg.evaluation.followup.registration import cropped_grid
from pneumoseg.evaluation.measures.severity import DEFINITIONS, RESEARCH_ONLY, severity
from pneumoseg.evaluation.measures.volumetry import volumetry
from pneumoseg.evaluation.scoring.case_scores import score_case

SHAPE = (96, 96, 48)
PICTURE_LABELS = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
ERROR_LABELS = LabelTable(
    ("right", "missed", "false", "other class"), ((0, 0, 0), (0, 114, 178), (230, 159, 0), (204, 121, 167))
)

NIFTI, PNG, JSON = "application/gzip", "image/png", "application/json"


@dataclass(frozen=True)
class Result:
    """A file of a job: its `title` for people, `media_type` and `content`."""

    title: str
    media_type: str
    content: bytes


Results = Mapping[str, Result]


def results_of_kinds(seed: int = 3, shape: tuple[int, int, int] = SHAPE) -> dict[str, Results]:
    """The results of each kind of job: "ct", "follow-up ct", "picture", "scores", "picture scores", "follow-up"."""
    pair = make_follow_up(seed, 0, shape)
    return {
        "ct": _segmented(pair.baseline_ct, pair.baseline_mask),
        "follow-up ct": _segmented(pair.follow_up_ct, pair.follow_up_mask),
        "scores": _scores(pair.baseline_mask),
        "follow-up": _follow_up(pair),
        **_pictures(pair.baseline_ct, pair.baseline_mask),
    }


def _segmented(ct: Volume, mask: Volume) -> Results:
    facts = volumetry(Scan.from_volume(ct), mask, LUNG_LABELS, lungs=(1, 2), infection=3)
    row = severity(mask, ct, LUNG_LABELS)
    return {
        "mask.nii.gz": Result("Mask (NIfTI)", NIFTI, _label_file(mask, LUNG_LABELS)),
        "image.nii.gz": Result("CT as it was segmented (NIfTI)", NIFTI, _ct_file(ct)),
        "preview.png": Result("Preview", PNG, _preview(ct)),
        "statistics.json": _json("Volumes", facts),
        "severity.json": _json("Severity", {"use": RESEARCH_ONLY, "severity": row, "definitions": DEFINITIONS}),
        "trust.json": _json("Trust", TRUST),
        "labels.json": _classes(LUNG_LABELS),
        "manifest.json": _json("How the mask was made", {"labels": list(LUNG_LABELS.names), "in_hu": True}),
    }


TRUST = {
    "verdict": "review",
    "reasons": [
        "infection: predicted Dice 0.52 (0.31 to 0.73), below 0.6",
        "the CT is unlike the training cases: distance 2.41, at most 2.10 in tested cases",
    ],
    "classes": {
        "lung_left": {"predicted_dice": 0.962, "low": 0.931, "high": 0.985},
        "lung_right": {"predicted_dice": 0.957, "low": 0.925, "high": 0.981},
        "infection": {"predicted_dice": 0.52, "low": 0.31, "high": 0.73},
        "lungs": None,
    },
    "signals": {},
    "calibration": {"infection": {"cases": 20, "coverage": 0.9}},
}


def _pictures(ct: Volume, mask: Volume) -> dict[str, Results]:
    infected = mask.array == 3
    index = int(infected.sum((0, 1)).argmax())
    grey = np.clip((ct.array[:, :, index].astype(float) + 1250) / 1500 * 255, 0, 255).astype(np.uint8)
    image = np.repeat(np.repeat(np.flip(grey, (0, 1)).T, 3, 0), 3, 1)
    labels = np.repeat(np.repeat(np.flip(infected[:, :, index], (0, 1)).T, 3, 0), 3, 1).astype(np.uint8)
    truth = binary_dilation(labels, iterations=3).astype(np.uint8)
    volume = Volume.from_source(np.flip(labels.T, (0, 1))[:, :, None], np.eye(4))
    reference = Volume.from_source(np.flip(truth.T, (0, 1))[:, :, None], np.eye(4))
    rows = score_case("picture", 0, reference, prediction=volume, labels=PICTURE_LABELS).rows
    with TemporaryDirectory() as folder:
        write_label_picture(path := Path(folder) / "mask.png", volume, PICTURE_LABELS)
        picture = path.read_bytes()
    beside = Result("Picture beside its mask", PNG, _png(side_by_side(image, [labels], PICTURE_LABELS)))
    with_truth = Result("Picture, reference, mask", PNG, _png(side_by_side(image, [truth, labels], PICTURE_LABELS)))
    return {
        "picture": {
            "image.png": Result("Picture", PNG, _png(image)),
            "mask.png": Result("Mask", PNG, picture),
            "side-by-side.png": beside,
            "trust.json": _json("Trust", {"verdict": None, "reasons": ["no verdict: the model has no calibration"]}),
            "labels.json": _classes(PICTURE_LABELS),
            "manifest.json": _json("How the mask was made", {"labels": list(PICTURE_LABELS.names)}),
        },
        "picture scores": {
            "scores.json": _json("Scores", {"scores": _finite(rows), "lesions": []}),
            "side-by-side.png": with_truth,
            "labels.json": _classes(ERROR_LABELS),
        },
    }


def _scores(mask: Volume) -> Results:
    moved = shift(mask.array, (1, 0, 0), order=0)
    reference = mask.with_array(moved)
    rows = score_case("ct", 0, reference, prediction=mask, labels=LUNG_LABELS).rows
    wrong = moved != mask.array
    errors = np.where(wrong & (mask.array == 0), 1, np.where(wrong & (moved == 0), 2, 3 * wrong))
    return {
        "scores.json": _json("Scores", {"scores": _finite(rows), "lesions": []}),
        "labels.json": _classes(ERROR_LABELS),
        "errors.nii.gz": Result(
            "Errors (NIfTI)", NIFTI, _label_file(mask.with_array(errors.astype(np.uint8)), ERROR_LABELS)
        ),
    }


def _follow_up(pair: FollowUp) -> Results:
    before, after = region_volumes(pair.baseline_mask), region_volumes(pair.follow_up_mask)
    regions = []
    for region in REGIONS:
        was, is_now = before[region], after[region]
        percents = was.infected_percent, is_now.infected_percent
        change_ml = is_now.infection_ml - was.infection_ml
        regions.append(
            {
                "region": region,
                "lung_baseline_ml": was.lung_ml,
                "lung_follow_up_ml": is_now.lung_ml,
                "infection_baseline_ml": was.infection_ml,
                "infection_follow_up_ml": is_now.infection_ml,
                "change_ml": change_ml,
                "noise_ml": 12.0,
                "beyond_noise": abs(change_ml) > 12.0,
                "infected_percent_baseline": percents[0],
                "infected_percent_follow_up": percents[1],
                "change_percent_points": None if None in percents else percents[1] - percents[0],
                "noise_percent_points": 1.0,
                "percent_beyond_noise": None,
            }
        )
    change = pair.change
    voxel_ml = change.grid.voxel_volume_ml
    parts = {"unchanged_ml": UNCHANGED, "new_ml": NEW, "resolved_ml": RESOLVED}
    content = {
        "use": RESEARCH_ONLY,
        "definitions": CHANGE_DEFINITIONS,
        "registration": {"lungs_dice": 0.981, "lungs_dice_rigid": 0.942, "detail_correlation": 0.71},
        "noise": {"source": "networks", "networks": 5},
        "label_map": {name: float((change.array == label).sum()) * voxel_ml for name, label in parts.items()},
        "regions": regions,
        "warnings": [],
    }
    ahead = np.linalg.inv(pair.baseline_ct.grid.affine) @ pair.follow_up_ct.grid.affine
    moved = affine_transform(
        pair.baseline_ct.array, ahead[:3, :3], ahead[:3, 3], pair.follow_up_ct.array.shape, order=1, cval=-1000
    )
    box = bounding_box(pair.follow_up_mask.array > 0, [3, 3, 2])  # the CTs are shown there
    shown = [
        Volume.from_source(np.ascontiguousarray(one[box]), cropped_grid(change.grid, box).affine)
        for one in (moved, pair.follow_up_ct.array)
    ]
    return {
        "change.json": _json("Change in numbers", content),
        "labels.json": _classes(CHANGE_LABELS),
        "change.nii.gz": Result("Map of change (NIfTI)", NIFTI, _label_file(change, CHANGE_LABELS)),
        "baseline.nii.gz": Result("Earlier CT in the place of the later (NIfTI)", NIFTI, _ct_file(shown[0])),
        "follow-up.nii.gz": Result("Later CT (NIfTI)", NIFTI, _ct_file(shown[1])),
        "figure.png": Result("Figure", PNG, _preview(pair.follow_up_ct)),
    }


def _classes(table: LabelTable) -> Result:
    pairs = enumerate(zip(table.names, table.colours, strict=True))
    return _json("Classes", [{"number": number, "name": name, "colour": list(rgb)} for number, (name, rgb) in pairs])


def _json(title: str, content: object) -> Result:
    return Result(title, JSON, json.dumps(content).encode())


def _finite(rows: list[dict]) -> list[dict]:
    return [
        {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]


def _ct_file(ct: Volume) -> bytes:
    with TemporaryDirectory() as folder:
        write_ct_nifti(path := Path(folder) / "a.nii.gz", ct.with_array(np.rint(ct.array).astype(np.int16)))
        return path.read_bytes()


def _label_file(labels: Volume, table: LabelTable) -> bytes:
    with TemporaryDirectory() as folder:
        write_label_nifti(path := Path(folder) / "a.nii.gz", labels, table)
        return path.read_bytes()


def _preview(ct: Volume) -> bytes:
    middle = ct.array[:, :, ct.array.shape[2] // 2].astype(float)
    return _png(np.flip(np.clip((middle + 1350) / 1500 * 255, 0, 255), (0, 1)).T.astype(np.uint8))


def _png(array: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG")
    return file.getvalue()


def entries(job_id: str, results: Results) -> list[dict]:
    """The list of results as the API gives it."""
    return [
        {key: value for key, value in asdict(one).items() if key != "content"}
        | {"name": name, "bytes": len(one.content), "url": f"/api/v1/jobs/{job_id}/results/{name}"}
        for name, one in results.items()
    ]
