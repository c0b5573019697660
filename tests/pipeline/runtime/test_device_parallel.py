"""One network on several devices: the processor of a process of its own, made into two."""

import json
import os
import subprocess
import sys

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import device_parallel
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training.step import make_trainer

SCRIPT = """
import json
from pneumoseg.pipeline.runtime.keras_backend import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from pneumoseg.pipeline.sampling.batches import Batch
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training.step import make_trainer

rng = np.random.default_rng(0)
labels = np.zeros((4, 8, 8, 8, 1), np.uint8)
for sample in range(4):
    labels[sample, sample : sample + 4, 1:7, 3:] = sample % 3 + 1
batch = Batch((labels + rng.normal(size=labels.shape)).astype(np.float32), labels)
shown = []
for devices in (1, 2):
    trainer = make_trainer(load_settings("demo", ["patches.shape=[8, 8, 8]", "patches.batch=4",
        "network.filters=[2, 4]", "training.precision=float32", "training.gradient_clip_norm=null",
        "training.metrics=[soft-dice]", f"training.devices={devices}"]))
    rows = [trainer.train(batch, 1e-2) for _ in range(2)]
    trainer.restore(*trainer.state())
    rows.append(trainer.train(batch, 1e-2))
    rows.append(trainer.test(Batch(batch.images[:3], labels[:3])))
    shown.append(rows)
print(json.dumps(shown))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_learn_what_one_does(backend):
    if backend == "jax":
        pytest.importorskip("jax")
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles sooner
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(one) == 4
    assert one[1]["loss"] != pytest.approx(one[0]["loss"], rel=1e-2)
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, rel=1e-3)


def test_devices_that_are_not_there():
    with pytest.raises(InputError, match=r"training.devices: 3 are asked for, found 1 \("):
        device_parallel.scope_of(3)
    assert device_parallel.replicas() == 1


def test_a_batch_is_shared_equally():
    with pytest.raises(InputError, match="found 3 patches for 2 devices"):
        load_settings("demo", ["patches.batch=3", "training.devices=2"])


@pytest.mark.parametrize("change", ["training.accumulated_steps=2", "training.average_decay=0.9"])
def test_what_several_devices_cannot_do(change):
    with pytest.raises(InputError, match="allows neither"):
        make_trainer(load_settings("demo", ["patches.batch=2", "training.devices=2", change]))
