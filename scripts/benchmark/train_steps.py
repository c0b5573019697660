"""Times the training steps of pneumoseg, or of the same network in plain Keras; a process of train.py.

Usage: python train_steps.py PROGRAM PRESET POLICY WORK STEPS OUTPUT.json, PROGRAM being pneumoseg or keras, POLICY a
Keras dtype policy.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.sampling import batches
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training import losses
from pneumoseg.pipeline.training.metrics import make_metric
from pneumoseg.pipeline.training.step import make_trainer
from pneumoseg.scripts.benchmark.batches import prepared_cases


def main(program: str, preset: str, policy: str, *, work: str, steps: int, output: str) -> None:
    """Writes seconds a patch: of a step alone, and of data and step."""
    settings = load_settings(preset, [f"training.steps_per_epoch={steps + 1}", f"training.precision={policy}"])
    cases = prepared_cases(Path(work), settings)
    step = _pneumoseg_step(settings) if program == "pneumoseg" else _keras_step(settings)
    batch = batches.make_batch(cases, settings, 0, step=0)
    step(batch)
    alone = [_seconds(step, batch) for _ in range(steps)]
    made = batches.training_batches(cases, settings, 1, workers=settings.training.workers)
    step(next(made))
    started = time.perf_counter()
    for batch in made:
        step(batch)
    whole = (time.perf_counter() - started) / steps
    size = settings.patches.batch
    figures = {
        "step_seconds_per_patch": statistics.median(alone) / size,
        "end_to_end_seconds_per_patch": whole / size,
    }
    Path(output).write_text(json.dumps(figures), encoding="utf-8")


def _pneumoseg_step(settings) -> Callable:
    trainer = make_trainer(settings)
    return lambda batch: trainer.train(batch, settings.training.learning_rate)


def _keras_step(settings) -> Callable:
    from pneumoseg.pipeline.runtime.keras_backend import keras

    network = rebuild(build_network(settings), settings.training.precision, plain=True)
    network.compile(
        optimizer=keras.optimizers.Adam(settings.training.learning_rate),
        loss=losses.make_loss(settings.loss, len(settings.labels.names)),
        metrics=[make_metric(name) for name in settings.training.metrics],
        jit_compile=False,
    )
    return lambda batch: network.train_on_batch(batch.images, batch.labels)


def _seconds(step: Callable, batch) -> float:
    started = time.perf_counter()
    step(batch)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], work=sys.argv[4], steps=int(sys.argv[5]), output=sys.argv[6])
