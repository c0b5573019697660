import contextlib
import functools
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, save_model
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from pneumoseg.pipeline.sampling.batches import Batch
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training import loop
from pneumoseg.pipeline.training.step import Trainer, make_trainer


def tiny(*changes: str):
    return load_settings(
        "demo",
        [
            "patches.shape=[8, 8, 8]",
            "network.filters=[4, 8]",
            "training.epochs=3",
            "training.steps_per_epoch=3",
            "training.workers=0",
            "training.precision=float32",
            *changes,
        ],
    )


def weights(trained) -> list:
    return trained.network.get_weights()


NOT_OF_A_STEP = ("epochs", "steps_per_epoch", "workers", "monitor", "validation_patches", "best")
"""Settings of the training that neither the network nor its optimiser nor its loss depends on."""


@functools.cache
def begun(settings, policy) -> tuple[Trainer, tuple]:
    """A trainer, and the state that it begins with."""
    trainer = make_trainer(settings, policy=policy)
    return trainer, trainer.state()


def begun_again(settings, start_from=None, *, policy) -> Trainer:
    """As `make_trainer`, but the trainer of an earlier training with such settings, put back to where that began."""
    assert start_from is None
    training = settings.training.model_copy(update=dict.fromkeys(NOT_OF_A_STEP))
    trainer, state = begun(settings.model_copy(update={"training": training}), policy)
    trainer.restore(*state)
    return trainer


@pytest.fixture
def shared_trainer(monkeypatch):
    """Trainings, one at a time, share a trainer: to build and trace its network takes most of the time."""
    monkeypatch.setattr(loop, "make_trainer", begun_again)


def history_of_cut_and_whole(blocks, settings, folder, interrupted) -> pd.DataFrame:
    """The history of an interrupted and resumed training, which has the weights and the history of a whole one. The
    resumed one has a trainer of its own, as in another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_trainer", begun_again)
        whole = weights(loop.train(blocks[:1], settings, folder / "whole", validation=blocks[1:]))
        with interrupted():
            loop.train(blocks[:1], settings, folder / "cut", validation=blocks[1:])
    resumed = loop.train(blocks[:1], settings, folder / "cut", validation=blocks[1:], resume=True)
    for ours, theirs in zip(weights(resumed), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    histories = [pd.read_csv(folder / name / "history.csv").drop(columns="seconds") for name in ("cut", "whole")]
    pd.testing.assert_frame_equal(*histories)
    return histories[0]


def test_the_same_seed_gives_the_same_network(blocks, tmp_path):
    one = loop.train(blocks, tiny(), tmp_path / "one")
    other = loop.train(blocks, tiny(), tmp_path / "other")
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    first, third = (weights(make_trainer(tiny(f"seed={seed}"))) for seed in (0, 1))
    assert not np.allclose(first[0], third[0], atol=1e-3)


@pytest.fixture
def interrupted_in_the_third_epoch(monkeypatch):
    """A context in which training is interrupted after two epochs."""

    @contextlib.contextmanager
    def context():
        run_epoch = loop._run_epoch

        def interrupted(*arguments, **options):
            if arguments[3] == 2:
                raise KeyboardInterrupt
            return run_epoch(*arguments, **options)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(loop, "_run_epoch", interrupted)
            yield

    return context


def test_an_interrupted_training_goes_on_where_it_stood(blocks, tmp_path, interrupted_in_the_third_epoch):
    settings = tiny(
        "training.epochs=5",
        "training.deterministic=true",
        "network.filters=[4, 4, 8]",
        "training.deep_supervision=1",
        "training.average_decay=0.8",
        "training.accumulated_steps=2",
        "training.schedule=plateau",
        "training.plateau.patience=1",
        "training.plateau.min_delta=10",
        "training.monitor=validation",
        "training.validation_patches=2",
    )
    history = history_of_cut_and_whole(blocks, settings, tmp_path, interrupted_in_the_third_epoch)
    assert list(history["epoch"]) == [0, 1, 2, 3, 4]
    assert history["learning_rate"].nunique() > 2  # the plateau's state matters here
    assert {"loss", "learning_rate", "tversky", "soft_dice", "dice_crossentropy", "val_loss"} <= set(history)
    events = [path.name for path in (tmp_path / "cut" / "tensorboard").iterdir()]
    assert events and all(re.fullmatch(r"events\.out\.tfevents\.\d+\.\d+", name) for name in events)


def test_a_checkpoint_of_other_settings_is_refused(blocks, tmp_path, shared_trainer):
    loop.train(blocks, tiny("training.epochs=1"), tmp_path / "run")
    with pytest.raises(InputError, match=r"own code changed since the checkpoint; begin again, overwriting it$"):
        loop.train(blocks, tiny("training.epochs=2"), tmp_path / "run", resume=True)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_resumed_training_keeps_its_precision_whichever_is_fastest_today(
    blocks, tmp_path, monkeypatch, policy, shared_trainer
):
    settings = tiny("training.precision=auto", "training.epochs=1", "training.steps_per_epoch=1")
    policies = []
    make_trainer = loop.make_trainer

    def recording(settings, start_from, *, policy):
        policies.append(policy)
        return make_trainer(settings, start_from, policy=policy)

    monkeypatch.setattr(loop, "make_trainer", recording)
    monkeypatch.setattr(loop, "choose_policy", lambda settings, shapes: policy)
    loop.train(blocks, settings, tmp_path)
    monkeypatch.setattr(loop, "choose_policy", lambda *_: pytest.fail("chosen again"))
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: True)
    loop.train(blocks, settings, tmp_path, resume=True)
    assert policies == [policy, policy]


def test_a_checkpoint_in_a_precision_that_is_wrong_here_is_refused(blocks, tmp_path, monkeypatch, shared_trainer):
    settings = tiny("training.precision=auto", "training.epochs=1", "training.steps_per_epoch=1")
    monkeypatch.setattr(loop, "choose_policy", lambda settings, shapes: "mixed_bfloat16")
    loop.train(blocks, settings, tmp_path)
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: False)
    with pytest.raises(InputError, match="begin again"):
        loop.train(blocks, settings, tmp_path, resume=True)


def test_more_or_fewer_workers_may_go_on(blocks, tmp_path, shared_trainer):
    loop.train(blocks, tiny("training.epochs=1"), tmp_path)
    before = (tmp_path / "history.csv").read_bytes()
    loop.train(blocks, tiny("training.epochs=1", "training.workers=1"), tmp_path, resume=True)
    assert (tmp_path / "history.csv").read_bytes() == before


def test_changed_code_of_ones_own_is_refused(blocks, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "from keras import ops\n\ndef own(labels, probabilities):\n    return ops.mean(1 - probabilities)\n"
    (tmp_path / "own_loss_of_a_resumed_run.py").write_text(source)
    settings = tiny("training.epochs=1", "loss.name=own_loss_of_a_resumed_run:own")
    loop.train(blocks, settings, tmp_path / "run")
    (tmp_path / "own_loss_of_a_resumed_run.py").write_text(source + "# changed\n")
    with pytest.raises(InputError, match="own code changed"):
        loop.train(blocks, settings, tmp_path / "run", resume=True)


def test_a_handed_in_executor_makes_the_batches_and_the_same_network(blocks, tmp_path, shared_trainer):
    class Counting(SerialExecutor):
        submitted = 0

        def submit(self, *arguments, **options):
            Counting.submitted += 1
            return super().submit(*arguments, **options)

    settings = tiny("training.epochs=2", "training.deterministic=true")
    plain = weights(loop.train(blocks, settings, tmp_path / "plain"))
    handed_in = weights(loop.train(blocks, settings, tmp_path / "handed_in", executor=Counting()))
    assert Counting.submitted == 2 * 3
    for ours, theirs in zip(handed_in, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_best_epoch_on_validation_patches_is_kept(blocks, tmp_path, monkeypatch, shared_trainer):
    losses = iter([1.0, 0.5, 2.0])
    kept = {}
    validate = loop._validate

    def scripted(trainer, fixed):
        assert validate(trainer, fixed)["val_loss"] > 0
        loss = next(losses)
        kept[loss] = trainer.network.get_weights()
        return {"val_loss": loss}

    monkeypatch.setattr(loop, "_validate", scripted)
    settings = tiny("training.monitor=validation", "training.validation_patches=2")
    trained = loop.train(blocks[:1], settings, tmp_path, validation=blocks[1:])
    for ours, best in zip(weights(trained), kept[0.5], strict=True):
        np.testing.assert_array_equal(ours, best)


@pytest.mark.parametrize(
    ("best", "epoch"), [("loss", 1), ("iou", 0), ("jaccard-distance", 2), ("tversky", 1), ("soft-dice", 2)]
)
def test_the_best_epoch_by_any_score_is_kept_the_plateau_follows_the_loss(
    blocks, tmp_path, monkeypatch, best, epoch, shared_trainer
):
    columns = ("loss", "iou", "jaccard_distance", "tversky", "soft_dice")
    scripts = iter(
        {f"val_{name}": value for name, value in zip(columns, values, strict=True)}
        for values in ((1.0, 0.9, 0.5, 2.0, 0.1), (0.5, 0.8, 0.4, 1.0, 0.2), (2.0, 0.7, 0.3, 3.0, 0.3))
    )
    kept = []

    def scripted(trainer, fixed):
        kept.append(trainer.network.get_weights())
        return next(scripts)

    followed = []
    learning_rate = loop.schedules.learning_rate

    def recorded(settings, number, progress, *, monitored):
        followed.append(list(monitored))
        return learning_rate(settings, number, progress, monitored=monitored)

    monkeypatch.setattr(loop, "_validate", scripted)
    monkeypatch.setattr(loop.schedules, "learning_rate", recorded)
    changes = ("training.metrics=[iou, jaccard-distance, tversky, soft-dice]", f"training.best={best}")
    settings = tiny("training.monitor=validation", "training.validation_patches=2", *changes)
    trained = loop.train(blocks[:1], settings, tmp_path, validation=blocks[1:])
    for ours, theirs in zip(weights(trained), kept[epoch], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert followed[-1] == [1.0, 0.5]


def test_the_best_epoch_by_a_score_of_the_training_is_kept(blocks, tmp_path, monkeypatch):
    scores = iter([0.2, 0.9, 0.3])
    kept = []
    run_epoch = loop._run_epoch

    def scripted(trainer, *arguments, **options):
        row = run_epoch(trainer, *arguments, **options)
        kept.append(trainer.network.get_weights())
        return row | {"recall": next(scores)}

    monkeypatch.setattr(loop, "_run_epoch", scripted)
    settings = tiny("training.monitor=training", "training.metrics=[recall]", "training.best=recall")
    trained = loop.train(blocks, settings, tmp_path)
    for ours, theirs in zip(weights(trained), kept[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_scores_are_in_the_history(blocks, tmp_path):
    names = "[accuracy, precision, recall, f1, iou, dice, jaccard-distance, auc]"
    changes = (f"training.metrics={names}", "training.epochs=1", "training.monitor=validation")
    loop.train(blocks[:1], tiny(*changes, "training.validation_patches=2"), tmp_path, validation=blocks[1:])
    history = pd.read_csv(tmp_path / "history.csv")
    columns = {"accuracy", "precision", "recall", "f1", "iou", "dice", "jaccard_distance", "auc"}
    assert columns | {f"val_{name}" for name in columns} <= set(history)
    assert history[list(columns)].apply(lambda column: column.between(0.0, 1.0)).all(axis=None)


def test_an_interrupted_training_by_rmsprop_goes_on_bit_for_bit(blocks, tmp_path, interrupted_in_the_third_epoch):
    changes = ("training.monitor=validation", "training.validation_patches=2", "training.best=iou")
    fixed = ("training.deterministic=true", "training.metrics=[iou]", "training.epochs=4")
    settings = tiny("training.optimizer=rmsprop", *changes, *fixed)
    history_of_cut_and_whole(blocks, settings, tmp_path, interrupted_in_the_third_epoch)


def test_changed_code_of_the_score_that_chooses_is_refused(blocks, tmp_path, monkeypatch):
    (tmp_path / "own_score.py").write_text("def score(labels, probabilities):\n    return 0.5\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    name = "own_score:score"
    changes = (f"training.metrics=['{name}']", f"training.best={name}")
    settings = tiny("training.epochs=1", "training.monitor=training", *changes)
    loop.train(blocks, settings, tmp_path / "run")
    assert pd.read_csv(tmp_path / "run" / "history.csv")[name].tolist() == [0.5]
    with open(tmp_path / "own_score.py", "a", encoding="utf-8") as file:
        file.write("# changed\n")
    with pytest.raises(InputError, match="own code changed"):
        loop.train(blocks, settings, tmp_path / "run", resume=True)


def test_monitoring_validation_needs_validation_cases(blocks, tmp_path):
    with pytest.raises(InputError, match="no validation cases"):
        loop.train(blocks, tiny("training.monitor=validation"), tmp_path)


def test_a_batch_too_large_for_the_memory_is_refused_before_training(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "memory_gb", lambda: 3.0)
    with pytest.raises(InputError, match=r"90000 patches of \[8, 8, 8\] at once .* may use 3.0; lower"):
        loop.train(blocks, tiny("patches.batch=90000"), tmp_path)
    assert not (tmp_path / "history.csv").exists()


def test_a_diverging_loss_is_told(blocks, tmp_path, monkeypatch, shared_trainer):
    monkeypatch.setattr(Trainer, "train", lambda *arguments: {"loss": float("nan")})
    with pytest.raises(InputError, match=r"loss became nan in epoch 1, step 1, on patches of \w+, \w+: begin again"):
        loop.train(blocks, tiny(), tmp_path)


def test_weights_that_are_no_numbers_are_not_kept(blocks, tmp_path, monkeypatch, shared_trainer):
    train = Trainer.train
    monkeypatch.setattr(Trainer, "train", lambda self, batch, rate: train(self, batch, np.inf) | {"loss": 1.0})
    with pytest.raises(InputError, match="weights are no longer numbers after epoch 1"):
        loop.train(blocks, tiny("training.steps_per_epoch=1"), tmp_path)
    assert not (tmp_path / ".training" / "checkpoint.npz").exists()


def test_a_model_file_holds_all_that_prediction_needs(blocks, tmp_path, shared_trainer):
    trained = loop.train(blocks, tiny("training.epochs=1"), tmp_path)
    path = tmp_path / "model.keras"
    save_model(path, trained)
    loaded = load_model(path)
    assert loaded.settings == trained.settings
    tile = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 1)).astype(np.float32)
    ours, theirs = (model.network.predict_on_batch(tile) for model in (trained, loaded))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_model_that_would_run_code_must_be_trusted(blocks, tmp_path, shared_trainer):
    trained = loop.train(blocks, tiny("training.epochs=1"), tmp_path)
    steps = trained.settings.preprocessing.model_copy(update={"steps": ("somebodys_module:step",)})
    settings = trained.settings.model_copy(update={"preprocessing": steps})
    save_model(tmp_path / "model.keras", TrainedModel(trained.network, settings))
    with pytest.raises(InputError, match="trust its plug-ins"):
        load_model(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras", trust_plugins=True).settings == settings


def test_fine_tuning_begins_with_the_given_weights(blocks, tmp_path):
    given = TrainedModel(make_trainer(tiny("seed=1")).network, tiny("seed=1"))
    slow = tiny("training.epochs=1", "training.steps_per_epoch=1", "training.learning_rate=1e-12")
    tuned = loop.train(blocks, slow, tmp_path / "tuned", start_from=given)
    np.testing.assert_allclose(weights(tuned)[0], given.network.get_weights()[0], atol=1e-6)
    with pytest.raises(InputError, match="the model to start from has"):
        loop.train(blocks, tiny("network.filters=[4, 16]"), tmp_path / "other", start_from=given)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_not_a_model_file_is_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.keras"):
        load_model(path)
    with pytest.raises(InputError, match="no such model file"):
        load_model(tmp_path / "absent.keras")


def test_jax_trains_without_tensorflow(blocks, tmp_path):
    """Ten steps of the demo, on a smaller network, through KERAS_BACKEND=jax in a process of its own."""
    pytest.importorskip("jax")
    script = """
import json, sys
from pathlib import Path
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from pneumoseg.pipeline.training import loop
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.models.model_file import save_model

settings = load_settings("demo", ["patches.shape=[8, 8, 8]", "network.filters=[2, 4]", "training.epochs=2",
    "training.steps_per_epoch=5", "training.workers=0", "training.average_decay=0.5"])
cases = [StoredCase(Path(folder).name, Path(folder)) for folder in sys.argv[2:]]
trained = loop.train(cases, settings, Path(sys.argv[1]))
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "tensorflow"]))
save_model(Path(sys.argv[1]) / "model.keras", trained)  # where TensorFlow is installed, Keras imports it for this
"""
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # compiles sooner
    command = [sys.executable, "-c", script, tmp_path, *(case.folder for case in blocks)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    tile = np.random.default_rng(0).normal(size=(1, 16, 16, 8, 1)).astype(np.float32)
    probabilities = load_model(tmp_path / "model.keras").network.predict_on_batch(tile)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)


def test_each_validation_patch_counts_alike_also_in_a_smaller_last_batch():
    trainer = SimpleNamespace(test=lambda batch: {"loss": float(batch.images.mean())})
    fixed = [Batch(np.full((count, 2, 2, 2, 1), value), None) for count, value in ((2, 1.0), (1, 4.0))]
    assert loop._validate(trainer, fixed) == {"val_loss": pytest.approx(2.0)}
    assert loop._validate(trainer, []) == {}
