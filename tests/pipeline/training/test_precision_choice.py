"""Which precision trains fastest is measured for long runs alone, and kept for all."""

from types import SimpleNamespace

import pytest

from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training import precision_choice
from pneumoseg.pipeline.training.precision_choice import choose_policy, known_policies

SHAPES = [(32, 32, 16)]


def tiny(*changes: str):
    return load_settings("demo", ["patches.shape=[8, 8, 8]", "network.filters=[4, 8]", "patches.batch=2", *changes])


@pytest.fixture
def batches_seen(every_precision, own_cache, monkeypatch):
    """Networks that are quick to train, with the losses 1.0 and 1.05; the shapes of the batches that they are given."""
    seen = []

    def make_trainer(settings, *, policy):
        def train(batch, rate):
            seen.append(batch.images.shape)
            assert batch.labels.shape == (*batch.images.shape[:-1], 1)
            return {"loss": LOSSES[policy]}

        return SimpleNamespace(train=train)

    monkeypatch.setattr(precision_choice, "make_trainer", make_trainer)
    monkeypatch.setattr(precision_choice, "build_network", lambda settings: None)
    monkeypatch.setattr(precision_choice, "_expected_s", lambda network, shape, batch: 1.0)
    return seen


LOSSES = {"float32": 1.0, "mixed_bfloat16": 1.05}


@pytest.fixture
def long_run(batches_seen, monkeypatch):
    monkeypatch.setattr(precision_choice, "SHORT_RUN_S", 0.0)


@pytest.mark.usefixtures("batches_seen")
@pytest.mark.parametrize(("epochs", "timed"), [(11, False), (12, True)])
def test_a_run_of_less_than_ten_minutes_is_in_float32_and_nothing_is_timed(force_seconds, epochs, timed):
    """Steps of a second, 50 in an epoch."""
    left = force_seconds(2.0, 1.0)
    policy = choose_policy(tiny("training.steps_per_epoch=50", f"training.epochs={epochs}"), SHAPES)
    assert policy == ("mixed_bfloat16" if timed else "float32")
    assert left == ([] if timed else [2.0, 1.0])
    assert (cache_folder() / "training-times.json").is_file() == timed


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize(("seconds", "policy"), [((1.0, 2.0), "float32"), ((2.0, 1.0), "mixed_bfloat16")])
def test_the_fastest_is_taken_and_known_from_then_on_for_short_runs_too(force_seconds, monkeypatch, seconds, policy):
    force_seconds(*seconds)
    assert choose_policy(tiny(), SHAPES) == policy
    force_seconds()
    assert choose_policy(tiny(), SHAPES) == policy
    monkeypatch.setattr(precision_choice, "SHORT_RUN_S", 1e9)
    assert choose_policy(tiny("training.epochs=1"), SHAPES) == policy
    (words,) = known_policies()
    assert words.startswith("tensorflow 2.")
    assert f": {policy} (float32 {seconds[0]:g} s, mixed_bfloat16 {seconds[1]:g} s)" in words


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize(
    "changes", [("network.filters=[4, 16]",), ("patches.shape=[16, 8, 8]",), ("training.optimizer=sgd",)]
)
def test_another_step_and_another_processor_are_measured_anew(force_seconds, monkeypatch, changes):
    force_seconds(1.0, 2.0)
    assert choose_policy(tiny(), SHAPES) == "float32"
    left = force_seconds(2.0, 1.0)
    assert choose_policy(tiny(*changes), SHAPES) == "mixed_bfloat16"
    assert not left
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "processor_key", lambda: "another-2")
        force_seconds(2.0, 1.0)
        assert choose_policy(tiny(), SHAPES) == "mixed_bfloat16"
        assert len(known_policies()) == 1
    assert len(known_policies()) == 2
    force_seconds()
    assert choose_policy(tiny(), SHAPES) == "float32"


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize("loss", [0.5, 1.2, float("nan")])
def test_a_precision_of_another_loss_is_not_taken(force_seconds, monkeypatch, loss):
    monkeypatch.setitem(LOSSES, "mixed_bfloat16", loss)
    left = force_seconds(2.0, 1.0)
    assert choose_policy(tiny(), SHAPES) == "float32"
    assert left == [1.0]


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_precision_that_is_set_is_taken_untimed(force_seconds, policy):
    force_seconds()
    assert choose_policy(tiny(f"training.precision={policy}"), SHAPES) == policy


@pytest.mark.usefixtures("long_run")
def test_a_level_two_voxels_wide_is_never_in_bfloat16(force_seconds):
    force_seconds()
    assert choose_policy(tiny("network.filters=[4, 4, 8]"), SHAPES) == "float32"


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize("instructions", [(), ("avx2", "avx512_vnni")])
def test_a_processor_without_bfloat16_times_nothing(force_seconds, set_instructions, instructions):
    set_instructions(*instructions)
    force_seconds()
    assert choose_policy(tiny(), SHAPES) == "float32"


@pytest.mark.usefixtures("long_run")
def test_a_gpu_is_not_timed(force_seconds, monkeypatch):
    force_seconds()
    monkeypatch.setattr(hardware, "gpu_available", lambda: True)
    monkeypatch.setattr(hardware, "gpu_precision", lambda: "mixed_float16")
    assert choose_policy(tiny(), SHAPES) == "mixed_float16"


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize("content", [b"", b"half of {", b"[]", b'{"key": 3}'])
def test_a_damaged_file_of_times_is_measured_again(force_seconds, content):
    cache_folder().mkdir()
    (cache_folder() / "training-times.json").write_bytes(content)
    force_seconds(2.0, 1.0)
    assert choose_policy(tiny(), SHAPES) == "mixed_bfloat16"
    force_seconds()
    assert choose_policy(tiny(), SHAPES) == "mixed_bfloat16"


@pytest.mark.usefixtures("long_run")
@pytest.mark.parametrize(
    ("voxels_a_second", "shape"), [(1e9, (2, 8, 8, 8, 1)), (300, (1, 4, 8, 8, 1)), (1, (1, 2, 2, 2, 1))]
)
def test_long_steps_are_timed_on_smaller_patches(batches_seen, force_seconds, monkeypatch, voxels_a_second, shape):
    """At 300 voxels a second, one patch of 256 takes less than 1.5 s, one of 512 more."""
    monkeypatch.setattr(
        precision_choice,
        "_expected_s",
        lambda network, shape, batch: batch * volume(shape) / voxels_a_second,
    )
    force_seconds(2.0, 1.0)
    choose_policy(tiny(), SHAPES)
    assert set(batches_seen) == {shape}


def volume(shape) -> int:
    return shape[0] * shape[1] * shape[2]


@pytest.mark.usefixtures("every_precision", "own_cache")
def test_a_real_step_is_timed_in_each_precision(monkeypatch):
    monkeypatch.setattr(precision_choice, "SHORT_RUN_S", 0.0)
    monkeypatch.setattr(precision_choice, "step_seconds", lambda operations: 1.0)
    policy = choose_policy(tiny("network.filters=[2, 4]", "training.metrics=[]", "patches.batch=1"), SHAPES)
    (words,) = known_policies()
    assert f": {policy} (float32 " in words
    assert " s, mixed_bfloat16 " in words


@pytest.mark.usefixtures("long_run")
def test_patches_of_three_channels_are_timed_as_such(force_seconds, batches_seen):
    force_seconds(1.0, 2.0)
    choose_policy(tiny("preprocessing.channels=3"), SHAPES)
    assert batches_seen
    assert {shape[-1] for shape in batches_seen} == {3}
