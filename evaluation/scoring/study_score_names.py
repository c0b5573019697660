"""Titles and definitions of the scores in classification.csv and agreement.csv, for readers."""

TITLES = {
    "auc": ("AUC", 3),
    "average_precision": ("Average precision", 3),
    "accuracy": ("Accuracy", 3),
    "sensitivity": ("Sensitivity", 3),
    "specificity": ("Specificity", 3),
    "brier": ("Brier score", 3),
    "true_positive": ("Diseased, predicted diseased", 0),
    "false_positive": ("Healthy, predicted diseased", 0),
    "false_negative": ("Diseased, predicted healthy", 0),
    "true_negative": ("Healthy, predicted healthy", 0),
    "mae": ("Mean absolute error (points)", 2),
    "rmse": ("Root mean square error (points)", 2),
    "pearson": ("Pearson correlation", 3),
    "icc": ("ICC(2,1)", 3),
    "bias": ("Bias (points)", 2),
    "limit_low": ("Lower limit of agreement (points)", 2),
    "limit_high": ("Upper limit of agreement (points)", 2),
    "exact": ("Right category", 3),
    "within_one": ("Within one category", 3),
    "kappa": ("Kappa, quadratic weights", 3),
}
"""Title and decimal places of each score."""

DEFINITIONS = {
    "auc": "Area under the ROC curve: the probability that a diseased study has a higher one than a healthy "
    "study, ties counting half (Hanley & McNeil 1982). 0.5 is chance.",
    "average_precision": "Area under the precision-recall curve; chance is the share of diseased studies.",
    "accuracy": "Share of right labels at the threshold of each model.",
    "sensitivity": "Share of the diseased studies that are predicted diseased.",
    "specificity": "Share of the healthy studies that are predicted healthy.",
    "brier": "Mean squared distance of the probability from the label, 1 or 0 (Brier 1950). Lower is better.",
    "mae": "Mean of |predicted - given|, in points of 0 to 100. Lower is better.",
    "rmse": "Root of the mean of (predicted - given) squared. Lower is better.",
    "pearson": "Pearson's correlation of predicted and given scores; a bias does not lower it.",
    "icc": "Intraclass correlation: two-way random effects, absolute agreement, single rater (Shrout & Fleiss 1979).",
    "bias": "Mean of predicted - given (Bland & Altman 1986).",
    "limit_low": "Bias - 1.96 standard deviations of the differences; 95 % of them lie between the limits if normal.",
    "limit_high": "Bias + 1.96 standard deviations of the differences.",
    "exact": "Share of studies whose score has the right category of the five.",
    "within_one": "Share of studies whose score is at most one category off.",
    "kappa": "Agreement of the categories beyond chance, with quadratic weights (Cohen 1968).",
}
