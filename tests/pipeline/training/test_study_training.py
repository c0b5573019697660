"""Training of a network for whole studies: it learns, and an interrupted training goes on as if it had not been."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.loading import load_settings, load_study_settings
from pneumoseg.pipeline.training import study_batches, study_training
from pneumoseg.pipeline.training.checkpoint import Checkpoint, save_checkpoint
from pneumoseg.pipeline.training.study_batches import make_batch
from pneumoseg.pipeline.training.study_training import train_studies

DISEASED = [True, False] * 4
SCORES = [80.0, 0.0, 60.0, 0.0, 40.0, 0.0, 20.0, 0.0]


def tiny(*changes: str):
    return load_study_settings(
        "hrct-joint-cpu",
        [
            *("input.shape=[8, 8, 8]", "input.lungs=multiplied", "network.filters=[4, 8]", "network.first_stride=1"),
            "network.dense_units=8",
            *("training.epochs=4", "training.batch=3", "training.precision=float32", *changes),
        ],
    )


@pytest.fixture
def studies(write_studies):
    return write_studies(DISEASED, SCORES).cases


def test_a_resumed_training_has_the_weights_and_history_of_a_whole_one(studies, tmp_path, monkeypatch):
    settings = tiny("training.deterministic=true", "network.dropout=0.5", "training.epochs=5")
    trainer = study_training._trainer(settings, 6, policy="float32", start_from=None)
    first = trainer.state()

    def begun_again(*arguments, **options):
        trainer.restore(*first)
        return trainer

    saved = study_training.save_checkpoint

    def killed_in_the_third_epoch(path, checkpoint):
        if len(checkpoint.history) == 3:
            raise KeyboardInterrupt
        saved(path, checkpoint)

    with monkeypatch.context() as patch:  # one network, traced once, for both; the resumed training has its own
        patch.setattr(study_training, "_trainer", begun_again)
        whole = train_studies(studies[:6], settings, tmp_path / "whole", validation=studies[6:]).get_weights()
        patch.setattr(study_training, "save_checkpoint", killed_in_the_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train_studies(studies[:6], settings, tmp_path / "cut", validation=studies[6:])
    assert len(pd.read_csv(tmp_path / "cut" / "history.csv")) == 2
    resumed = train_studies(studies[:6], settings, tmp_path / "cut", validation=studies[6:], resume=True)
    for ours, theirs in zip(resumed.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("cut", "whole")]
    pd.testing.assert_frame_equal(*histories)
    (history, _) = histories
    assert list(history["epoch"]) == [0, 1, 2, 3, 4]
    assert list(history)[:3] == ["epoch", "loss", "learning_rate"]
    assert {"accuracy", "label_loss", "score_loss", "score_error", "val_loss", "val_accuracy"} <= set(history)
    assert history["learning_rate"].is_monotonic_decreasing
    assert history["learning_rate"].iloc[-1] == pytest.approx(0, abs=1e-9)
    again = train_studies(studies[:6], settings, tmp_path / "cut", validation=studies[6:], resume=True)  # nothing left
    np.testing.assert_array_equal(again.get_weights()[0], whole[0])


def test_the_threads_that_make_batches_change_nothing(studies, tmp_path, monkeypatch):
    settings = tiny("training.deterministic=true", "training.batch=1")
    weights = []
    for threads in (1, 4):
        monkeypatch.setattr(study_batches, "usable_cores", lambda threads=threads: threads)
        network = train_studies(studies[:6], settings, tmp_path / f"{threads}", validation=studies[6:])
        weights.append(np.concatenate([array.ravel() for array in network.get_weights()]))
    np.testing.assert_array_equal(*weights)


def test_it_learns_label_and_score(studies, tmp_path):
    settings = tiny(
        *("training.epochs=60", "training.learning_rate=0.02", "augmentation.enabled=false", "network.dropout=0"),
        *("training.validation_share=0", "network.batch_norm_momentum=0.5"),
    )
    network = train_studies(studies, settings, tmp_path / "run")
    outputs = network.predict_on_batch(make_batch(studies, settings, (1.0, 1.0))[0])
    np.testing.assert_array_equal(outputs["label"][:, 0] > 0.5, DISEASED)
    np.testing.assert_allclose(outputs["score"][:, 0] * 100, SCORES, atol=15)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert "val_loss" not in history
    assert history["loss"].iloc[-5:].mean() < 0.2 * history["loss"].iloc[0]
    assert history["accuracy"].iloc[-1] == 1
    assert history["score_error"].iloc[-5:].mean() < 15  # in points of 0..100


def test_the_best_epoch_on_the_inner_studies_counts(studies, tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 5.0])
    seen = []
    row = study_training._row

    def planned(epoch, logs, optimizer, *, seconds):
        return row(epoch, logs, optimizer, seconds=seconds) | {"val_loss": next(losses)}

    saved = study_training.save_checkpoint

    def recorded(path, checkpoint):
        seen.append(checkpoint)
        saved(path, checkpoint)

    monkeypatch.setattr(study_training, "_row", planned)
    monkeypatch.setattr(study_training, "save_checkpoint", recorded)
    settings = tiny("training.schedule=constant", "training.early_stop_patience=2", "training.epochs=9")
    network = train_studies(studies[:6], settings, tmp_path / "run", validation=studies[6:])
    assert len(seen) == 4  # two epochs after the best one
    for ours, theirs in zip(network.get_weights(), seen[1].best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_single_head_has_a_history_of_its_own(studies, tmp_path):
    train_studies(studies[:3], tiny("network.heads=[label]", "training.epochs=1"), tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert "accuracy" in history
    assert not any("score" in name for name in history)


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_refused(studies, tmp_path):
    path = tmp_path / "run" / ".training" / "checkpoint.npz"
    save_checkpoint(path, Checkpoint((), (), (), ({"loss": 1.0},), "of another training"))
    with pytest.raises(InputError, match="changed since the checkpoint; begin again, overwriting it"):
        train_studies(studies, tiny(), tmp_path / "run", resume=True)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="a damaged checkpoint"):
        train_studies(studies, tiny(), tmp_path / "run", resume=True)


def test_a_checkpoint_belongs_to_its_studies_and_settings(studies):
    def fingerprint(studies, settings) -> str:
        return study_training._fingerprint(studies, (), settings, policy="float32")

    assert fingerprint(studies, tiny()) == fingerprint(studies, tiny("evaluation.folds=3"))
    assert fingerprint(studies, tiny()) != fingerprint(studies[:7], tiny())
    assert fingerprint(studies, tiny()) != fingerprint(studies, tiny("training.epochs=3"))


def test_a_loss_that_is_no_number_is_said(studies, tmp_path):
    with pytest.raises(InputError, match=r"no longer numbers after epoch 1: .*lower training.learning_rate"):
        train_studies(studies, tiny("training.learning_rate=1.0e+6", "training.epochs=3"), tmp_path / "run")


def test_weights_to_start_from(studies, tmp_path):
    settings = tiny("network.name=unet-encoder", "training.epochs=1", "training.learning_rate=1.0e-12")
    segmentation = load_settings("demo", ["patches.shape=[16, 16, 8]", "network.filters=[4, 8]"])
    source = build_network(segmentation)
    found = train_studies(studies, settings, tmp_path / "one", start_from=TrainedModel(source, segmentation))
    np.testing.assert_allclose(found.get_weights()[0], source.get_weights()[0], atol=1e-6)
    begun = StudyModel(found, settings, {})
    with pytest.raises(InputError, match=r"the model to start from has .* parameters"):
        train_studies(studies, tiny("network.filters=[4, 6]"), tmp_path / "three", start_from=begun)
    with pytest.raises(InputError, match="fit the network unet-encoder"):
        train_studies(studies, tiny(), tmp_path / "four", start_from=TrainedModel(source, segmentation))


def test_a_study_model_gives_all_its_weights():
    settings = tiny()
    begun = StudyModel(build_study_network(settings), settings, {})
    trainer = study_training._trainer(settings, 8, policy="float32", start_from=begun)
    for ours, theirs in zip(trainer.network.get_weights(), begun.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_beyond_the_memory_is_refused(studies, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "memory_gb", lambda: 0.5)
    with pytest.raises(InputError, match=r"training on 3 studies of \[8, 8, 8\] at once .* lower training.batch"):
        train_studies(studies, tiny(), tmp_path / "run")


def test_half_precision_of_a_gpu_is_refused_without_one(studies, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "gpu_available", lambda: False)
    with pytest.raises(InputError, match="mixed_float16 needs a GPU"):
        train_studies(studies, tiny("training.precision=mixed_float16"), tmp_path / "run")
    network = build_study_network(tiny(), "mixed_bfloat16")
    assert network.get_layer("label").compute_dtype == "float32"
