"""Data parallelism: several devices hold a network, and each computes its share of every batch.

By `tf.distribute` under TensorFlow, by `keras.distribution` under JAX; Keras advises against the latter for TensorFlow.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime.keras_backend import keras

Scope = Callable[[], AbstractContextManager]
"""Gives a context; a network is made within one, and trained within another of the same scope."""


def scope_of(count: int) -> Scope:
    """The scope of `count` devices: GPUs, or the devices of the processor where there is no GPU.

    Raises InputError where there are fewer, and for other backends than TensorFlow and JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from pneumoseg.pipeline.runtime import tensorflow_backend

        devices = tensorflow_backend.devices()
        _require(count, devices)
        return tensorflow_backend.scope_of(devices[:count])
    if backend == "jax":
        devices = keras.distribution.list_devices()
        _require(count, devices)
        return keras.distribution.DataParallel(devices=devices[:count], auto_shard_dataset=False).scope
    raise InputError(f"training.devices above 1 needs Keras's backend tensorflow or jax, found {backend}")


def train_on_batch(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """One step within the scope, each device on an equal share of the batch; loss and metrics of the whole batch."""
    if keras.backend.backend() != "tensorflow":
        return model.train_on_batch(images, labels, return_dict=True)
    done = model.fit(images, labels, batch_size=len(images), shuffle=False, verbose=0)  # which alone shares a batch
    return {name: float(values[0]) for name, values in done.history.items()}


def replicas() -> int:
    """How many devices add up the gradients of the loss that is being computed: more than one within TensorFlow's
    scope. JAX computes the loss of the whole batch."""
    if keras.backend.backend() != "tensorflow":
        return 1
    from pneumoseg.pipeline.runtime import tensorflow_backend

    return tensorflow_backend.replicas()


def _require(count: int, devices: list[str]) -> None:
    if count > len(devices):
        raise InputError(f"training.devices: {count} are asked for, found {len(devices)} ({', '.join(devices)})")
