"""The share of the training studies that chooses the epoch and the threshold of the label."""

from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError


def held_back_patients(studies: Sequence[Study], share: float, seed: int) -> set[str]:
    """Patients whose studies choose the model: about `share` of all, with the same distribution of labels and scores.

    A systematic sample: the patients in the order of their stratum, at random within it, and of these every
    1 / `share`-th. At least one patient, and not all. Raises InputError for fewer than two patients.
    """
    strata = {study.patient: study.stratum for study in sorted(studies, key=lambda study: study.name, reverse=True)}
    if len(strata) < 2:
        raise InputError(
            f"training.validation_share {share:g} needs studies of two patients or more, found {len(strata)}; set it "
            "to 0 and training.early_stop_patience to null"
        )
    rng = np.random.default_rng(seed)
    shuffled = [sorted(strata)[place] for place in rng.permutation(len(strata))]
    ordered = sorted(shuffled, key=lambda patient: strata[patient])
    count = min(max(1, round(share * len(ordered))), len(ordered) - 1)
    places = ((np.arange(count) + 0.5) * len(ordered) / count).astype(int)
    return {ordered[place] for place in places}


def youden_threshold(diseased: Sequence[bool], probabilities: Sequence[float]) -> float:
    """The threshold of the probability with the largest sensitivity + specificity - 1 (Youden, Index for rating
    diagnostic tests, Cancer 3(1), 1950), a study being diseased from the threshold on.

    Every threshold between two neighbouring probabilities gives the same result: their mean is taken, and of several
    such means that are equally good the one nearest to 0.5. 0.5 where there are studies of one kind alone.

    >>> youden_threshold([False, False, True, True], [0.1, 0.25, 0.75, 0.9])
    0.5
    >>> youden_threshold([False, True, False, True], [0.1, 0.2, 0.3, 0.9])
    0.6
    """
    truth, values = np.asarray(diseased, bool), np.asarray(probabilities, float)
    if truth.all() or not truth.any():
        return 0.5
    levels = np.unique(values)
    candidates = (levels[1:] + levels[:-1]) / 2.0
    if not candidates.size:
        return 0.5
    predicted = values >= candidates[:, None]
    index = predicted[:, truth].mean(axis=1) - predicted[:, ~truth].mean(axis=1)
    best = candidates[index >= index.max() - 1e-9]
    return float(best[np.abs(best - 0.5).argmin()])
