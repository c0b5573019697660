"""Metrics of training by name: they are recorded in history.csv after each epoch and change no weights.

All are functions of `labels`, integers (batch, ..., 1), and `probabilities` (batch, ..., classes). Those of this file
but accuracy and AUC take the most probable class of each voxel (of two classes the second where its probability is
above 0.5), count the voxels of each sample and class, and are the mean over samples and over all classes but the
background. So a sample counts alike in any batch. A class that is neither in the sample nor predicted counts 1; one
that is in it but not predicted has precision 0, one that is predicted but not in it recall 0.

Definitions: Powers, Evaluation: from precision, recall and F-measure to ROC, informedness, markedness and correlation,
Journal of Machine Learning Technologies 2(1), 2011.
"""

from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.training.labelled_voxels import as_far_as_labelled, counted, mean_of_counted, one_hot
from pneumoseg.pipeline.training.losses import Loss, crossentropy, dice_crossentropy, soft_dice, tversky

ops = keras.ops

THRESHOLDS = 200
"""Of the AUC."""


def accuracy(labels, probabilities):
    """The share of all voxels whose most probable class is the true one; (TP + TN) / all, of two classes.

    >>> labels, guess = ops.array([[[0], [0], [1], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]])
    >>> float(accuracy(labels, guess))
    0.5
    """
    right = ops.cast(ops.argmax(probabilities, axis=-1), "int32") == ops.cast(labels[..., 0], "int32")
    return mean_of_counted(ops.cast(right, "float32"), labels)


def precision(labels, probabilities):
    """TP / predicted.

    >>> labels, guess = ops.array([[[0], [0], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]])
    >>> float(precision(labels, guess))
    0.5
    """
    overlap, reference, predicted = _counts(labels, probabilities)
    return _mean_share(overlap, predicted, reference + predicted)


def recall(labels, probabilities):
    """TP / reference.

    >>> labels, guess = ops.array([[[0], [1], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]])
    >>> float(recall(labels, guess))
    0.5
    """
    overlap, reference, predicted = _counts(labels, probabilities)
    return _mean_share(overlap, reference, reference + predicted)


def dice(labels, probabilities):
    """2 TP / (reference + predicted) (Dice 1945), which is also F1, the harmonic mean of precision and recall.

    >>> labels, guess = ops.array([[[0], [0], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]])
    >>> round(float(dice(labels, guess)), 4)  # 2 x 1 / (1 + 2)
    0.6667
    """
    overlap, reference, predicted = _counts(labels, probabilities)
    return _mean_share(2.0 * overlap, reference + predicted, reference + predicted)


def iou(labels, probabilities):
    """Intersection over union, TP / (reference + predicted - TP) (Jaccard 1912).

    >>> labels, guess = ops.array([[[0], [0], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]])
    >>> float(iou(labels, guess))
    0.5
    """
    overlap, reference, predicted = _counts(labels, probabilities)
    return _mean_share(overlap, reference + predicted - overlap, reference + predicted)


def jaccard_distance(labels, probabilities):
    """1 - intersection over union.

    >>> labels, guess = ops.array([[[0], [1], [1]]]), ops.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]])
    >>> float(jaccard_distance(labels, guess))
    0.0
    """
    return 1.0 - iou(labels, probabilities)


def auc(labels, probabilities):
    """Area under the ROC curve (Fawcett 2006) of the probability of all classes but the background, over all voxels of
    the batch together: how probable it is that a voxel of such a class has a larger one than a voxel of the background.

    The curve has THRESHOLDS + 1 points in equal steps of the probability: voxels between two of them count as equal,
    half right. 0.5 where all voxels or none are background.

    >>> labels, guess = ops.array([[[0], [0], [1], [1]]]), ops.array([[[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]]])
    >>> float(auc(labels, guess))  # three of four pairs are in order
    0.75
    """
    foreground = ops.reshape(1.0 - ops.cast(probabilities[..., 0], "float32"), (-1,))
    step = ops.cast(ops.clip(foreground * THRESHOLDS, 0, THRESHOLDS - 1), "int32")
    # Whole numbers: float32 sums of ones end at 2 ** 24.
    counts = ops.reshape(ops.cast(counted(labels), "int32"), (-1,))
    positive = ops.reshape(ops.cast(labels != 0, "int32"), (-1,)) * counts
    of_positives, of_negatives = (
        ops.cast(ops.segment_sum(which, step, num_segments=THRESHOLDS), "float32")
        for which in (positive, counts - positive)
    )
    below = ops.cumsum(of_negatives) - 0.5 * of_negatives
    pairs = ops.sum(of_positives) * ops.sum(of_negatives)
    return ops.where(pairs > 0.0, ops.sum(of_positives * below) / ops.maximum(pairs, 1.0), 0.5)


METRICS: dict[str, Loss] = {
    "tversky": tversky,
    "soft-dice": soft_dice,
    "dice-crossentropy": dice_crossentropy,
    "crossentropy": crossentropy,
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": dice,
    "dice": dice,
    "iou": iou,
    "jaccard-distance": jaccard_distance,
    "auc": auc,
}


def make_metric(name: str) -> Loss:
    """The metric of that name, as a function of (labels, probabilities). Raises InputError where there is none.

    >>> make_metric("jaccard-distance").__name__
    'jaccard_distance'
    """
    return as_far_as_labelled(plugins.find(name, METRICS, "metric"))


def _counts(labels, probabilities):
    """Voxels of both, of the reference, and predicted; each (batch, classes - 1), without the background."""
    classes = probabilities.shape[-1]
    reference = one_hot(labels, probabilities)[..., 1:]
    predicted = ops.one_hot(ops.argmax(probabilities, axis=-1), classes, dtype="float32")[..., 1:]
    predicted = predicted * counted(labels)[..., None]
    voxels = tuple(range(1, len(probabilities.shape) - 1))
    return tuple(ops.sum(mask, axis=voxels) for mask in (reference * predicted, reference, predicted))


def _mean_share(part, whole, present):
    """Mean of part / whole; of 1 where the class is not `present` in reference or prediction, of 0 where `whole` is 0
    otherwise."""
    return ops.mean(ops.where(present > 0.0, part / ops.maximum(whole, 1.0), 1.0))
