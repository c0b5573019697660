"""Training a network for whole studies by Keras's `fit`, so that an interruption costs at most one epoch."""

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.operations import forward_operations
from pneumoseg.pipeline.networks.study_networks import build_study_network, copy_encoder
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.runtime.processes import begin_to_compute
from pneumoseg.pipeline.settings.studies import StudyEvaluationSettings, StudySettings
from pneumoseg.pipeline.training import cost
from pneumoseg.pipeline.training.checkpoint import (
    Arrays,
    Checkpoint,
    check_fingerprint,
    check_numbers,
    load_checkpoint,
    save_checkpoint,
)
from pneumoseg.pipeline.training.loop import STATE_FOLDER, in_words, restore, write_history
from pneumoseg.pipeline.training.schedules import best_epoch
from pneumoseg.pipeline.training.step import Trainer, copy_weights, weights_of_seed
from pneumoseg.pipeline.training.study_batches import StudyBatches
from pneumoseg.pipeline.training.study_targets import label_weights

LOSSES = {"label": "binary_crossentropy", "score": "mean_squared_error"}


def train_studies(
    studies: Sequence[Study],
    settings: StudySettings,
    folder: Path,
    *,
    validation: Sequence[Study] = (),
    resume: bool = False,
    start_from: TrainedModel | StudyModel | None = None,
) -> keras.Model:
    """Trains on `studies` and returns the network with the weights of the epoch with the smallest loss on `validation`,
    or without these of the last epoch.

    In `folder`: history.csv, and while it lasts the hidden checkpoint of the last whole epoch, from which `resume` goes
    on. `start_from`: begin with the weights of a trained network of the same shape, or with those of a segmentation
    model in the encoder. Raises InputError where a checkpoint was made with other settings or studies, where
    `start_from` does not fit, where the memory would be insufficient, and where loss or weights are no longer numbers.
    """
    begin_to_compute()
    folder.mkdir(parents=True, exist_ok=True)
    policy = _policy(settings)
    trainer = _trainer(settings, len(studies), policy=policy, start_from=start_from)
    path = folder / STATE_FOLDER / "checkpoint.npz"
    fingerprint = _fingerprint(studies, validation, settings, policy=policy)
    history: tuple[dict, ...] = ()
    best: Arrays = ()
    if resume and path.is_file():
        checkpoint = load_checkpoint(path)
        check_fingerprint(checkpoint, [fingerprint], path)
        history, best = restore(checkpoint, trainer, path)
    weights = label_weights(studies, settings)
    batches = StudyBatches(studies, settings, weights, shuffled=True)
    fixed = StudyBatches(validation, settings, weights, shuffled=False) if validation else None
    epochs = _Epochs(trainer, batches, path=path, fingerprint=fingerprint, settings=settings, state=(history, best))
    if history:  # again, for a run that was killed between checkpoint and history
        write_history(folder / "history.csv", history)
    if len(history) < settings.training.epochs and not _stops_early(history, settings):
        try:
            trainer.network.fit(
                batches,
                validation_data=fixed,
                initial_epoch=len(history),
                epochs=settings.training.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[epochs],
            )
        except hardware.out_of_memory() as error:
            raise InputError(
                f"the GPU has not enough memory for training on {settings.training.batch} studies of "
                f"{list(settings.input.shape)} at once: lower training.batch or network.filters"
            ) from error
    if epochs.best:
        trainer.network.set_weights(epochs.best)
    return trainer.network


class _Epochs(keras.callbacks.Callback):
    """Tells the batches which epoch it is, and keeps history, best weights and checkpoint after each."""

    def __init__(
        self,
        trainer: Trainer,
        batches: StudyBatches,
        *,
        path: Path,
        fingerprint: str,
        settings: StudySettings,
        state: tuple[tuple[dict, ...], Arrays],
    ):
        super().__init__()
        self._trainer, self._batches, self._path = trainer, batches, path
        self._fingerprint, self._settings = fingerprint, settings
        self._history, self.best = state
        self._started = 0.0
        self._bar: Iterator[int] = iter(())

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Batches are those of this epoch from now on."""
        self._batches.begin(epoch)
        self._started = time.perf_counter()
        count = len(self._batches)
        self._bar = track(range(count), f"Epoch {epoch + 1}/{self._settings.training.epochs}", count)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the progress bar on."""
        next(self._bar, None)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keeps what the epoch gave. Raises InputError where it is no number."""
        for _ in self._bar:  # to its end, so that it is removed from the terminal
            pass
        row = _row(epoch, logs or {}, self._trainer.optimizer, seconds=time.perf_counter() - self._started)
        model, optimizer = self._trainer.state()
        check_numbers(row["loss"], model, epoch)
        self._history = (*self._history, row)
        monitored = _monitored(self._history)
        if monitored and best_epoch(monitored) == epoch:
            self.best = tuple(self._trainer.network.get_weights())
        checkpoint = Checkpoint(model, optimizer, self.best, self._history, self._fingerprint)
        save_checkpoint(self._path, checkpoint)
        write_history(self._path.parent.parent / "history.csv", self._history)
        log.info("epoch %d/%d  %s", epoch + 1, self._settings.training.epochs, in_words(row))
        if _stops_early(self._history, self._settings):
            log.info("stopped early: no better epoch for %d epochs", self._settings.training.early_stop_patience)
            self.model.stop_training = True


def _trainer(
    settings: StudySettings, studies: int, *, policy: hardware.Policy, start_from: TrainedModel | StudyModel | None
) -> Trainer:
    """The network, compiled, with fresh weights from the seed or those to start from."""
    training = settings.training
    if training.deterministic:
        hardware.compute_deterministically()
    with weights_of_seed(settings.seed):
        network = build_study_network(settings, policy)
    _require_memory(network, settings)
    if isinstance(start_from, StudyModel):
        copy_weights(start_from.network, network)
    elif start_from is not None:
        copy_encoder(start_from.network, network, settings)
    steps = training.epochs * math.ceil(studies / training.batch)
    rate = training.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps) if training.schedule == "cosine" else rate
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=training.gradient_clip_norm)
    if policy == "mixed_float16":  # gradients below the smallest float16 would vanish
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    heads = settings.network.heads
    metrics = {
        "label": [keras.metrics.BinaryAccuracy(name="accuracy")],
        "score": [keras.metrics.MeanAbsoluteError(name="error")],
    }
    network.compile(
        optimizer=optimizer,
        loss={head: LOSSES[head] for head in heads},
        loss_weights={head: {"label": 1.0, "score": training.score_weight}[head] for head in heads},
        weighted_metrics={head: metrics[head] for head in heads},
        # XLA is several times slower on processors; JAX compiles in any case.
        jit_compile=keras.backend.backend() == "jax" or ("auto" if hardware.gpu_available() else False),
    )
    optimizer.build(network.trainable_variables)
    return Trainer(network, network, optimizer, averages=False, precision=policy)


def _policy(settings: StudySettings) -> hardware.Policy:
    """The Keras dtype policy of the settings; for "auto" the GPU's, or float32 on a processor."""
    precision = settings.training.precision
    if precision == "mixed_float16" and not hardware.gpu_available():
        raise InputError("training.precision: mixed_float16 needs a GPU, and none was found; use auto")
    if precision != "auto":
        return precision
    return hardware.gpu_precision() if hardware.gpu_available() else "float32"


def _require_memory(network: keras.Model, settings: StudySettings) -> None:
    if hardware.gpu_available():
        return
    values = forward_operations(network, settings.input.shape[::-1])[1]
    hardware.require_memory(
        f"training on {settings.training.batch} studies of {list(settings.input.shape)} at once",
        cost.training_memory_gb(network, values, settings.training.batch),
        remedy="lower training.batch or network.filters, or set network.first_stride to 2",
    )


def _row(epoch: int, logs: dict, optimizer: keras.optimizers.Optimizer, *, seconds: float) -> dict:
    """What is on record of an epoch; the error of scores is in points of 0 to 100."""
    values = {}
    for name, value in logs.items():
        is_error = name.endswith("score_error")
        values[name.replace("label_accuracy", "accuracy")] = float(value) * (100.0 if is_error else 1.0)
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    return {
        "epoch": epoch,
        "loss": values.pop("loss"),
        "learning_rate": rate,
        "seconds": round(seconds, 3),
        **values,
    }


def _monitored(history: Sequence[dict]) -> list[float]:
    """The validation loss after each epoch; empty without validation."""
    return [row["val_loss"] for row in history if "val_loss" in row]


def _stops_early(history: Sequence[dict], settings: StudySettings) -> bool:
    monitored, patience = _monitored(history), settings.training.early_stop_patience
    best = best_epoch(monitored)
    return patience is not None and best is not None and len(monitored) - 1 - best >= patience


def _fingerprint(studies: Sequence[Study], validation: Sequence[Study], settings: StudySettings, *, policy: str) -> str:
    """Of all that the weights depend on: studies and settings of the training."""
    seen = [[(study.name, study.index, study.fingerprint()) for study in part] for part in (studies, validation)]
    counting = settings.model_copy(update={"evaluation": StudyEvaluationSettings()})
    return hashlib.sha256(f"{counting.model_dump_json()} {policy} {seen}".encode()).hexdigest()
