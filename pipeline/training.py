"""Training a network on stored cases, epoch by epoch, so that an interruption costs at most one."""

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tensorboard.summary import Writer

from data_io.atomic import write_aside
from data_io.errors import InputError
from data_io.reporting import log, track
from pipeline import batches, hardware, losses, schedules
from pipeline.case_store import StoredCase
from pipeline.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pipeline.model_file import TrainedModel
from pipeline.networks.registry import build_network
from pipeline.settings import Settings

STATE_FOLDER = ".training"


@dataclass(frozen=True, eq=False)
class Training:
    """What came of it. `selected_epoch` counts from 0; `history` has one row per epoch."""

    model: TrainedModel
    history: pd.DataFrame
    selected_epoch: int


def train(
    cases: Sequence[StoredCase],
    settings: Settings,
    folder: Path,
    validation: Sequence[StoredCase] = (),
    resume: bool = False,
    start_from: TrainedModel | None = None,
) -> Training:
    """Trains on `cases`; chooses by `validation` where the settings monitor it.

    In `folder`: history.csv, tensorboard/, and while it lasts the hidden checkpoint of the last whole epoch, from which
    `resume` goes on. `start_from`: begin with the weights of a trained model of the same shape (fine-tuning).
    Raises InputError where a checkpoint was made with other settings or cases, or where `start_from` does not fit.
    """
    if settings.training.monitor == "validation" and not validation:
        raise InputError("training.monitor is validation, but no validation cases were given")
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    dtype = hardware.choose_precision(settings.training.precision)
    network = build_network(settings, dtype)
    if start_from is not None:
        _copy_weights(start_from.network, network)
    trainer, optimizer = _compile(network, settings)
    fixed = batches.validation_batches(validation, settings) if settings.training.monitor == "validation" else []
    path = folder / STATE_FOLDER / "checkpoint.npz"
    fingerprint = _fingerprint(cases, validation, settings)
    history, best = _restore(path, fingerprint, network, optimizer) if resume else ((), ())
    writer = Writer(str(folder / "tensorboard"))
    for epoch in range(len(history), settings.training.epochs):
        monitored = _monitored(history, settings)
        if schedules.should_stop(settings.training, monitored):
            log.info("stopped early: no better epoch for %d epochs", settings.training.early_stop_patience)
            break
        row = _run_epoch(trainer, optimizer, cases, settings, epoch, monitored)
        row |= _validate(trainer, fixed)
        history = (*history, row)
        monitored = _monitored(history, settings)
        if monitored and schedules.best_epoch(monitored) == epoch:
            best = tuple(network.get_weights())
        state = tuple(np.asarray(variable) for variable in optimizer.variables)
        save_checkpoint(path, Checkpoint(tuple(network.get_weights()), state, best, history, fingerprint))
        write_history(folder / "history.csv", history)
        _log_scalars(writer, row)
        log.info("epoch %d/%d  %s", epoch + 1, settings.training.epochs, _in_words(row))
    writer.close()
    _forget_host(folder / "tensorboard")
    # Again, for a run that was killed between checkpoint and history.
    write_history(folder / "history.csv", history)
    selected = schedules.best_epoch(_monitored(history, settings))
    if selected is not None and best:
        network.set_weights(best)
    return Training(
        TrainedModel(network, settings), pd.DataFrame(history), len(history) - 1 if selected is None else selected
    )


def write_history(path: Path, history: Sequence[dict]) -> None:
    """Writes one row per epoch as CSV: epoch, loss, learning_rate, seconds, metrics, and val_* of the same."""
    with write_aside(path) as aside:
        pd.DataFrame(history).to_csv(aside, index=False, float_format="%.6g")


def _compile(network: keras.Model, settings: Settings) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """A compiled twin that shares the network's weights: the network itself is saved without loss and optimiser."""
    trainer = keras.Model(network.inputs, network.outputs)
    optimizer = keras.optimizers.Adam(
        settings.training.learning_rate, global_clipnorm=settings.training.gradient_clip_norm
    )
    trainer.compile(
        optimizer=optimizer,
        loss=losses.make_loss(settings.loss, len(settings.labels.names)),
        metrics=[_named(losses.make_metric(name), name) for name in settings.training.metrics],
        # XLA is several times slower on processors.
        jit_compile="auto" if hardware.gpu_available() else False,
    )
    optimizer.build(trainer.trainable_variables)
    return trainer, optimizer


def _run_epoch(trainer, optimizer, cases, settings: Settings, epoch: int, monitored) -> dict:
    started = time.perf_counter()
    steps = batches.steps_in_epoch(cases, settings)
    made = batches.training_batches(cases, settings, epoch, settings.training.workers)
    rate = 0.0
    rows = []
    for step, batch in enumerate(track(made, f"Epoch {epoch + 1}/{settings.training.epochs}", steps)):
        rate = schedules.learning_rate(settings.training, epoch, step / steps, monitored)
        optimizer.learning_rate.assign(rate)
        rows.append(_one_batch(trainer, trainer.train_on_batch, batch))
        if not np.isfinite(rows[-1]["loss"]):
            raise InputError(
                f"the loss became {rows[-1]['loss']} in epoch {epoch + 1}, step {step + 1}: lower "
                "training.learning_rate or set training.gradient_clip_norm"
            )
    means = _means(rows)
    return {
        "epoch": epoch,
        "loss": means.pop("loss"),
        "learning_rate": float(rate),
        "seconds": round(time.perf_counter() - started, 3),
        **means,
    }


def _validate(trainer, fixed: Sequence[batches.Batch]) -> dict:
    rows = [_one_batch(trainer, trainer.test_on_batch, batch) for batch in fixed]
    return {f"val_{name}": value for name, value in _means(rows).items()}


def _one_batch(trainer, step: Callable, batch: batches.Batch) -> dict[str, float]:
    # Whether Keras adds up metrics over such calls differs between its versions; each batch is taken by itself.
    trainer.reset_metrics()
    return step(batch.images, batch.labels, return_dict=True)


def _means(rows: Sequence[dict]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in (rows[0] if rows else ())}


def _monitored(history: Sequence[dict], settings: Settings) -> list[float]:
    column = {"validation": "val_loss", "training": "loss", "none": None}[settings.training.monitor]
    return [row[column] for row in history] if column else []


def _restore(path: Path, fingerprint: str, network, optimizer):
    if not path.is_file():
        return (), ()
    checkpoint = load_checkpoint(path)
    if checkpoint.fingerprint != fingerprint:
        raise InputError(f"{path.parent.parent}: settings or cases changed since the checkpoint; use --overwrite")
    network.set_weights(checkpoint.weights)
    for variable, value in zip(optimizer.variables, checkpoint.optimizer, strict=True):
        variable.assign(value)
    log.info("resumed after epoch %d", len(checkpoint.history))
    return checkpoint.history, checkpoint.best


def _fingerprint(cases, validation, settings: Settings) -> str:
    names = [case.folder.name for case in (*cases, *validation)]
    return hashlib.sha256(f"{settings.model_dump_json()} {names}".encode()).hexdigest()


def _copy_weights(source: keras.Model, network: keras.Model) -> None:
    given = [weight.shape for weight in source.get_weights()]
    needed = [weight.shape for weight in network.get_weights()]
    if given != needed:
        raise InputError(
            f"the model to start from has {source.count_params()} parameters in {len(given)} arrays, the settings "
            f"describe one with {network.count_params()} in {len(needed)}; use the network settings of that model"
        )
    network.set_weights(source.get_weights())


def _forget_host(folder: Path) -> None:
    """TensorBoard names its files events.out.tfevents.TIME.HOST.PROCESS.0; a run folder names no machine."""
    named = sorted(path for path in folder.glob("events.out.tfevents.*") if len(path.name.split(".")) > 5)
    for path in named:
        stem = ".".join(path.name.split(".")[:4])
        path.rename(next(free for n in itertools.count() if not (free := path.with_name(f"{stem}.{n}")).exists()))


def _log_scalars(writer: Writer, row: dict) -> None:
    for name, value in row.items():
        if name != "epoch":
            writer.add_scalar(name, value, row["epoch"])
    writer.flush()


def _named(function, name: str):
    def metric(labels, probabilities):
        return function(labels, probabilities)

    metric.__name__ = name.replace("-", "_")
    return metric


def _in_words(row: dict) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
