"""What a network for whole studies is to say of each, and how much each counts."""

from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.studies import LARGEST_SCORE, StudySettings


def check_targets(studies: Sequence[Study], heads: Sequence[str]) -> None:
    """Raises InputError where a study has no target of any head, where no study has one of a head, and for a label
    that is the same in all studies."""
    fields: dict[str, list] = {
        "label": [study.diseased for study in studies],
        "score": [study.score for study in studies],
    }
    without = [study.name for index, study in enumerate(studies) if all(fields[head][index] is None for head in heads)]
    if without:
        raise InputError(
            f"a network with the output {' and '.join(heads)} needs one of these of each study, found none of "
            f"{listed(without)}; fill in the table and prepare the cohort again, or choose other network.heads"
        )
    for head in heads:
        known = {value for value in fields[head] if value is not None}
        if not known:
            raise InputError(f"no {head} is known of any of {len(studies)} studies; choose other network.heads")
        if head == "label" and len(known) == 1:
            kind = "diseased" if True in known else "healthy"
            raise InputError(
                f"a label is learnt from diseased and healthy studies, found {len(studies)} studies that are {kind} or "
                "of unknown label; add some of the other kind, or set network.heads to score"
            )


def targets(studies: Sequence[Study], heads: Sequence[str]) -> dict[str, np.ndarray]:
    """By head, float32 (studies, 1): the label as 1 (diseased) or 0, the score as a share of 100; 0 where unknown."""
    values = {
        "label": [float(study.diseased or False) for study in studies],
        "score": [(study.score or 0.0) / LARGEST_SCORE for study in studies],
    }
    return {head: np.array(values[head], np.float32)[:, None] for head in heads}


def target_weights(
    studies: Sequence[Study], heads: Sequence[str], label_weights: tuple[float, float]
) -> dict[str, np.ndarray]:
    """By head, float32 (studies,): how much each study counts in the loss; 0 where its target is unknown.

    `label_weights`: of a healthy and of a diseased study.
    """
    values = {
        "label": [0.0 if study.diseased is None else label_weights[study.diseased] for study in studies],
        "score": [0.0 if study.score is None else 1.0 for study in studies],
    }
    return {head: np.array(values[head], np.float32) for head in heads}


def label_weights(studies: Sequence[Study], settings: StudySettings) -> tuple[float, float]:
    """The weights of a healthy and a diseased study: 1, or with training.class_weights "auto" such that both kinds
    count alike and the mean over the studies of known label is 1.

    >>> from pathlib import Path
    >>> labels = (True, False, False, False)
    >>> studies = [Study("a", Path("a.h5"), None, "a", diseased=diseased) for diseased in labels]
    >>> healthy, diseased = label_weights(studies, StudySettings())
    >>> round(healthy, 3), round(diseased, 3)
    (0.667, 2.0)
    """
    counts = [sum(study.diseased is kind for study in studies) for kind in (False, True)]
    if settings.training.class_weights == "none" or 0 in counts:
        return 1.0, 1.0
    healthy, diseased = (sum(counts) / (2.0 * count) for count in counts)
    return healthy, diseased
