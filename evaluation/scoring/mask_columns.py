"""The columns of mask scores: names, titles, definitions, and which of them say what."""

from collections.abc import Iterable, Sequence

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.measures import lesions, overlap
from pneumoseg.evaluation.scoring.columns import Columns

SURFACE_SCORES = ("hd95_mm", "assd_mm", "nsd", "hd_mm")
"""Columns of the boundary scores. The background has none: its surface is that of the other classes."""

DIFFERENCES = ("volume_difference_ml", "volume_difference_percent")

SCORES = (*overlap.OVERLAP_SCORES, *SURFACE_SCORES, *DIFFERENCES, "auc", *lesions.LESION_SCORES, "jaccard_distance")
"""Columns that hold a score: what is averaged over cases."""

VOLUMES = ("volume_reference_ml", "volume_prediction_ml")

REQUIRED_COLUMNS = ("fold", "case", "class", *overlap.OVERLAP_SCORES, *SURFACE_SCORES[:3], *VOLUMES, "status")
"""The columns that every detailed table has, first and in this order: others' scripts read them."""

COLUMNS = (
    *(*REQUIRED_COLUMNS, "hd_mm", "nsd_tolerance_mm", *DIFFERENCES, "auc"),
    *(*lesions.LESION_COUNTS, *lesions.LESION_SCORES, "jaccard_distance", "source"),
)
"""All columns of the detailed table, in order. Further columns come after `status`; older tables lack them."""

LUNG_GROUPS: dict[str, tuple[int, ...]] = {"lungs": (1, 2, 3)}
"""Groups scored as one mask, for `volumes.labels.LUNG_LABELS`: left lung, right lung and infection together."""

LESIONS = ("infection",)
"""Classes that come in separate pieces, which are counted one by one."""

NOT_LABELLED = "not_labelled"
"""The status of a class that the case's reference does not label."""

LUNGS_DEFINITION = (
    "lungs = left lung + right lung + infection scored as one mask, because an infected voxel is lung too. It is not "
    'the same quantity as the "lungs" of publications, which may leave infected voxels out or average the two sides.'
)
"""Stands beside every score of the group `lungs` that is shown to a reader: see `lungs_definition`."""

TITLES = {
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "accuracy": "Accuracy",
    "hd95_mm": "HD95 (mm)",
    "assd_mm": "ASSD (mm)",
    "nsd": "NSD",
    "volume_reference_ml": "reference (ml)",
    "volume_prediction_ml": "prediction (ml)",
    "status": "Status",
    "hd_mm": "HD (mm)",
    "nsd_tolerance_mm": "NSD tolerance (mm)",
    "volume_difference_ml": "volume difference (ml)",
    "volume_difference_percent": "volume difference (%)",
    "auc": "AUC",
    "lesions_reference": "lesions in the reference",
    "lesions_found": "lesions found",
    "lesions_prediction": "lesions predicted",
    "lesions_false": "false lesions",
    "lesion_sensitivity": "Lesion sensitivity",
    "lesion_precision": "Lesion precision",
    "lesion_f1": "Lesion F1",
    "jaccard_distance": "Jaccard distance",
    "source": "Source",
}
"""In the order of `COLUMNS`, each with its unit."""

DEFINITIONS: dict[str, str] = {
    "dice": "Dice similarity coefficient, 2 TP / (2 TP + FP + FN), equal to the F1 score. Higher is better, 0 to 1.",
    "iou": "Intersection over union (Jaccard index), TP / (TP + FP + FN). Higher is better, 0 to 1.",
    "sensitivity": "Part of the reference that was found (equal to recall), TP / (TP + FN). Higher is better, 0 to 1.",
    "specificity": "Part of the rest that was left alone, TN / (TN + FP). Near 1 for every small structure.",
    "precision": "Part of the prediction that is right, TP / (TP + FP). Higher is better, 0 to 1.",
    "accuracy": "Part of all voxels (pixels) that is right, (TP + TN) / all. Near 1 for every small structure.",
    "hd95_mm": "95 % Hausdorff distance in mm: the larger of the two directed, area-weighted 95th percentiles of the "
    "distances between the surfaces (Nikolov et al. 2021, as surface-distance computes it; tools that pool the two "
    "directions or do not weigh by area give other numbers). Lower is better.",
    "assd_mm": "Average symmetric surface distance in mm: the area-weighted mean distance over both surfaces taken "
    "together (elements and areas of Nikolov et al. 2021). Lower is better.",
    "nsd": "Normalised surface Dice: the part of both surfaces, by area, that lies within a tolerance of the other "
    "(Nikolov et al. 2021). The tolerance belongs to the number: it stands beside it. Higher is better, 0 to 1.",
    "hd_mm": "Hausdorff distance in mm: the largest distance from any point of one surface to the other; a single "
    "stray voxel decides it. Lower is better.",
    "nsd_tolerance_mm": "The tolerance of the class's normalised surface Dice in mm.",
    "volume_difference_ml": "Volume of the prediction less that of the reference in millilitres; above 0 is too much.",
    "volume_difference_percent": "Volume of the prediction less that of the reference in percent of the latter; "
    "undefined where the reference is empty.",
    "auc": "Area under the receiver operating characteristic of the class's probability over all voxels (Hanley & "
    "McNeil 1982), ties counting half; where probabilities were given. Near 1 for every small structure.",
    "lesions_reference": "Connected pieces of the reference (voxels that share a face, an edge or a corner).",
    "lesions_found": f"Pieces of the reference of which at least {lesions.FOUND_SHARE:.0%} were predicted.",
    "lesions_prediction": "Connected pieces of the prediction.",
    "lesions_false": f"Pieces of the prediction of which less than {lesions.FOUND_SHARE:.0%} lie in the reference.",
    "lesion_sensitivity": "Part of the reference's pieces that was found. Each piece counts alike, whatever its size.",
    "lesion_precision": "Part of the prediction's pieces that is not false.",
    "lesion_f1": "Harmonic mean of lesion sensitivity and lesion precision; 0 where only one of the masks has pieces.",
    "jaccard_distance": "Jaccard distance, 1 - IoU. Lower is better, 0 to 1.",
    "volume_reference_ml": "Volume of the reference mask in millilitres.",
    "volume_prediction_ml": "Volume of the predicted mask in millilitres.",
    "status": "ok; reference_empty or prediction_empty (Dice, IoU and NSD are 0, surface distances the diagonal of the "
    "volume); both_empty (all of these are undefined); not_labelled (the reference does not label the class: no "
    "scores).",
    "source": "Where the case comes from: the dataset, where there are several, else the letters its name begins with.",
}
"""What each column means, for readers of the report. TP, FP, FN, TN count voxels."""


def default_groups(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """LUNG_GROUPS where the first classes are those of LUNG_LABELS at their numbers, otherwise no groups."""
    return dict(LUNG_GROUPS) if tuple(names[:4]) == LUNG_LABELS.names else {}


def lungs_definition(classes: Iterable[str]) -> str:
    """LUNGS_DEFINITION where the classes of a score table hold `lungs` and its members; "" where they do not: a class
    of another table may have that name."""
    return LUNGS_DEFINITION if {*LUNG_GROUPS, *LUNG_LABELS.names[1:]} <= set(classes) else ""


def class_definitions(classes: Iterable[str]) -> dict[str, str]:
    """What a class of a score table is that its name does not say: `lungs`, where it is the group of that name."""
    definition = lungs_definition(classes)
    return {"lungs": definition} if definition else {}


MASK_COLUMNS = Columns(
    required=REQUIRED_COLUMNS,
    further=COLUMNS[len(REQUIRED_COLUMNS) :],
    scores=SCORES,
    leading=("dice", "nsd", "hd95_mm"),
    brief=("nsd", "hd95_mm", "sensitivity", "precision"),
    drawn=("dice", "nsd", "hd95_mm", "iou", "sensitivity", "precision"),
    errors=("hd95_mm", "assd_mm", "hd_mm", "jaccard_distance"),
    differences=DIFFERENCES,
    quantities=(*lesions.LESION_COUNTS, *VOLUMES),
    left_out=("background",),
    later=("jaccard_distance",),
    text=("status", "source"),
    conditions={"nsd": "nsd_tolerance_mm"},
    reference=("volume_reference_ml",),
    titles=TITLES,
    definitions=DEFINITIONS,
    preamble="TP, FP, FN and TN count voxels: true and false positives and negatives of the prediction. A score whose "
    "denominator is 0 is undefined. Pictures have no size in millimetres: 1 mm means a pixel there, 1 ml 1000.",
    places={
        **dict.fromkeys(("hd95_mm", "assd_mm", "hd_mm", "nsd_tolerance_mm", *DIFFERENCES), 2),
        **dict.fromkeys(VOLUMES, 1),
        **dict.fromkeys(lesions.LESION_COUNTS, 0),
    },
    class_definitions=class_definitions,
)
"""The columns of masks scored against reference masks."""
