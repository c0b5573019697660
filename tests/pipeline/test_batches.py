import numpy as np
import pytest

from pipeline import batches
from pipeline.configuration import load_settings


def small(*changes: str):
    return load_settings("demo", ["patches.shape=[8, 8, 8]", "training.steps_per_epoch=4", *changes])


def test_a_batch_is_a_function_of_seed_epoch_and_step(blocks):
    one = batches.make_batch(blocks, small(), 2, 3)
    np.testing.assert_array_equal(one.images, batches.make_batch(blocks, small(), 2, 3).images)
    for other in (batches.make_batch(blocks, small(), 2, 2), batches.make_batch(blocks, small(), 1, 3)):
        assert not np.array_equal(one.images, other.images)
    assert not np.array_equal(one.images, batches.make_batch(blocks, small("seed=1"), 2, 3).images)


def test_shapes_and_types(blocks):
    batch = batches.make_batch(blocks, small(), 0, 0)
    assert batch.images.shape == batch.labels.shape == (2, 8, 8, 8, 1)
    assert batch.images.dtype == np.float32
    assert batch.labels.dtype == np.uint8
    flat = batches.make_batch(blocks, small("patches.shape=[8, 16]"), 0, 0)
    assert flat.images.shape == (2, 8, 16, 1)


def test_workers_change_nothing(blocks):
    alone = list(batches.training_batches(blocks, small(), 0, workers=0))
    helped = list(batches.training_batches(blocks, small(), 0, workers=2))
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_without_augmentation_a_patch_is_a_normalised_crop(blocks):
    settings = small("augmentation.enabled=false", "patches.shape=[16, 16, 16]")
    image, labels = batches.training_sample(blocks, settings, 0, 0, 0)
    inside = (slice(None), slice(None), slice(2, 14))
    np.testing.assert_allclose(image[inside], (labels[inside] / 4 - 0.1) / 0.2, atol=2e-3)
    assert (labels[:, :, :2] == 0).all()
    np.testing.assert_allclose(image[:, :, :2], (0.5 - 0.1) / 0.2, atol=1e-6)


def test_all_foreground_patches_hold_infection(blocks):
    settings = small("patches.foreground_share=1", "augmentation.enabled=false")
    for step in range(10):
        assert (batches.make_batch(blocks, settings, 0, step).labels == 3).any(axis=(1, 2, 3, 4)).all()


def test_a_mirrored_sample_swaps_lungs_and_keeps_sides(make_stored):
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:3], labels[5:] = 1, 2
    case = make_stored("lungs", labels)
    changes = ["augmentation.mirror_axes=[0]", "augmentation.mirror_probability=1", "augmentation.probability=0"]
    _, mirrored = batches.training_sample([case], small(*changes), 0, 0, 0)
    np.testing.assert_array_equal(mirrored, labels)


def test_grid_sampling_shows_each_tile_once_an_epoch(make_stored):
    labels = np.zeros((16, 8, 8), np.uint8)
    labels[:8], labels[8:] = 1, 2
    case = make_stored("halves", labels)
    settings = small("patches.sampling=grid", "patches.batch=1", "augmentation.enabled=false")
    assert batches.steps_in_epoch([case], settings) == 2
    seen = {int(batches.make_batch([case], settings, 0, step).labels.max()) for step in range(2)}
    assert seen == {1, 2}


def test_the_full_image_is_rounded_up_to_what_the_network_takes(blocks):
    settings = load_settings("demo", ["patches.shape=null", "patches.batch=1", "augmentation.enabled=false"])
    batch = batches.make_batch(blocks, settings, 0, 0)
    assert batch.images.shape == (1, 16, 16, 16, 1)
    assert (batch.labels == 3).any()


def test_validation_patches_are_fixed_and_show_every_class(blocks):
    settings = small("training.validation_patches=12", "training.monitor=validation")
    first, again = (batches.validation_batches(blocks, settings) for _ in range(2))
    assert sum(len(batch.labels) for batch in first) == 12
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
    labels = np.concatenate([batch.labels for batch in first])
    for label in (1, 2, 3):
        assert (labels == label).any(axis=(1, 2, 3, 4)).sum() >= 4


def test_validation_patches_show_every_class_of_many_cases(make_stored):
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[0], labels[7], labels[4, 4, 4] = 1, 2, 3
    cases = [make_stored(f"case_{index}", labels) for index in range(10)]
    fixed = batches.validation_batches(cases, small("patches.shape=[2, 2, 2]", "network.filters=[4, 8]"))
    found = np.concatenate([batch.labels for batch in fixed])
    assert (found == 3).any(axis=(1, 2, 3, 4)).sum() >= 5


def test_order_0_reads_stored_halves(blocks):
    settings = small("augmentation.image_order=0", "augmentation.probability=1")
    assert batches.make_batch(blocks, settings, 0, 0).images.dtype == np.float32


def test_a_failing_worker_says_why(blocks):
    broken = [case for case in blocks if (case.folder / "image.npy").unlink() is None]
    with pytest.raises(FileNotFoundError):
        list(batches.training_batches(broken, small(), 0, workers=1))
