import keras
import numpy as np
import pytest

from pneumoseg.pipeline.settings.schema import PlateauSettings, TrainingSettings
from pneumoseg.pipeline.training import schedules


def keras_rates(losses, settings: PlateauSettings, start: float) -> list[float]:
    """The rates that Keras's own callback sets after each loss."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(optimizer=keras.optimizers.SGD(start), loss="mse")
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="loss",
        factor=settings.factor,
        patience=settings.patience,
        min_delta=settings.min_delta,
        cooldown=settings.cooldown,
        min_lr=settings.min_learning_rate,
    )
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"loss": loss})
        rates.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
    return rates


@pytest.mark.parametrize("seed", range(5))
def test_plateau_follows_keras(seed):
    settings = PlateauSettings(patience=3, cooldown=2, min_delta=0.01, min_learning_rate=1e-5)
    losses = 1.0 + np.random.default_rng(seed).normal(scale=0.05, size=40) - np.linspace(0, 0.1, 40)
    ours = [schedules.plateau(1e-2, settings, losses[: end + 1]) for end in range(len(losses))]
    np.testing.assert_allclose(ours, keras_rates(losses, settings, 1e-2), rtol=1e-5)
    assert ours[-1] < ours[0]


def test_cosine_falls_to_zero():
    settings = TrainingSettings(epochs=10, learning_rate=0.1, schedule="cosine")
    assert schedules.learning_rate(settings, 0, 0.0, monitored=[]) == pytest.approx(0.1)
    assert schedules.learning_rate(settings, 5, 0.0, monitored=[]) == pytest.approx(0.05)
    assert schedules.learning_rate(settings, 9, 1.0, monitored=[]) == pytest.approx(0.0, abs=1e-9)


def test_constant_decay_falls_in_a_line_over_the_last_fifth():
    settings = TrainingSettings(epochs=10, learning_rate=0.1, schedule="constant-decay")
    found = [
        schedules.learning_rate(settings, *place, monitored=[])
        for place in ((0, 0.0), (7, 1.0), (8, 0.5), (9, 0.0), (9, 1.0))
    ]
    assert found == pytest.approx([0.1, 0.1, 0.075, 0.05, 0.0])


def test_polynomial_falls_to_zero():
    settings = TrainingSettings(epochs=10, learning_rate=0.01, schedule="polynomial")
    assert schedules.learning_rate(settings, 0, 0.0, monitored=[]) == pytest.approx(0.01)
    assert schedules.learning_rate(settings, 5, 0.0, monitored=[]) == pytest.approx(0.01 * 0.5**0.9)
    assert schedules.learning_rate(settings, 9, 1.0, monitored=[]) == pytest.approx(0.0)


def test_stops_when_patience_is_over():
    settings = TrainingSettings(early_stop_patience=2)
    assert not schedules.should_stop(settings, [3.0, 2.0, 2.5])
    assert schedules.should_stop(settings, [3.0, 2.0, 2.5, 2.1])
    assert not schedules.should_stop(settings, [])
    assert not schedules.should_stop(TrainingSettings(early_stop_patience=None), [1.0] * 500)


def test_the_best_epoch_is_the_first_smallest():
    assert schedules.best_epoch([3.0, 1.0, 1.0, float("nan")]) == 1
    assert schedules.best_epoch([]) is None


def test_the_best_score_is_the_first_largest():
    assert schedules.best_epoch([0.3, float("nan"), 0.7, 0.7], smallest=False) == 2
    assert schedules.best_epoch([float("nan")], smallest=False) is None
