"""Training a network on stored cases, epoch by epoch, so that an interruption costs at most one."""

import functools
import hashlib
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.processes import begin_to_compute
from pneumoseg.pipeline.sampling import batches, patches
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import EvaluationSettings, Settings
from pneumoseg.pipeline.settings.training import history_name
from pneumoseg.pipeline.training import cost, schedules
from pneumoseg.pipeline.training.checkpoint import (
    BEGIN_AGAIN,
    Arrays,
    Checkpoint,
    begin_again,
    check_fingerprint,
    check_numbers,
    load_checkpoint,
    save_checkpoint,
)
from pneumoseg.pipeline.training.precision_choice import choose_policy
from pneumoseg.pipeline.training.step import Trainer, make_trainer, possible_policies
from pneumoseg.pipeline.training.tensorboard import event_log, log_scalars

STATE_FOLDER = ".training"


def train(
    cases: Sequence[StoredCase],
    settings: Settings,
    folder: Path,
    *,
    validation: Sequence[StoredCase] = (),
    resume: bool = False,
    start_from: TrainedModel | None = None,
    executor: Executor | None = None,
) -> TrainedModel:
    """Trains on `cases`; chooses by `validation` where the settings monitor it.

    In `folder`: history.csv, tensorboard/, and while it lasts the hidden checkpoint of the last whole epoch, from which
    `resume` goes on. `start_from`: begin with the weights of a trained model of the same shape (fine-tuning).
    `executor`: makes the batches, see `batches.training_batches`.
    Raises InputError where a checkpoint was made with other settings, cases or own functions, where `start_from` does
    not fit, where the memory would be insufficient, and where the loss is no longer a number.
    """
    if settings.training.monitor == "validation" and not validation:
        raise InputError("training.monitor is validation, but no validation cases were given")
    begin_to_compute()
    folder.mkdir(parents=True, exist_ok=True)
    cost.require_settings_memory(settings, hardware.training_memory_gb())
    path = folder / STATE_FOLDER / "checkpoint.npz"
    fingerprint_in = functools.partial(_fingerprint, cases, validation, settings)
    checkpoint = load_checkpoint(path) if resume and path.is_file() else None
    if checkpoint:  # in its own precision, whichever would be measured to be fastest today
        policies = {fingerprint_in(policy): policy for policy in possible_policies(settings)}
        check_fingerprint(checkpoint, policies, path)
        policy = policies[checkpoint.fingerprint]
    else:
        policy = choose_policy(settings, [case.shape for case in cases])
    trainer = make_trainer(settings, start_from.network if start_from else None, policy=policy)
    if not hardware.gpu_available():
        shape = max((patches.network_shape(settings, case.shape) for case in cases), key=np.prod)
        cost.require_memory(trainer.network, shape, settings.patches.batch, available_gb=hardware.memory_gb())
    fingerprint = fingerprint_in(policy)
    history, best = restore(checkpoint, trainer, path) if checkpoint else ((), ())
    with event_log(folder / "tensorboard") as writer:
        for epoch in range(len(history), settings.training.epochs):
            monitored = _monitored(history, settings)
            if schedules.should_stop(settings.training, monitored):
                log.info("stopped early: no better epoch for %d epochs", settings.training.early_stop_patience)
                break
            row = _run_epoch(trainer, cases, settings, epoch, monitored=monitored, executor=executor)
            with trainer.counting_weights():
                if settings.training.monitor == "validation":
                    row |= _validate(trainer, batches.validation_batches(validation, settings))
                history = (*history, row)
                scores = _monitored(history, settings, settings.training.best)
                if scores and schedules.best_epoch(scores, settings.training.best_is_smallest) == epoch:
                    best = tuple(trainer.network.get_weights())
            model, optimizer = trainer.state()
            check_numbers(row["loss"], model, epoch)
            save_checkpoint(path, Checkpoint(model, optimizer, best, history, fingerprint))
            write_history(folder / "history.csv", history)
            log_scalars(writer, row)
            log.info("epoch %d/%d  %s", epoch + 1, settings.training.epochs, in_words(row))
    # Again, for a run that was killed between checkpoint and history.
    write_history(folder / "history.csv", history)
    with trainer.counting_weights():
        last = tuple(trainer.network.get_weights())
    trainer.network.set_weights(best or last)
    return TrainedModel(trainer.network, settings)


def write_history(path: Path, history: Sequence[dict]) -> None:
    """Writes one row per epoch as CSV: epoch, loss, learning_rate, seconds, metrics, and val_* of the same."""
    write_table(pd.DataFrame(history), path)


def _run_epoch(
    trainer: Trainer,
    cases: Sequence[StoredCase],
    settings: Settings,
    epoch: int,
    *,
    monitored: Sequence[float],
    executor: Executor | None,
) -> dict:
    started = time.perf_counter()
    steps = batches.steps_on_cases(cases, settings)
    made = batches.training_batches(cases, settings, epoch, workers=settings.training.workers, executor=executor)
    rate = 0.0
    rows = []
    for step, batch in enumerate(track(made, f"Epoch {epoch + 1}/{settings.training.epochs}", steps)):
        rate = schedules.learning_rate(settings.training, epoch, step / steps, monitored=monitored)
        rows.append(trainer.train(batch, rate))
        if not np.isfinite(rows[-1]["loss"]):
            names = ", ".join(batches.cases_in_batch(cases, settings, epoch, step=step))
            raise InputError(
                f"the loss became {rows[-1]['loss']} in epoch {epoch + 1}, step {step + 1}, on patches of {names}: "
                f"begin again with a lower training.learning_rate, or with training.gradient_clip_norm; the checkpoint "
                f"of the {epoch} epochs before is kept"
            )
    means = _means(rows)
    return {
        "epoch": epoch,
        "loss": means.pop("loss"),
        "learning_rate": float(rate),
        "seconds": round(time.perf_counter() - started, 3),
        **means,
    }


def _validate(trainer: Trainer, fixed: Iterable[batches.Batch]) -> dict:
    scored = [(trainer.test(batch), len(batch.images)) for batch in fixed]
    means = _means([scores for scores, _ in scored], [count for _, count in scored])
    return {f"val_{name}": value for name, value in means.items()}


def _means(rows: Sequence[dict], counts: Sequence[int] | None = None) -> dict[str, float]:
    """The mean over batches of `counts` patches each, so that each patch counts alike; without, each batch does."""
    names = rows[0] if rows else ()
    return {name: float(np.average([row[name] for row in rows], weights=counts)) for name in names}


def _monitored(history: Sequence[dict], settings: Settings, score: str = "loss") -> list[float]:
    """The loss or another score of the monitored data after each epoch; empty where none are monitored."""
    prefix = {"validation": "val_", "training": "", "none": None}[settings.training.monitor]
    return [] if prefix is None else [row[prefix + history_name(score)] for row in history]


def restore(checkpoint: Checkpoint, trainer: Trainer, path: Path) -> tuple[tuple[dict, ...], Arrays]:
    """History and best weights so far; the trainer is put where it stood."""
    try:
        if checkpoint.best:
            trainer.network.set_weights(checkpoint.best)
        trainer.restore(checkpoint.model, checkpoint.optimizer)
    except (ValueError, TypeError) as error:  # arrays of other shapes, or too few
        reason = " ".join(str(error).split())[:200]
        message = f"{path}: a damaged checkpoint ({reason}); {begin_again(path.parent.parent)}"
        raise InputError(message, options=BEGIN_AGAIN) from error
    log.info("resumed after epoch %d", len(checkpoint.history))
    return checkpoint.history, checkpoint.best


def _fingerprint(cases, validation, settings: Settings, precision: str) -> str:
    """Of all that the weights depend on: cases, settings of the training, and the code of own functions."""
    names = [case.folder.name for case in (*cases, *validation)]
    without_workers = settings.training.model_copy(update={"workers": None})
    counting = settings.model_copy(update={"training": without_workers, "evaluation": EvaluationSettings()})
    names_of_code = [settings.network.name, settings.loss.name, settings.training.best]
    names_of_code += settings.augmentation.transforms
    sources = [plugins.source_hash(name) for name in names_of_code if ":" in name]
    content = f"{counting.model_dump_json()} {precision} {names}" + (f" {sources}" if sources else "")
    return hashlib.sha256(content.encode()).hexdigest()


def in_words(row: dict) -> str:
    """A row of the history as a line of the log."""
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")
