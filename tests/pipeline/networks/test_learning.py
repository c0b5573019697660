"""Every network learns, in 2D and 3D."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.pipeline.networks.registry import NETWORKS
from pneumoseg.pipeline.sampling.batches import Batch
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training.step import make_trainer


@pytest.fixture(scope="module")
def phantom() -> Batch:
    """Two patches of a phantom CT with lungs and infections: (2, 16, 16, 8, 1)."""
    image, labels = make_phantom(seed=1, index=0, shape=(32, 32, 16))
    corners = [(2, 8, 4), (14, 8, 4)]
    parts = [tuple(slice(low, low + size) for low, size in zip(corner, (16, 16, 8), strict=True)) for corner in corners]
    images = np.stack([np.clip(image.array[part], -1250, 250) for part in parts])
    masks = np.stack([labels.array[part] for part in parts])
    return Batch(((images - images.mean()) / images.std()).astype(np.float32)[..., None], masks[..., None])


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_thirty_steps_lower_the_loss(phantom, name, dimensions):
    shape = [16, 16, 8][:dimensions]
    settings = load_settings(
        "demo",
        [
            *(f"network.name={name}", f"patches.shape={shape}", "network.filters=[4, 8]"),
            *("training.precision=float32", "training.metrics=[]"),
        ],
    )
    batch = phantom if dimensions == 3 else Batch(phantom.images[:, :, :, 4], phantom.labels[:, :, :, 4])
    assert len(np.unique(batch.labels)) >= 3
    trainer = make_trainer(settings)
    losses = [trainer.train(batch, 5e-3)["loss"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])
