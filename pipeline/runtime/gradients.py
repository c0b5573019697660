"""The gradient of a function of a tensor, in Keras's backend."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime.keras_backend import keras


def gradient(function: Callable[[Any], Any], at: np.ndarray) -> np.ndarray:
    """The gradient of `function`, from a tensor like `at` to a single number, at that place; float32 of its shape.

    Raises InputError for a backend other than TensorFlow and JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from pneumoseg.pipeline.runtime import tensorflow_backend

        return np.asarray(tensorflow_backend.gradient(function, at))
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(at))
    raise InputError(f"gradients need Keras's backend tensorflow or jax, found {backend}; set KERAS_BACKEND")
