"""The columns of the score tables in words, for axes, captions and headers."""

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
}
"""In the order of `case_scores.COLUMNS`, each with its unit. What they mean: `case_scores.DEFINITIONS`."""
