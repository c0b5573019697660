import numpy as np

from pneumoseg.pipeline.prediction.tile_outputs import (
    TileOutputs,
    WatchedNetwork,
    every_second,
    is_largest,
    joined,
    outputs_of,
)


def outputs(row, feature=None) -> TileOutputs:
    features = () if feature is None else (np.array([[feature]], np.float32),)
    return TileOutputs(np.array([[row]], np.float32), features)


def test_a_network_is_watched_or_gives_probabilities_alone():
    watched = WatchedNetwork(lambda tiles: TileOutputs(tiles, (tiles[:, 0],)))
    tiles = np.ones((1, 2), np.float32)
    assert watched(tiles) is tiles
    assert len(outputs_of(watched)(tiles).features) == 1
    assert outputs_of(np.copy)(tiles).features == ()


def test_voters_are_joined_to_their_mean_features_and_votes():
    found = joined([outputs([0.6, 0.4], 1.0), outputs([0.2, 0.8], 2.0), outputs([0.1, 0.9], 3.0)])
    np.testing.assert_allclose(found.probabilities, [[[0.3, 0.7]]], atol=1e-6)
    assert [float(one[0, 0]) for one in found.features] == [1, 2, 3]
    assert found.votes.tolist() == [[[1, 2]]]
    assert found.voters == 3


def test_features_are_left_out_where_a_voter_has_none():
    assert joined([outputs([0.6, 0.4], 1.0), outputs([0.6, 0.4])]).features == ()


def test_the_most_probable_class_is_marked():
    np.testing.assert_array_equal(is_largest(np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])), [[0, 1, 0], [1, 1, 0]])


def test_every_second_voxel_from_the_first():
    probabilities = np.arange(5 * 4 * 2).reshape(1, 5, 4, 2)
    np.testing.assert_array_equal(every_second(probabilities), probabilities[:, [0, 2, 4]][:, :, [0, 2]])
