"""Batches of studies: order and changes are those of seed, epoch and study, whenever they are computed."""

import numpy as np
import pytest

from pneumoseg.pipeline.settings.loading import load_study_settings
from pneumoseg.pipeline.training.study_batches import StudyBatches, make_batch


@pytest.fixture
def studies(write_studies):
    return write_studies([True, False, True, False, True], [80.0, 0.0, 40.0, 0.0, 20.0]).cases


def settings(*changes: str):
    return load_study_settings(
        "hrct-joint-cpu",
        ["input.shape=[8, 8, 8]", "input.lungs=multiplied", "network.filters=[4]", "training.batch=2", *changes],
    )


def all_of(batches: StudyBatches) -> list:
    return [batches[index] for index in range(len(batches))]


def test_a_batch_has_images_targets_and_weights_of_its_studies(studies):
    images, targets, weights = make_batch(studies, settings(), (0.5, 2.0))
    assert images.shape == (5, 8, 8, 8, 1)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(targets["label"][:, 0], [1, 0, 1, 0, 1])
    np.testing.assert_allclose(targets["score"][:, 0], [0.8, 0, 0.4, 0, 0.2])
    np.testing.assert_array_equal(weights["label"], [2, 0.5, 2, 0.5, 2])
    consolidated = (images > 0.6).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(consolidated, [0.8, 0, 0.4, 0, 0.2], atol=0.01)


def test_without_shuffling_studies_come_in_order_and_as_they_are(studies):
    batches = StudyBatches(studies, settings(), (1.0, 1.0), shuffled=False)
    assert [len(images) for images, _, _ in all_of(batches)] == [2, 2, 1]
    whole = make_batch(studies, settings(), (1.0, 1.0))[0]
    np.testing.assert_array_equal(np.concatenate([images for images, _, _ in all_of(batches)]), whole)


def test_an_epoch_is_the_same_whenever_it_is_computed_and_another_one_is_not(studies):
    batches = StudyBatches(studies, settings(), (1.0, 1.0), shuffled=True)
    batches.begin(3)
    first = all_of(batches)
    batches.begin(4)
    other = all_of(batches)
    batches.begin(3)
    last = batches[2]
    np.testing.assert_array_equal(first[2][0], last[0])
    assert not np.array_equal(first[0][0], other[0][0])
    for epoch in (first, other):  # each study once
        scores = np.concatenate([targets["score"] for _, targets, _ in epoch])
        np.testing.assert_allclose(np.sort(scores[:, 0]), [0, 0, 0.2, 0.4, 0.8])


def test_the_changes_of_a_study_do_not_depend_on_the_others(studies):
    seen = []
    for chosen in (studies, studies[2:3]):
        batches = StudyBatches(chosen, settings(), (1.0, 1.0), shuffled=True)
        batches.begin(1)
        found = all_of(batches)
        images = np.concatenate([images for images, _, _ in found])
        scores = np.concatenate([targets["score"] for _, targets, _ in found])[:, 0]
        seen.append(images[np.isclose(scores, 0.4)])
    np.testing.assert_array_equal(*seen)
