"""A network with what changes its weights: loss, optimiser, deep supervision, averaged weights, precision."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.networks.blocks import Kit
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.runtime import device_parallel, hardware
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.sampling.batches import Batch
from pneumoseg.pipeline.settings.schema import Settings
from pneumoseg.pipeline.settings.training import TrainingSettings, history_name
from pneumoseg.pipeline.training import losses
from pneumoseg.pipeline.training.checkpoint import Arrays
from pneumoseg.pipeline.training.metrics import make_metric

SEEDS = "python_random"
"""The name by which Keras has Python's generator."""


@dataclass(frozen=True, eq=False)
class Trainer:
    """`network` is what is saved; `model`, which is compiled, shares its weights and may have more outputs.

    `precision`: the Keras dtype policy. `averages`: whether the optimiser averages the weights. `parallel`: of several
    devices that share the batches, None for one."""

    network: keras.Model
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    averages: bool
    precision: str
    parallel: device_parallel.Scope | None = None

    def train(self, batch: Batch, learning_rate: float) -> dict[str, float]:
        """One step; loss and metrics of the batch. Raises InputError where the GPU's memory is insufficient."""
        self.optimizer.learning_rate.assign(learning_rate)
        # Whether Keras adds up metrics over such calls differs between its versions; each batch is taken by itself.
        self.model.reset_metrics()
        try:
            if self.parallel is None:
                return self.model.train_on_batch(batch.images, batch.labels, return_dict=True)
            with self.parallel():
                return device_parallel.train_on_batch(self.model, batch.images, batch.labels)
        except hardware.out_of_memory() as error:
            raise InputError(
                f"the GPU has not enough memory for training on {len(batch.images)} patches of "
                f"{list(batch.images.shape[1:-1])} at once: lower patches.batch, patches.shape or network.filters"
            ) from error

    def test(self, batch: Batch) -> dict[str, float]:
        """Loss and metrics of a batch, of the full resolution alone; nothing is changed."""
        self.model.reset_metrics()
        return self.model.test_on_batch(batch.images, batch.labels, return_dict=True)

    @contextmanager
    def counting_weights(self) -> Iterator[None]:
        """Within, the network has the weights that count: the averages where there are any."""
        if not self.averages:
            yield
            return
        trained = self.model.get_weights()  # with the deep supervision's heads, which are averaged too
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            self.model.set_weights(trained)

    def state(self) -> tuple[Arrays, Arrays]:
        """All numbers that training goes on from: of the model, and of the optimiser."""
        return _values(_variables(self.model)), _values(self.optimizer.variables)

    def restore(self, model: Arrays, optimizer: Arrays) -> None:
        """Puts back what `state` gave."""
        for variables, values in ((_variables(self.model), model), (self.optimizer.variables, optimizer)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def make_trainer(
    settings: Settings, start_from: keras.Model | None = None, *, policy: hardware.Policy | None = None
) -> Trainer:
    """A trainer as the settings describe it, with fresh weights from the seed or those of `start_from`.

    `policy`: the Keras dtype policy, by default the `default_policy`. Raises InputError where `start_from` is another
    network, where the network cannot be deeply supervised, or where there are fewer devices than the settings say.
    """
    training = settings.training
    if training.deterministic:
        hardware.compute_deterministically()
    if training.devices == 1:
        return _made(settings, start_from, policy)
    _check_shared(training)
    scope = device_parallel.scope_of(training.devices)
    with scope():
        return replace(_made(settings, start_from, policy), parallel=scope)


def _check_shared(training: TrainingSettings) -> None:
    """Raises InputError for what Keras cannot do, or does wrongly, where TensorFlow shares batches."""
    if keras.backend.backend() == "tensorflow" and (training.accumulated_steps > 1 or training.average_decay):
        raise InputError(
            "training.devices above 1 under TensorFlow allows neither training.accumulated_steps nor "
            "training.average_decay; set them to 1 and null, or train with KERAS_BACKEND=jax"
        )


def _made(settings: Settings, start_from: keras.Model | None, policy: hardware.Policy | None) -> Trainer:
    training = settings.training
    dtype = default_policy(settings) if policy is None else policy
    with weights_of_seed(settings.seed):
        network = build_network(settings, dtype)
        heads = [_head(network, level, settings, dtype) for level in range(1, training.deep_supervision + 1)]
    if start_from is not None:
        copy_weights(start_from, network)
    model = Supervised(network.input, [network.outputs[0], *heads])
    optimizer = _optimizer(settings, dtype)
    model.compile(
        optimizer=optimizer,
        loss=losses.make_loss(settings.loss, len(settings.labels.names)),
        metrics=[
            keras.metrics.MeanMetricWrapper(make_metric(name), name=history_name(name)) for name in training.metrics
        ],
        # XLA is several times slower on processors; JAX compiles in any case.
        jit_compile=keras.backend.backend() == "jax" or ("auto" if hardware.gpu_available() else False),
    )
    optimizer.build(model.trainable_variables)
    return Trainer(network, model, optimizer, training.average_decay is not None, dtype)


@contextmanager
def weights_of_seed(seed: int) -> Iterator[None]:
    """Decides the weights that Keras draws in the block, whatever other threads draw meanwhile.

    Keras takes their seeds from Python's global generator, as threads of Dask do for their own ends: in the block it
    has a generator to itself.
    """
    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
    else:  # that function would import TensorFlow
        random.seed(seed)
    module = sys.modules[keras.random.SeedGenerator.__module__]
    if getattr(module, SEEDS, None) is not random:
        yield  # another version of Keras
        return
    setattr(module, SEEDS, random.Random(seed))
    try:
        yield
    finally:
        setattr(module, SEEDS, random)


def default_policy(settings: Settings) -> hardware.Policy:
    """The Keras dtype policy of the settings; for "auto" the GPU's, or float32 on a processor. Raises InputError for
    one that gives wrong results here."""
    precision, shape = settings.training.precision, settings.patches.shape
    if hardware.gpu_available():
        return hardware.gpu_precision() if precision == "auto" else precision
    if precision == "mixed_float16":
        raise InputError("training.precision: mixed_float16 needs a GPU, and none was found; use auto")
    if precision == "mixed_bfloat16" and _is_wrong_in_bfloat16(settings):
        raise InputError(
            f"training.precision: mixed_bfloat16 is wrong on processors where a level is 2 voxels wide, as with "
            f"patches.shape {list(shape or ())} and {len(settings.network.filters)} levels; use float32 or wider ones"
        )
    return "float32" if precision == "auto" else precision


def possible_policies(settings: Settings) -> list[hardware.Policy]:
    """The policies that this training may have here: the `default_policy`, and on a processor for "auto" those that it
    can train in. Raises InputError as `default_policy`."""
    if settings.training.precision != "auto" or hardware.gpu_available():
        return [default_policy(settings)]
    return policies_of_processor(settings)


def policies_of_processor(settings: Settings) -> list[hardware.Policy]:
    """The policies that a processor can train in, float32 first."""
    possible = hardware.has_bfloat16() and not _is_wrong_in_bfloat16(settings)
    return ["float32", "mixed_bfloat16"] if possible else ["float32"]


def _is_wrong_in_bfloat16(settings: Settings) -> bool:
    """TensorFlow 2.21 (oneDNN) gives garbage for the bfloat16 gradient of a 3D convolution's weights where the tensor
    is 2 voxels wide."""
    shape = settings.patches.shape
    widths = [] if shape is None else [shape[0] // 2**level for level in range(len(settings.network.filters))]
    return settings.dimensions == 3 and 2 in widths


class Supervised(keras.Model):
    """A model whose outputs are the full resolution and coarser ones, level k 2 ** k times as coarse along each axis.

    Deep supervision (Lee et al. 2015) with the weights of nnU-Net (Isensee et al. 2021): level k's loss counts 2 ** -k,
    the weights sum to 1. Coarse labels are those at every 2 ** k-th voxel.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted loss over the levels, and what the network's own layers add (regularisation); of the full
        resolution alone when not training."""
        outputs = _levels(y_pred) if training else _levels(y_pred)[:1]
        shares = 0.5 ** np.arange(len(outputs))
        shares = shares / shares.sum()
        axes = len(outputs[0].shape) - 2
        total = sum(self.losses) if training else 0.0
        for level, (share, output) in enumerate(zip(shares, outputs, strict=True)):
            every = slice(None, None, 2**level)
            total += float(share) * self.loss(y[(slice(None), *[every] * axes)], output)
        return total / device_parallel.replicas()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The metrics of the full resolution."""
        return super().compute_metrics(x, y, _levels(y_pred)[0], sample_weight)


def _levels(outputs) -> list:
    """Keras gives a single output as it is, several as a list."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _head(network: keras.Model, level: int, settings: Settings, dtype: str):
    """Class probabilities from a coarser level of the decoder; trained with the network, not part of it."""
    name = f"decoder_{level}"
    if name not in {layer.name for layer in network.layers}:
        raise InputError(
            f"training.deep_supervision: {settings.training.deep_supervision} levels below the first were asked for, "
            f"the network {settings.network.name} has no layer {name}"
        )
    features = network.get_layer(name).output
    kit = Kit.of(settings.dimensions, settings.network, dtype)
    return kit.probabilities(features, len(settings.labels.names), f"probabilities_{level}")


def _optimizer(settings: Settings, dtype: str) -> keras.optimizers.Optimizer:
    training = settings.training
    options = {
        "learning_rate": training.learning_rate,
        "global_clipnorm": training.gradient_clip_norm,
        "gradient_accumulation_steps": training.accumulated_steps if training.accumulated_steps > 1 else None,
        "use_ema": training.average_decay is not None,
        "ema_momentum": training.average_decay or 0.0,
    }
    if training.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.99, nesterov=True, **options)
    elif training.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(**options)
    else:
        optimizer = keras.optimizers.Adam(**options)
    # Gradients below the smallest float16 would vanish: the loss is scaled up, and down again in the update.
    return keras.optimizers.LossScaleOptimizer(optimizer) if dtype == "mixed_float16" else optimizer


def copy_weights(source: keras.Model, network: keras.Model) -> None:
    """Gives the network the weights of `source`. Raises InputError where that is another network."""
    given = [weight.shape for weight in source.get_weights()]
    needed = [weight.shape for weight in network.get_weights()]
    if given != needed:
        raise InputError(
            f"the model to start from has {source.count_params()} parameters in {len(given)} arrays, the settings "
            f"describe one with {network.count_params()} in {len(needed)}; use the network settings of that model"
        )
    network.set_weights(source.get_weights())


def _variables(model: keras.Model) -> list:
    """Weights, moving statistics and the states of random layers; not the metrics'."""
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def _values(variables) -> Arrays:
    return tuple(np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables)
