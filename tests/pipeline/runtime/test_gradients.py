"""The gradient of a function, against its formula."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import gradients
from pneumoseg.pipeline.runtime.gradients import gradient


def test_the_gradient_of_a_sum_of_squares_is_twice_the_place():
    at = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = gradient(lambda place: gradients.keras.ops.sum(place * place), at)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * at)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(gradients.keras.backend, "backend", lambda: "numpy")
    with pytest.raises(InputError, match="tensorflow or jax, found numpy"):
        gradient(lambda place: place, np.zeros(1, np.float32))
