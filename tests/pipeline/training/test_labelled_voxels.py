"""Voxels that do not count, and classes that may hide under a label, in every loss and metric."""

import numpy as np
import pytest
import tensorflow as tf

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.partial_labels import IGNORED, hidden_classes, with_hidden
from pneumoseg.pipeline.settings.schema import LossSettings
from pneumoseg.pipeline.training import labelled_voxels, losses
from pneumoseg.pipeline.training.metrics import METRICS, make_metric

FUNCTIONS = {
    **{f"loss {name}": losses.make_loss(LossSettings(name=name), 4) for name in losses.LOSSES},
    **{f"metric {name}": make_metric(name) for name in METRICS},
}


def batch(voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (2, voxels, 1) and probabilities (2, voxels, 4)."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, (2, voxels, 1)).astype(np.uint8)
    probabilities = rng.random((2, voxels, 4)) ** 2
    return labels, (probabilities / probabilities.sum(axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ignored_voxels_are_as_if_they_were_not_there(name):
    labels, probabilities = batch(40)
    of_counted = float(FUNCTIONS[name](labels[:, :25], probabilities[:, :25]))
    labels[:, 25:] = IGNORED
    assert float(FUNCTIONS[name](labels, probabilities)) == pytest.approx(of_counted, rel=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_ignored_voxels_change_no_weight(name):
    labels, values = batch(20)
    labels[:, 12:] = IGNORED
    probabilities = tf.Variable(values)
    with tf.GradientTape() as tape:
        loss = FUNCTIONS[f"loss {name}"](labels, probabilities)
    slope = np.asarray(tape.gradient(loss, probabilities))
    assert not slope[:, 12:].any() and slope[:, :12].any()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_batch_in_which_no_voxel_counts_gives_a_finite_loss(name):
    labels, probabilities = batch(9)
    assert np.isfinite(float(FUNCTIONS[f"loss {name}"](np.full_like(labels, IGNORED), probabilities)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("labelled", [("lung_left", "lung_right"), ("infection",)])
def test_a_class_that_may_hide_counts_as_the_label_that_it_hides_under(name, labelled):
    hidden = hidden_classes(LUNG_LABELS, labelled)
    labels, probabilities = batch(30)
    present = [0, *map(LUNG_LABELS.names.index, labelled)]
    labels = np.where(np.isin(labels, present), labels, 0).astype(np.uint8)
    moved = probabilities.copy()
    for sample, voxel in np.ndindex(labels.shape[:2]):
        label = labels[sample, voxel, 0]
        for inner in hidden[label]:
            moved[sample, voxel, label] += moved[sample, voxel, inner]
            moved[sample, voxel, inner] = 0
    expected = float(FUNCTIONS[name](labels, moved))
    found = float(FUNCTIONS[name](tf.constant(with_hidden(labels, hidden)), probabilities))
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_network_is_not_taught_that_an_unlabelled_infection_is_lung():
    """The loss of a lung voxel is the same whether the network says lung or infection."""
    labels = with_hidden(np.uint8([[[1], [1]]]), hidden_classes(LUNG_LABELS, ["lung_left", "lung_right"]))
    sure_of_lung, sure_of_infection = (tf.one_hot([[label, label]], 4) for label in (1, 3))
    loss = FUNCTIONS["loss tversky-crossentropy"]
    assert float(loss(labels, sure_of_lung)) == pytest.approx(float(loss(labels, sure_of_infection)), abs=1e-5)
    assert float(loss(np.uint8([[[1], [1]]]), sure_of_infection)) > 10


def test_labels_without_hidden_classes_are_passed_on():
    seen = []
    labels, probabilities = batch(3)
    labelled_voxels.as_far_as_labelled(lambda *given: seen.append(given))(labels, probabilities)
    assert seen[0][0] is labels and seen[0][1] is probabilities


def test_a_class_hides_also_where_there_are_more_classes_than_bits():
    """Probabilities of 1/40 each: 2/40 of class 1 with the one that hides under it, 1/40 of class 2."""
    hidden = ((), (22,), *[()] * 38)
    labels = with_hidden(np.uint8([[1, 2, IGNORED]]), hidden)[..., None]
    loss = losses.make_loss(LossSettings(name="crossentropy"), 40)(labels, np.full((1, 3, 40), 1 / 40, np.float32))
    assert float(loss) == pytest.approx(-(np.log(2 / 40) + np.log(1 / 40)) / 2)
