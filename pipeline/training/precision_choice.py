"""The precision to train in: the one whose steps are fastest on this processor, found by timing a few of them."""

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.pipeline.networks.operations import forward_operations
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.runtime.measured_choice import (
    MeasuredChoice,
    in_words,
    keep,
    known_here,
    processor_part,
    quickest,
    recall,
)
from pneumoseg.pipeline.sampling import batches, patches
from pneumoseg.pipeline.settings.schema import Settings
from pneumoseg.pipeline.training.cost import step_seconds
from pneumoseg.pipeline.training.step import make_trainer, possible_policies

SHORT_RUN_S = 600.0
"""A run expected to be shorter is not worth the time that measuring takes."""
TIMED_STEP_S = 1.5
"""Steps that are expected to take longer are timed on smaller patches: all is done within half a minute."""
LARGEST_LOSS_DIFFERENCE = 0.1
"""Of the first step's loss, as a share of that in float32."""
TIMES_FILE = "training-times.json"


def choose_policy(settings: Settings, shapes: Sequence[patches.Shape]) -> hardware.Policy:
    """The Keras dtype policy to train in, on volumes of these shapes.

    The setting where it is not "auto", and the GPU's where there is one. On a processor the policy whose steps have
    been measured to be fastest, on this kind of processor with this network and patch; what is not known yet is
    measured, unless the run is expected to take less than ten minutes: that is trained in float32.
    """
    policies = possible_policies(settings)
    if len(policies) == 1:
        return policies[0]
    path, key = cache_folder() / TIMES_FILE, _key(settings, policies)
    choice = recall(path, key)
    if choice is None or choice.name not in policies:
        network = build_network(settings)
        seconds = functools.partial(_expected_s, network)
        steps = batches.steps_in_epoch(shapes, settings) * settings.training.epochs
        shape = patches.network_shape(settings, max(shapes, key=np.prod))
        if steps * seconds(shape, settings.patches.batch) < SHORT_RUN_S:
            return "float32"
        choice = _measured(settings, policies, seconds)
        keep(path, key, choice)
    log.info("training in %s a step", in_words(choice))
    return next(policy for policy in policies if policy == choice.name)


def known_policies() -> list[str]:
    """What has been measured on this kind of processor, in words."""
    return [f"{key}: {words}" for key, words in known_here(cache_folder() / TIMES_FILE).items()]


def _expected_s(network: keras.Model, shape: patches.Shape, batch: int) -> float:
    """The time that a step on `batch` patches of that shape is expected to take in float32."""
    return step_seconds(3.0 * batch * forward_operations(network, shape)[0])


def _measured(
    settings: Settings, policies: Sequence[hardware.Policy], seconds: Callable[[patches.Shape, int], float]
) -> MeasuredChoice:
    log.info("timing a few steps in %s on this processor once", ", ".join(policies))
    timed = _of_small_patches(settings, seconds)
    rng = np.random.default_rng(settings.seed)
    size = (timed.patches.batch, *(timed.patches.shape or ()))
    batch = batches.Batch(
        rng.normal(size=(*size, settings.channels)).astype(np.float32),
        rng.integers(0, len(settings.labels.names), (*size, 1)).astype(np.uint8),
    )

    def make_ready(policy: hardware.Policy) -> Callable[[], float]:
        trainer = make_trainer(timed, policy=policy)
        return lambda: trainer.train(batch, settings.training.learning_rate)["loss"]

    return quickest(
        {policy: functools.partial(make_ready, policy) for policy in policies},
        agrees=lambda loss, exact: abs(loss - exact) <= LARGEST_LOSS_DIFFERENCE * abs(exact),
    )


def _of_small_patches(settings: Settings, seconds: Callable[[patches.Shape, int], float]) -> Settings:
    """The settings with patches whose step is expected to take a second or two at most."""
    batch, largest = settings.patches.batch, 2**24
    shape = patches.capped_shape(settings, largest)
    while seconds(shape, batch) > TIMED_STEP_S and largest > 1:
        batch, largest = 1, largest // 2
        shape = patches.capped_shape(settings, largest)
    small = settings.patches.model_copy(update={"shape": shape, "batch": batch})
    return settings.model_copy(update={"patches": small})


def _key(settings: Settings, policies: Sequence[str]) -> str:
    """All that a step's time depends on."""
    training = settings.training
    parts = [
        settings.network.model_dump(mode="json"),
        settings.loss.model_dump(mode="json"),
        len(settings.labels.names),
        settings.channels,
        settings.patches.shape,
        settings.patches.batch,
        [training.optimizer, training.deep_supervision, training.metrics, training.average_decay],
    ]
    what = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    version = importlib.metadata.version("tensorflow")
    return f"tensorflow {version}, {processor_part()}, step {what}, {' '.join(policies)}"
