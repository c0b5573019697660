import numpy as np
import pytest

from pneumoseg.pipeline.models.training_features import TrainingFeatures
from pneumoseg.pipeline.prediction.signals import FOREGROUND
from pneumoseg.pipeline.prediction.tile_outputs import TileOutputs, is_largest
from pneumoseg.pipeline.prediction.watching import Watch, entropy, signals_of

NAMES = ("background", "lung", "infection")


def watch_of(labels: np.ndarray, sure: float = 1.0, **options) -> Watch:
    """A watch that saw planes of these class numbers (x, y, z), each with the probability `sure`."""
    watch = Watch(labels.shape, 3, 0.5, **options)
    certain = np.eye(3, dtype=np.float32)[labels]
    probabilities = (certain * sure + (1 - certain) * (1 - sure) / 2).T
    watch.add_planes(probabilities[:, :2])
    watch.add_planes(probabilities[:, 2:])
    return watch


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((6, 5, 4), np.uint8)
    array[1:4, 1:4, 1:3] = 1
    array[3, 1:4, 1:3] = 2
    return array


def test_a_sure_mask_has_no_entropy_and_no_doubt(labels):
    watch = watch_of(labels)
    np.testing.assert_array_equal(watch.labels, labels.T)
    infection = watch.of_class(2)
    assert (infection.predicted_ml, infection.expected_ml) == (3.0, 3.0)
    assert (infection.entropy, infection.doubt, infection.stray) == (0.0, 0.0, 0.0)
    assert watch.of_class(0).predicted_ml == 9.0
    assert infection.disagreement is None and watch.distance is None


def test_an_unsure_mask_has_the_entropy_of_its_region_and_border_and_the_doubt_of_its_sums(labels):
    found = watch_of(labels, sure=0.8).of_class(2)
    one = entropy(np.array([0.1, 0.1, 0.8], np.float32)[:, None])[0]
    assert found.entropy == pytest.approx(one, rel=1e-3)
    total = 6 * 0.8 + (120 - 6) * 0.1
    assert found.expected_ml == pytest.approx(total / 2, rel=1e-5)
    assert found.doubt == pytest.approx(1 - 2 * 6 * 0.8 / (6 + total), rel=1e-5)


def test_a_class_that_is_not_found_has_no_signals(labels):
    found = watch_of(np.minimum(labels, 1)).of_class(2)
    assert (found.predicted_ml, found.entropy, found.doubt, found.disagreement) == (0.0, None, None, None)


def test_stray_is_what_lies_apart(labels):
    labels[5, 4, 3] = labels[5, 0, 0] = 2
    assert watch_of(labels).of_class(2).stray == pytest.approx(2 / 8)


def test_the_entropy_is_1_where_classes_are_alike_and_0_where_one_is_sure():
    found = entropy(np.array([[1 / 3, 0.0, 1.0], [1 / 3, 1.0, 0.0], [1 / 3, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-6)


def test_voters_in_one_tile_disagree_by_the_dice_of_their_pairs():
    """Two voters: 1 - Dice. Weights are even where a tile has one voxel along each axis but one."""
    one, other = np.array([2, 2, 2, 0]), np.array([0, 2, 2, 2])
    votes = sum(is_largest(np.eye(3)[labels])[None, :, None, None] for labels in (one, other))
    probabilities = np.zeros((1, 4, 1, 1, 3), np.float32)
    probabilities[..., 2] = 1
    watch = watch_of(np.full((4, 1, 2), 2, np.uint8))
    watch.add_tiles(TileOutputs(probabilities, votes=votes.astype(np.float32), voters=2))
    middle, edge = np.exp(-0.5 * (0.5 / 0.5) ** 2), np.exp(-0.5 * (1.5 / 0.5) ** 2)
    expected = 1 - 2 * 2 * middle / (2 * (edge + 2 * middle))
    assert watch.of_class(2).disagreement == pytest.approx(expected, rel=1e-4)
    assert watch.of_class(0).disagreement == pytest.approx(expected, rel=1e-4)
    assert watch.of_class(1).disagreement is None
    assert watch.of_class(2).mirror_disagreement is None


def test_views_of_one_network_have_a_disagreement_of_their_own():
    votes = sum(is_largest(np.eye(3)[[label] * 4])[None, :, None, None] for label in (2, 0))
    probabilities = np.full((1, 4, 1, 1, 3), 1 / 3, np.float32)
    watch = watch_of(np.full((4, 1, 2), 2, np.uint8))
    watch.add_tiles(TileOutputs(probabilities, votes=votes.astype(np.float32), voters=2, mirror_images=True))
    assert (watch.of_class(2).mirror_disagreement, watch.of_class(2).disagreement) == (1.0, None)
    alone = signals_of([watch], NAMES, [1.0]).classes["infection"]
    assert (alone.mirror_disagreement, alone.disagreement) == (1.0, None)
    several = signals_of([watch, watch], NAMES, [0.5, 0.5]).classes["infection"]
    assert (several.mirror_disagreement, several.disagreement) == (None, 0.0)


def test_members_on_different_grids_are_compared_at_the_nearest_voxels(labels):
    fine = np.repeat(np.repeat(labels, 2, axis=0), 3, axis=2)
    same = signals_of([watch_of(labels), watch_of(fine)], NAMES, [0.5, 0.5])
    assert {one.disagreement for one in same.classes.values()} == {0.0}
    moved = np.roll(fine, 2, axis=0)
    found = signals_of([watch_of(labels), watch_of(moved)], NAMES, [0.5, 0.5])
    assert found.classes["infection"].disagreement == 1.0
    assert found.classes[FOREGROUND].disagreement == pytest.approx(1 / 3)
    assert found.classes["infection"].predicted_ml == pytest.approx((3 + 18) / 2)


def test_the_distance_is_that_of_tiles_that_hold_something():
    known = TrainingFeatures(np.zeros(1, np.float32), np.eye(1, dtype=np.float32))
    watch = Watch((2, 2, 2), 3, 1.0, training_features=(known, known))
    probabilities = np.zeros((2, 2, 2, 2, 3), np.float32)
    probabilities[0, ..., 1] = probabilities[1, ..., 0] = 1
    watch.add_tiles(TileOutputs(probabilities, (np.array([[2.0], [50.0]]), np.array([[4.0], [50.0]]))))
    assert watch.distance == 3.0


def test_without_features_of_every_voter_there_is_no_distance():
    known = TrainingFeatures(np.zeros(1, np.float32), np.eye(1, dtype=np.float32))
    watch = Watch((2, 2, 2), 3, 1.0, training_features=(known, None))
    watch.add_tiles(TileOutputs(np.zeros((1, 2, 2, 2, 3), np.float32), (np.zeros((1, 1)), np.zeros((1, 1)))))
    assert watch.distance is None
