import random

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.sampling.batches import make_batch
from pneumoseg.pipeline.sampling.custom_transforms import apply_transforms
from pneumoseg.pipeline.settings.loading import load_settings

NOISE = "batchgenerators.transforms.noise_transforms:GaussianNoiseTransform"
MIRROR = "batchgenerators.transforms.spatial_transforms:MirrorTransform"


def patch(shape) -> tuple[np.ndarray, np.ndarray]:
    labels = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    return labels.astype(np.float32)[..., None], labels


def without_class():
    return lambda data, seg: {"data": data, "seg": seg - 1}


def shrinking():
    return lambda data, seg: {"data": data[:, :, 1:], "seg": seg[:, :, 1:]}


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4)])
def test_image_and_labels_stay_aligned_and_depend_on_the_generator_alone(shape):
    image, labels = patch(shape)
    results = []
    for seed in (1, 1, 2, 3, 4):
        random.seed(seed + len(results))  # what the global generators stand at plays no part
        moved, moved_labels = apply_transforms(np.random.default_rng(seed), image, labels, names=[MIRROR], classes=4)
        np.testing.assert_array_equal(moved[..., 0], moved_labels)
        assert moved.dtype == np.float32 and moved_labels.dtype == np.uint8
        results.append(moved)
    np.testing.assert_array_equal(results[0], results[1])
    assert any(not np.array_equal(results[0], other) for other in results[2:])


def test_the_global_generators_are_put_back():
    image, labels = patch((4, 4, 4))
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    apply_transforms(np.random.default_rng(0), image, labels, names=[NOISE, MIRROR], classes=4)
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("shape", ["[8, 8, 8]", "[8, 8]"])
def test_batches_use_them(blocks, shape):
    common = [f"patches.shape={shape}", "network.filters=[4, 8]", "augmentation.probability=0"]
    without = make_batch(blocks, load_settings("demo", common), 0, step=0)
    noisy = make_batch(blocks, load_settings("demo", [*common, f"augmentation.transforms=['{NOISE}']"]), 0, step=0)
    assert noisy.images.shape == without.images.shape
    np.testing.assert_array_equal(noisy.labels, without.labels)
    assert not np.array_equal(noisy.images, without.images)


def test_a_transform_that_changes_the_shape_or_does_not_exist():
    image, labels = patch((4, 4, 4))
    with pytest.raises(InputError, match="data and seg keep the shape"):
        apply_transforms(np.random.default_rng(0), image, labels, names=[f"{__name__}:shrinking"], classes=4)
    with pytest.raises(InputError, match="seg holds classes 0 to 3, found -1 to 2"):
        apply_transforms(np.random.default_rng(0), image, labels, names=[f"{__name__}:without_class"], classes=4)
    needy = "batchgenerators.transforms.spatial_transforms:SpatialTransform"
    with pytest.raises(InputError, match="SpatialTransform: cannot be made without arguments"):
        apply_transforms(np.random.default_rng(0), image, labels, names=[needy], classes=4)
    with pytest.raises(InputError, match="transform no_such_module:turn: cannot be imported"):
        apply_transforms(np.random.default_rng(0), image, labels, names=["no_such_module:turn"], classes=4)
