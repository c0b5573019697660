import random
import sys

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.tensorflow_backend import OutOfMemory
from pneumoseg.pipeline.sampling.batches import Batch
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.training import history_name
from pneumoseg.pipeline.training import losses, step
from pneumoseg.pipeline.training.step import Supervised, default_policy, make_trainer, policies_of_processor


def tiny(*changes: str):
    return load_settings(
        "demo",
        [
            *("patches.shape=[8, 8, 8]", "network.filters=[4, 8]", "training.precision=float32"),
            *("training.metrics=[]", *changes),
        ],
    )


THREE_LEVELS = "network.filters=[4, 4, 8]"


@pytest.fixture
def batch() -> Batch:
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 8, 8, 8, 1), np.uint8)
    labels[:, 2:6, 1:7, 3:] = 1
    labels[:, 5:] = 3
    return Batch((labels + rng.normal(size=labels.shape)).astype(np.float32), labels)


def weights(trainer) -> list[np.ndarray]:
    return trainer.network.get_weights()


def assert_equal(ours, theirs, **tolerance):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def test_the_seed_decides_the_weights_whatever_other_threads_draw(monkeypatch):
    def weights():
        return [np.asarray(one) for one in make_trainer(tiny()).model.variables]

    expected = weights()
    build = step.build_network

    def build_while_others_draw(*arguments):
        random.random()  # as a thread of Dask may at any time
        return build(*arguments)

    monkeypatch.setattr(step, "build_network", build_while_others_draw)
    for one, other in zip(weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sys.modules[keras.random.SeedGenerator.__module__].python_random is random


def test_training_falls_and_testing_changes_nothing(batch):
    trainer = make_trainer(tiny("training.metrics=[tversky, soft-dice, dice-crossentropy]"))
    first = trainer.test(batch)
    before = weights(trainer)
    assert trainer.test(batch) == first
    assert_equal(weights(trainer), before)
    rows = [trainer.train(batch, 1e-2) for _ in range(20)]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert set(first) == set(rows[0]) == {"loss", "tversky", "soft_dice", "dice_crossentropy"}
    assert rows[-1]["soft_dice"] > rows[0]["soft_dice"]


def test_a_gpu_without_memory_is_told_with_the_remedy(batch, monkeypatch):
    trainer = make_trainer(tiny())

    def full(*arguments, **keywords):
        raise OutOfMemory(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(trainer.model, "train_on_batch", full)
    with pytest.raises(InputError, match=r"2 patches of \[8, 8, 8\] at once: lower patches.batch"):
        trainer.train(batch, 1e-2)


def test_the_averaged_weights_are_the_moving_average(batch):
    trainer = make_trainer(tiny("training.average_decay=0.75"))
    average = None
    for _ in range(4):
        trainer.train(batch, 1e-2)
        current = [variable.numpy() for variable in trainer.network.trainable_variables]
        average = current if average is None else [0.75 * a + 0.25 * c for a, c in zip(average, current, strict=True)]
    trained = weights(trainer)
    with trainer.counting_weights():
        assert_equal(trainer.network.trainable_variables, average, atol=1e-5)
    assert_equal(weights(trainer), trained, atol=0)
    assert not np.allclose(average[0], trained[0], atol=1e-4)


def test_averaging_leaves_the_heads_of_deep_supervision_as_they_were_trained(batch):
    options = ("training.average_decay=0.75", "training.deep_supervision=1", "network.filters=[2, 2, 4]")
    trainer = make_trainer(tiny(*options))
    for _ in range(3):
        trainer.train(batch, 1e-2)
    trained = trainer.model.get_weights()
    with trainer.counting_weights():
        assert not np.allclose(trainer.model.get_weights()[-2], trained[-2], atol=1e-4)
    assert_equal(trainer.model.get_weights(), trained, atol=0)


def regularised(dimensions, channels, classes, settings, dtype):
    inputs = keras.Input((None,) * dimensions + (channels,))
    regulariser = keras.regularizers.L2(10.0)
    scores = keras.layers.Conv3D(classes, 1, kernel_regularizer=regulariser, activation="softmax")(inputs)
    return keras.Model(inputs, scores)


def test_what_a_network_of_ones_own_adds_to_the_loss_is_trained(batch):
    trainer = make_trainer(tiny(f"network.name={__name__}:regularised"))
    kernel = trainer.network.trainable_variables[0].numpy()
    tested, trained = trainer.test(batch)["loss"], trainer.train(batch, 1e-3)["loss"]
    assert trained == pytest.approx(tested + 10 * np.square(kernel).sum(), rel=1e-4)


def test_accumulated_steps_are_one_step_with_the_mean_gradient(batch):
    options = ("training.optimizer=sgd", "network.batch_norm=false", "training.gradient_clip_norm=null")
    whole, parts = make_trainer(tiny(*options)), make_trainer(tiny(*options, "training.accumulated_steps=2"))
    before = weights(parts)
    whole.train(batch, 0.1)
    parts.train(Batch(batch.images[:1], batch.labels[:1]), 0.1)
    assert_equal(weights(parts), before, atol=0)
    parts.train(Batch(batch.images[1:], batch.labels[1:]), 0.1)
    assert_equal(weights(parts), weights(whole), atol=1e-5)
    assert not np.allclose(before[0], weights(whole)[0], atol=1e-4)


def test_deep_supervision_adds_the_coarser_levels_to_the_loss(batch):
    options = ("network.batch_norm=false", "network.filters=[2, 2, 4, 4]")
    settings = tiny("training.deep_supervision=2", *options)
    trainer = make_trainer(settings)
    outputs = [np.asarray(output) for output in trainer.model(batch.images)]
    assert [output.shape for output in outputs] == [(2, 8, 8, 8, 4), (2, 4, 4, 4, 4), (2, 2, 2, 2, 4)]
    levels = [
        float(losses.make_loss(settings.loss, 4)(batch.labels[:, ::step, ::step, ::step], output))
        for step, output in zip((1, 2, 4), outputs, strict=True)
    ]
    assert trainer.test(batch)["loss"] == pytest.approx(levels[0], rel=1e-4)
    expected = (4 * levels[0] + 2 * levels[1] + levels[2]) / 7
    assert trainer.train(batch, 1e-3)["loss"] == pytest.approx(expected, rel=1e-4)
    assert len(trainer.network.outputs) == 1
    assert trainer.network.count_params() == make_trainer(tiny(*options)).network.count_params()


def test_more_levels_than_the_network_has_are_refused():
    with pytest.raises(InputError, match=r"3 levels below the first were asked for, .*no layer decoder_2"):
        make_trainer(tiny("training.deep_supervision=3", THREE_LEVELS))


def test_bfloat16_keeps_weights_and_losses_in_float32(batch):
    trainer = make_trainer(tiny("training.precision=mixed_bfloat16", "patches.shape=[16, 8, 8]"))
    wide = Batch(np.repeat(batch.images, 2, axis=1), np.repeat(batch.labels, 2, axis=1))
    rows = [trainer.train(wide, 1e-2) for _ in range(8)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {array.dtype for array in weights(trainer)} == {np.dtype(np.float32)}
    assert trainer.network.output.dtype == "float32"
    assert trainer.network.layers[1].compute_dtype == "bfloat16"


def test_float16_scales_the_loss(batch, monkeypatch):
    monkeypatch.setattr(hardware, "gpu_available", lambda: True)
    trainer = make_trainer(tiny("training.precision=mixed_float16", "patches.shape=[8, 8]"))
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer)
    flat = Batch(batch.images[:, :, :, 4], batch.labels[:, :, :, 4])
    rows = [trainer.train(flat, 1e-2) for _ in range(8)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    model, optimizer = trainer.state()
    other = make_trainer(tiny("training.precision=mixed_float16", "patches.shape=[8, 8]", "seed=5"))
    other.restore(model, optimizer)
    assert_equal(weights(other), weights(trainer), atol=0)


def test_precisions_that_would_give_wrong_results_are_refused():
    with pytest.raises(InputError, match="mixed_float16 needs a GPU"):
        make_trainer(tiny("training.precision=mixed_float16"))
    with pytest.raises(InputError, match=r"2 voxels wide, as with patches.shape \[8, 8, 8\] and 3 levels"):
        make_trainer(tiny("training.precision=mixed_bfloat16", THREE_LEVELS))


def test_a_policy_is_that_of_the_settings_unless_another_is_given(monkeypatch):
    wide = ("patches.shape=[16, 8, 8]", "training.precision=auto")
    assert make_trainer(tiny(*wide)).precision == default_policy(tiny(*wide)) == "float32"
    trainer = make_trainer(tiny(*wide), policy="mixed_bfloat16")
    assert (trainer.precision, trainer.network.layers[1].compute_dtype) == ("mixed_bfloat16", "bfloat16")
    monkeypatch.setattr(hardware, "gpu_available", lambda: True)
    monkeypatch.setattr(hardware, "gpu_precision", lambda: "mixed_float16")
    assert default_policy(tiny(*wide)) == "mixed_float16"
    assert default_policy(tiny("training.precision=mixed_bfloat16")) == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("instructions", "changes", "policies"),
    [
        (("amx_bf16",), ("patches.shape=[16, 8, 8]",), ["float32", "mixed_bfloat16"]),
        (("avx512_bf16",), ("patches.shape=[8, 8]",), ["float32", "mixed_bfloat16"]),
        (("avx512_bf16",), ("patches.shape=null", "patches.batch=1"), ["float32", "mixed_bfloat16"]),
        (("avx512_bf16",), ("patches.shape=[8, 8, 8]",), ["float32"]),  # 8, 4 and 2 voxels wide
        (("avx512f", "avx512_vnni"), ("patches.shape=[16, 8, 8]",), ["float32"]),
        ((), ("patches.shape=[16, 8, 8]",), ["float32"]),
    ],
)
def test_a_processor_trains_in_bfloat16_where_it_can(set_instructions, instructions, changes, policies):
    set_instructions(*instructions)
    assert policies_of_processor(tiny(THREE_LEVELS, *changes)) == policies


@pytest.mark.parametrize(
    "changes",
    [
        ("training.average_decay=0.9", "training.deep_supervision=1", THREE_LEVELS),
        ("training.optimizer=sgd", "training.accumulated_steps=2"),
        ("training.optimizer=rmsprop", "training.average_decay=0.9"),
    ],
)
def test_a_restored_trainer_goes_on_to_the_same_weights(batch, changes):
    trainer = make_trainer(tiny(*changes))
    for _ in range(3):
        trainer.train(batch, 1e-2)
    state = trainer.state()
    trainer.train(batch, 1e-2)
    other = make_trainer(tiny(*changes, "seed=5"))
    other.restore(*state)
    other.train(batch, 1e-2)
    assert_equal(weights(other), weights(trainer), atol=1e-4)
    assert_equal(other.optimizer.variables, trainer.optimizer.variables, atol=1e-3, rtol=1e-3)


def test_nothing_is_traced_after_the_first_step(batch, monkeypatch):
    traced = []
    compute_loss = Supervised.compute_loss

    def counted(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        traced.append(training)
        return compute_loss(self, x, y, y_pred, sample_weight, training)

    monkeypatch.setattr(Supervised, "compute_loss", counted)
    trainer = make_trainer(tiny())
    trainer.train(batch, 1e-3)
    trainer.test(batch)
    first = len(traced)
    assert first > 0
    for _ in range(3):
        trainer.train(batch, 1e-2)
        trainer.test(batch)
    assert len(traced) == first


@pytest.mark.parametrize("preset", ["picture-unet", "picture-unet-printed", "slice-unet-iou", "binary-slice-unet"])
def test_a_sigmoid_of_any_channels_learns_in_each_preset(batch, preset):
    small = ("preprocessing.size=null", "preprocessing.every=1", "patches.shape=[8, 8]", "network.filters=[4, 8]")
    settings = load_settings(preset, [*small, "training.precision=float32"])
    labels = (batch.labels[:, :, :, 4] == 3).astype(np.uint8)
    images = np.repeat(batch.images[:, :, :, 4], settings.channels, axis=-1)
    trainer = make_trainer(settings)
    rows = [trainer.train(Batch(images, labels), 1e-2) for _ in range(20)]
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert set(rows[0]) == {"loss", *(history_name(name) for name in settings.training.metrics)}


def test_deep_supervision_has_sigmoids_too(batch):
    small = ("preprocessing.size=null", "patches.shape=[8, 8]", "network.filters=[4, 4, 8]")
    settings = load_settings("binary-slice-unet", [*small, "training.deep_supervision=1"])
    trainer = make_trainer(settings, policy="float32")
    labels = (batch.labels[:, :, :, 4] == 3).astype(np.uint8)
    outputs = [np.asarray(output) for output in trainer.model(batch.images[:, :, :, 4])]
    assert [output.shape for output in outputs] == [(2, 8, 8, 2), (2, 4, 4, 2)]
    for output in outputs:
        np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-6)
    assert trainer.model.count_params() - trainer.network.count_params() == 4 + 1
    assert np.isfinite(trainer.train(Batch(batch.images[:, :, :, 4], labels), 1e-3)["loss"])


def test_rmsprop_divides_by_the_running_root_mean_square(batch):
    options = ("network.batch_norm=false", "training.gradient_clip_norm=null")
    plain, rooted = (make_trainer(tiny(f"training.optimizer={name}", *options)) for name in ("sgd", "rmsprop"))
    before = weights(plain)
    plain.optimizer.momentum = 0.0
    plain.optimizer.nesterov = False
    plain.train(batch, 1.0)
    rooted.train(batch, 1e-3)
    gradients = [old - new for old, new in zip(before, weights(plain), strict=True)]
    # After the first step the mean square is a tenth of the squared gradient.
    for old, new, gradient in zip(before, weights(rooted), gradients, strict=True):
        expected = 1e-3 * gradient / np.sqrt(0.1 * gradient**2 + 1e-7)
        np.testing.assert_allclose(old - new, expected, rtol=2e-2, atol=2e-5)
