import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from loky import get_reusable_executor

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.partial_labels import IGNORED
from pneumoseg.pipeline.runtime.executors import SerialExecutor, background_threads, local_processes
from pneumoseg.pipeline.sampling import batches, patches
from pneumoseg.pipeline.settings.loading import load_settings


def small(*changes: str):
    return load_settings("demo", ["patches.shape=[8, 8, 8]", "training.steps_per_epoch=4", *changes])


# Every change of place, none of the values, so that the image shows what became of the labels: value = label / 4.
ONLY_PLACES = (
    "augmentation.probability=1",
    "augmentation.elastic_alpha=[0, 900]",
    "augmentation.elastic_sigma=[3, 5]",
    "augmentation.mirror_axes=[1, 2]",
    *(f"augmentation.{name}=[1, 1]" for name in ("brightness", "contrast", "gamma")),
    "augmentation.noise_variance=[0, 0]",
)


def test_a_batch_is_a_function_of_seed_epoch_and_step(blocks):
    one = batches.make_batch(blocks, small(), 2, step=3)
    np.testing.assert_array_equal(one.images, batches.make_batch(blocks, small(), 2, step=3).images)
    for other in (batches.make_batch(blocks, small(), 2, step=2), batches.make_batch(blocks, small(), 1, step=3)):
        assert not np.array_equal(one.images, other.images)
    assert not np.array_equal(one.images, batches.make_batch(blocks, small("seed=1"), 2, step=3).images)


def test_shapes_and_types(blocks):
    batch = batches.make_batch(blocks, small(), 0, step=0)
    assert batch.images.shape == batch.labels.shape == (2, 8, 8, 8, 1)
    assert batch.images.dtype == np.float32
    assert batch.labels.dtype == np.uint8
    flat = batches.make_batch(blocks, small("patches.shape=[8, 16]"), 0, step=0)
    assert flat.images.shape == (2, 8, 16, 1)


def test_workers_and_executors_change_nothing(blocks):
    expected = [batches.make_batch(blocks, small(), 0, step=step) for step in range(4)]
    with background_threads() as threads, local_processes(1) as processes:
        for choice in (
            {"workers": 0},
            {"workers": 2},
            {"executor": SerialExecutor()},
            {"executor": threads},
            {"executor": processes, "workers": 1},
        ):
            made = list(batches.training_batches(blocks, small(), 0, **choice))
            for one, other in zip(expected, made, strict=True):
                np.testing.assert_array_equal(one.images, other.images)
                np.testing.assert_array_equal(one.labels, other.labels)


def test_the_same_processes_make_the_batches_of_every_epoch(blocks):
    list(batches.training_batches(blocks, small(), 0, workers=1))
    first = set(get_reusable_executor(reuse=True)._processes)
    list(batches.training_batches(blocks, small(), 1, workers=1))
    assert set(get_reusable_executor(reuse=True)._processes) == first


def test_without_augmentation_a_patch_is_a_normalised_crop(blocks):
    settings = small("augmentation.enabled=false", "patches.shape=[16, 16, 16]")
    image, labels = batches.training_sample(blocks, settings, 0, step=0, index=0)
    inside = (slice(None), slice(None), slice(2, 14))
    np.testing.assert_allclose(image[..., 0][inside], (labels[inside] / 4 - 0.1) / 0.2, atol=2e-3)
    assert (labels[:, :, :2] == 0).all()
    np.testing.assert_allclose(image[:, :, :2], (0.5 - 0.1) / 0.2, atol=1e-6)


def test_all_foreground_patches_hold_infection(blocks):
    settings = small("patches.foreground_share=1", "augmentation.enabled=false")
    for step in range(10):
        assert (batches.make_batch(blocks, settings, 0, step=step).labels == 3).any(axis=(1, 2, 3, 4)).all()


def test_a_mirrored_sample_swaps_lungs_and_keeps_sides(make_stored):
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:3], labels[5:] = 1, 2
    case = make_stored("lungs", labels)
    changes = ["augmentation.mirror_axes=[0]", "augmentation.mirror_probability=1", "augmentation.probability=0"]
    _, mirrored = batches.training_sample([case], small(*changes), 0, step=0, index=0)
    np.testing.assert_array_equal(mirrored, labels)


def test_grid_sampling_shows_each_tile_once_an_epoch(make_stored):
    labels = np.zeros((16, 8, 8), np.uint8)
    labels[:8], labels[8:] = 1, 2
    case = make_stored("halves", labels)
    settings = small("patches.sampling=grid", "patches.batch=1", "augmentation.enabled=false")
    assert batches.steps_in_epoch([case.shape], settings) == 2
    seen = {int(batches.make_batch([case], settings, 0, step=step).labels.max()) for step in range(2)}
    assert seen == {1, 2}


def test_tiles_without_foreground_are_left_out(make_stored):
    labels = np.zeros((8, 8, 6), np.uint8)
    labels[2, 2, 1], labels[5, 5, 4], labels[:, :, 3] = 3, 3, 1
    case = make_stored("two_slices", labels)
    changes = ["patches.shape=[8, 8]", "patches.sampling=grid", "patches.batch=1", "augmentation.enabled=false"]
    settings = load_settings("demo", [*changes, "network.filters=[4, 8]", "patches.empty=drop"])
    assert batches.steps_on_cases([case], settings) == 2
    for step in range(2):
        assert (batches.make_batch([case], settings, 0, step=step).labels == 3).sum() == 1
    assert sum(len(batch.images) for batch in batches.validation_batches([case], settings)) == 2
    kept = load_settings("demo", [*changes, "network.filters=[4, 8]"])
    assert batches.steps_on_cases([case], kept) == batches.steps_in_epoch([case.shape], kept) == 6
    with pytest.raises(InputError, match=r"no tile of the 1 cases, in training or validation, holds a voxel of \[2\]"):
        wanted = [*changes, "network.filters=[4, 8]", "patches.empty=drop", "patches.foreground_labels=[2]"]
        batches.steps_on_cases([case], load_settings("demo", wanted))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("enabled", [True, False])
def test_neighbouring_slices_are_channels_of_a_sample(make_stored, axis, enabled):
    """The image shows the labels, which differ from slice to slice: the middle channel is the labels' slice."""
    shape = [16, 16, 16]
    labels = np.zeros(shape, np.uint8) + np.expand_dims(np.arange(16) % 4, [one for one in range(3) if one != axis])
    case = make_stored("stripes", labels.astype(np.uint8))
    still = [f"augmentation.{name}" for name in ("scale=[1, 1]", "elastic_alpha=[0, 0]", "brightness=[1, 1]")]
    still += [f"augmentation.{name}" for name in ("contrast=[1, 1]", "gamma=[1, 1]", "noise_variance=[0, 0]")]
    settings = load_settings(
        "demo",
        [
            "patches.shape=[8, 8]",
            "patches.neighbours=1",
            f"patches.axis={axis}",
            "network.filters=[4, 8]",
            f"augmentation.enabled={str(enabled).lower()}",
            "augmentation.probability=1",
            "augmentation.mirror_axes=[]",
            *still,
        ],
    )
    for step in range(6):
        batch = batches.make_batch([case], settings, 0, step=step)
        assert batch.images.shape == (2, 8, 8, 3) and batch.labels.shape == (2, 8, 8, 1)
        values = np.rint((batch.images * 0.2 + 0.1) * 4)[:, 4, 4]
        middle = batch.labels[:, 4, 4, 0].astype(int)
        for channels, label in zip(values, middle, strict=True):
            assert channels[1] == label
            for neighbour, step_across in ((channels[0], -1), (channels[2], 1)):
                assert neighbour in ((label + step_across) % 4, 2)  # 2: air, beyond the volume


def test_a_sagittal_slice_has_no_left_and_right_to_mirror(make_stored):
    labels = np.ones((8, 8, 8), np.uint8)
    case = make_stored("left", labels)
    changes = ["augmentation.mirror_axes=[0]", "augmentation.mirror_probability=1", "augmentation.probability=0"]
    settings = load_settings("demo", ["patches.shape=[8, 8]", "patches.axis=0", "network.filters=[4, 8]", *changes])
    assert (batches.make_batch([case], settings, 0, step=0).labels == 1).all()


def test_the_full_image_is_rounded_up_to_what_the_network_takes(blocks):
    settings = load_settings("demo", ["patches.shape=null", "patches.batch=1", "augmentation.enabled=false"])
    batch = batches.make_batch(blocks, settings, 0, step=0)
    assert batch.images.shape == (1, 16, 16, 16, 1)
    assert (batch.labels == 3).any()


def test_validation_patches_are_fixed_and_show_every_class(blocks):
    settings = small("training.validation_patches=12", "training.monitor=validation")
    first, again = (list(batches.validation_batches(blocks, settings)) for _ in range(2))
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


def test_full_images_are_validated_once_each(make_stored):
    cases = [make_stored(f"case_{index}", np.full((8, 8, 6), index, np.uint8)) for index in range(3)]
    settings = small("patches.shape=null", "patches.batch=1", "network.filters=[4, 8]")
    fixed = list(batches.validation_batches(cases, settings))
    assert [batch.labels.shape for batch in fixed] == [(1, 8, 8, 6, 1)] * 3
    assert [int(batch.labels[0, 4, 4, 3, 0]) for batch in fixed] == [0, 1, 2]


def test_order_0_reads_stored_halves(blocks):
    settings = small("augmentation.image_order=0", "augmentation.probability=1")
    assert batches.make_batch(blocks, settings, 0, step=0).images.dtype == np.float32


@pytest.mark.parametrize("shape", ["[8, 8, 8]", "[16, 8]"])
def test_image_and_labels_stay_aligned(blocks, shape):
    settings = small(*ONLY_PLACES, "augmentation.image_order=0", f"patches.shape={shape}")
    seen = set()
    for step in range(10):
        batch = batches.make_batch(blocks, settings, 0, step=step)
        values = batch.images * 0.2 + 0.1
        outside = np.isclose(values, 0.5) & (batch.labels == 0)
        np.testing.assert_allclose(values[~outside], batch.labels[~outside] / 4, atol=1e-3)
        seen |= set(np.unique(batch.labels))
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("order", [1, 3])
def test_interpolated_values_lie_on_the_labels_and_within_the_window(blocks, order):
    settings = small(*ONLY_PLACES, f"augmentation.image_order={order}")
    made = [batches.make_batch(blocks, settings, 0, step=step) for step in range(10)]
    values = np.stack([batch.images for batch in made]) * 0.2 + 0.1
    labels = np.stack([batch.labels for batch in made])
    assert -1e-5 <= values.min() <= values.max() <= 1 + 1e-5
    assert values[labels == 1].mean() == pytest.approx(0.25, abs=0.03)
    assert values[labels == 2].mean() == pytest.approx(0.5, abs=0.05)


def test_every_voxel_has_a_class_and_outside_is_background(make_stored):
    case = make_stored("full", np.full((12, 12, 12), 2))
    settings = small(*ONLY_PLACES, "patches.shape=[16, 16, 16]", "augmentation.image_order=0")
    for step in range(5):
        batch = batches.make_batch([case], settings, 0, step=step)
        assert set(np.unique(batch.labels)) == {0, 2}


def test_augmented_patches_show_the_classes_as_often_as_plain_ones(make_stored):
    # Bars that go on beyond every patch along x and y: what is seen does not depend on where one looks.
    along_z = np.arange(48) // 4 % 3
    case = make_stored("bars", np.broadcast_to(along_z + 1, (32, 32, 48)))
    changes = ("patches.shape=[16, 16, 16]", "training.steps_per_epoch=60", "augmentation.mirror_axes=[]")
    shares = []
    for enabled in ("true", "false"):
        settings = small(*ONLY_PLACES, *changes, f"augmentation.enabled={enabled}")
        labels = np.stack([batches.make_batch([case], settings, 0, step=step).labels for step in range(60)])
        inside = labels[labels > 0]
        shares.append([np.mean(inside == label) for label in (1, 2, 3)])
        shares[-1].append(np.mean(np.diff(labels[..., 0].astype(int), axis=-1) != 0))
    np.testing.assert_allclose(shares[0], shares[1], rtol=0.1)


def test_tiles_are_counted_once_for_all_samples(blocks, monkeypatch):
    calls = []
    original = patches.grid_corners
    monkeypatch.setattr(patches, "grid_corners", lambda *shapes: calls.append(1) or original(*shapes))
    settings = small("patches.sampling=grid")
    for step in range(5):
        batches.make_batch(blocks, settings, 0, step=step)
    assert len(calls) == len(blocks)


def test_a_serial_executor_makes_each_batch_when_it_is_asked_for(blocks, monkeypatch):
    steps = []
    original = batches.make_batch
    monkeypatch.setattr(
        batches, "make_batch", lambda *arguments, step: steps.append(step) or original(*arguments, step=step)
    )
    made = batches.training_batches(blocks, small(), 0, executor=SerialExecutor())
    for count in (1, 2):
        next(made)
        assert steps == list(range(count))


def test_a_killed_worker_is_reported_at_once(blocks):
    made = batches.training_batches(blocks, small("training.steps_per_epoch=1000"), 0, workers=1)
    next(made)
    for process in get_reusable_executor(reuse=True)._processes.copy():
        os.kill(process, signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(InputError, match="was killed"):
        list(made)
    assert time.monotonic() - started < 10
    # A new epoch starts with new workers.
    assert next(batches.training_batches(blocks, small(), 0, workers=1)).images.shape == (2, 8, 8, 8, 1)


def test_a_failing_worker_says_why(blocks):
    broken = [case for case in blocks if (case.folder / "image.npy").unlink() is None]
    with pytest.raises(FileNotFoundError):
        list(batches.training_batches(broken, small(), 0, workers=1))


def test_plain_batches_are_fixed_by_their_stream(blocks):
    one, again, other = (
        batches.plain_batch(blocks, small(), 6, stream=stream)
        for stream in (batches.CALIBRATION, batches.CALIBRATION, batches.COMPARISON)
    )
    assert one.images.shape == one.labels.shape == (6, 8, 8, 8, 1)
    np.testing.assert_array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images)
    centres = batches.plain_batch(blocks, small("patches.shape=[4, 4, 4]", "network.filters=[4, 8]"), 6, stream=5)
    assert list(centres.labels[:, 2, 2, 2, 0]) == [1, 2, 3, 1, 2, 3]


def with_ignored(blocks, make_stored):
    """The first of the blocks, of which the first 12 sagittal slices count."""
    labels = np.array(blocks[0].labels)
    labels[12:] = IGNORED
    return make_stored("partly", labels)


def test_ignored_voxels_stay_ignored_in_augmented_mirrored_patches(blocks, make_stored):
    settings = small("augmentation.mirror_probability=1", "augmentation.mirror_axes=[0]")
    case = with_ignored(blocks, make_stored)
    found = set()
    for step in range(8):
        found.update(np.unique(batches.make_batch([case], settings, 0, step=step).labels).tolist())
    assert IGNORED in found and found <= {0, 1, 2, 3, IGNORED}


def test_random_patches_hold_voxels_that_count(make_stored):
    labels = np.full((64, 8, 8), IGNORED, np.uint8)
    labels[:4] = 1
    settings = small("patches.foreground_share=0", "augmentation.enabled=false")
    case = make_stored("edge", labels)
    shown = [batches.make_batch([case], settings, 0, step=step).labels for step in range(20)]
    with_some = np.mean([(label != IGNORED).any() for batch in shown for label in batch])
    assert with_some > 0.8  # of all places 1 in 14 do


def test_tiles_in_which_no_voxel_counts_are_left_out_of_a_grid(make_stored):
    labels = np.full((32, 8, 8), IGNORED, np.uint8)
    labels[:10] = 1
    assert batches.steps_on_cases([make_stored("edge", labels)], small("patches.sampling=grid", "patches.batch=1")) == 2


def test_labels_of_a_case_name_the_classes_that_may_hide(blocks, make_stored):
    hidden = ((), (3,), (3,), ())
    lungs = np.minimum(blocks[0].labels, 2)
    partly = make_stored("lungs", lungs, hidden)
    settings = small("augmentation.mirror_probability=1", "augmentation.mirror_axes=[0]")
    labels = batches.make_batch([partly], settings, 0, step=1).labels
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) == {0, 1 + (1 << 11), 2 + (1 << 11)}
    assert batches.make_batch(blocks, settings, 0, step=1).labels.dtype == np.uint8


def test_cases_are_drawn_by_their_weights(blocks):
    rare, frequent = replace(blocks[0], weight=0.5), replace(blocks[1], weight=4.5)
    settings = small("patches.batch=1")
    names = [batches.cases_in_batch([rare, frequent], settings, 0, step=step)[0] for step in range(400)]
    assert names.count("one") / len(names) == pytest.approx(0.1, abs=0.04)


def test_equal_weights_draw_as_no_weights_do(blocks):
    doubled = [replace(case, weight=2.0) for case in blocks]
    settings = small()
    expected = batches.make_batch(blocks, settings, 0, step=5)
    np.testing.assert_array_equal(batches.make_batch(doubled, settings, 0, step=5).images, expected.images)


def test_a_share_of_the_patches_is_read_from_equalised_slices(blocks, make_stored):
    labels = np.array(blocks[0].labels)
    bright = make_stored("bright", labels)
    image = np.load(bright.folder / "image.npy")
    np.save(bright.folder / "image.npy", image + np.float16(10))
    case = replace(blocks[0], equalised=bright)
    settings = small("augmentation.equalise=0.25", "augmentation.probability=0", "patches.batch=1")
    shown = [batches.make_batch([case], settings, 0, step=step).images.max() > 5 for step in range(200)]
    assert np.mean(shown) == pytest.approx(0.25, abs=0.1)
    never = small("patches.batch=1", "augmentation.probability=0")
    assert batches.make_batch([case], never, 0, step=0).images.max() < 10
