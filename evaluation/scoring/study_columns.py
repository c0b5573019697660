"""The columns of scores of studies: a row for the label, class "disease", and one for the score, class "severity"."""

from pneumoseg.evaluation.measures.agreement import category_numbers
from pneumoseg.evaluation.scoring.columns import KEYS, Columns

DISEASE, SEVERITY = "disease", "severity"

CLASS_DEFINITIONS = {
    DISEASE: "disease: the label, diseased or not, predicted where the probability is at least the model's threshold.",
    SEVERITY: "severity: the score, 0 to 100, and its five categories.",
}

STUDY_COLUMNS = Columns(
    required=(*KEYS, "accuracy", "brier", "absolute_error", "score_difference", "categories_off", "within_one"),
    further=("given", "predicted"),
    scores=("accuracy", "brier", "absolute_error", "score_difference", "categories_off", "within_one"),
    leading=("accuracy", "brier", "absolute_error"),
    brief=("brier", "absolute_error", "within_one"),
    errors=("brier", "absolute_error", "categories_off"),
    differences=("score_difference",),
    quantities=("given", "predicted"),
    reference=("given",),
    titles={
        "accuracy": "Accuracy",
        "brier": "Brier score",
        "absolute_error": "Absolute error (points)",
        "score_difference": "Difference (points)",
        "categories_off": "Categories off",
        "within_one": "Within one category",
        "given": "given",
        "predicted": "predicted",
    },
    definitions={
        "accuracy": "1 where the label (disease) or the category of the score (severity: Low 0-19, Mild 20-39, "
        "Moderate 40-59, Severe 60-79, Critical 80 and more) is the given one, else 0; its mean is the accuracy.",
        "brier": "Squared distance of the probability from the label, 1 or 0; its mean is the Brier score. Lower is "
        "better.",
        "absolute_error": "Distance of the predicted score from the given one in points of 0 to 100. Lower is better.",
        "score_difference": "Predicted less given score; above 0 is too severe. The mean is the bias.",
        "categories_off": "Categories between the predicted and the given score, 0 to 4. Lower is better.",
        "within_one": "1 where the score is at most one category off, else 0.",
        "given": "What the table of the cohort says: the label (1 diseased, 0 not), or the score.",
        "predicted": "What was predicted: the probability of the disease, or the score.",
    },
    places={"absolute_error": 2, "score_difference": 2, "categories_off": 2},
    class_definitions=lambda classes: {name: CLASS_DEFINITIONS[name] for name in classes if name in CLASS_DEFINITIONS},
)
"""The columns of studies scored against the table of their cohort."""


def label_row(diseased: bool, probability: float, threshold: float) -> dict[str, float | str]:
    """The scores of a label, without fold and case; columns of severity are left out.

    >>> label_row(True, 0.75, threshold=0.5)["accuracy"], label_row(True, 0.75, threshold=0.8)["accuracy"]
    (1.0, 0.0)
    """
    return {
        "class": DISEASE,
        "accuracy": float((probability >= threshold) == diseased),
        "brier": (probability - diseased) ** 2,
        "given": float(diseased),
        "predicted": probability,
    }


def score_row(given: float, predicted: float) -> dict[str, float | str]:
    """The scores of a severity score, without fold and case; columns of the label are left out.

    >>> score_row(30.0, 45.0)["accuracy"], score_row(30.0, 45.0)["within_one"], score_row(30.0, 45.0)["absolute_error"]
    (0.0, 1.0, 15.0)
    """
    of_given, of_predicted = category_numbers([given, predicted]).tolist()
    off = abs(of_predicted - of_given)
    return {
        "class": SEVERITY,
        "accuracy": float(off == 0),
        "absolute_error": abs(predicted - given),
        "score_difference": predicted - given,
        "categories_off": float(off),
        "within_one": float(off <= 1),
        "given": given,
        "predicted": predicted,
    }
