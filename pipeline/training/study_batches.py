"""The batches that a network for whole studies is trained on, read from the cohort file when they are needed."""

import math
from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.datasets.cohort_file import read_study
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.pipeline.preprocessing.study_input import network_input
from pneumoseg.pipeline.runtime.hardware import usable_cores
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.sampling.study_augmentation import augmented
from pneumoseg.pipeline.settings.studies import StudySettings
from pneumoseg.pipeline.training.study_targets import target_weights, targets

AHEAD = 3
"""Batches that are ready before they are needed."""
MOST_THREADS = 8
"""That make batches: each has one in memory."""

StudyBatch = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]


def make_batch(
    studies: Sequence[Study],
    settings: StudySettings,
    label_weights: tuple[float, float],
    *,
    generators: Sequence[np.random.Generator] | None = None,
) -> StudyBatch:
    """Images, float32 (studies, x, y, z, channels), targets and weights by head. `generators`: of the random changes of
    each image; None for the images as they are."""
    images = []
    for index, study in enumerate(studies):
        image = network_input(*read_study(study.image, study.index), settings.input)
        if generators is not None:
            image = augmented(image, generators[index], settings.augmentation, spacing_mm=study.spacing_mm)
        images.append(image)
    heads = settings.network.heads
    return np.stack(images), targets(studies, heads), target_weights(studies, heads, label_weights)


class StudyBatches(keras.utils.PyDataset):
    """All studies in batches of `training.batch`, the last one smaller where they do not divide.

    With `shuffled`, their order is that of the seed and the epoch that `begin` was told, and the changes of each image
    those of seed, epoch and study: an epoch is the same whenever it is computed. Otherwise in the order given,
    unchanged. Threads make them ahead; memory holds AHEAD of them and those that are being made.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        settings: StudySettings,
        label_weights: tuple[float, float],
        *,
        shuffled: bool,
    ):
        super().__init__(workers=min(usable_cores(), MOST_THREADS), max_queue_size=AHEAD)
        self._studies, self._settings = studies, settings
        self._label_weights, self._shuffled = label_weights, shuffled
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """From now on, batches are those of `epoch`, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._studies) / self._settings.training.batch)

    def __getitem__(self, index: int) -> StudyBatch:
        size = self._settings.training.batch
        chosen = slice(index * size, (index + 1) * size)
        if not self._shuffled:
            return make_batch(self._studies[chosen], self._settings, self._label_weights)
        seed, epoch = self._settings.seed, self._epoch
        order = np.random.default_rng([seed, epoch]).permutation(len(self._studies))[chosen]
        studies = [self._studies[place] for place in order]
        generators = [np.random.default_rng([seed, epoch, study.index]) for study in studies]
        return make_batch(studies, self._settings, self._label_weights, generators=generators)
