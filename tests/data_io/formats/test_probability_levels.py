"""Levels of probabilities: they rank voxels as the probabilities do."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import LEVELS, probability_levels, read_levels, write_levels


def test_levels_rise_with_the_probability_from_the_first_to_the_last():
    probabilities = np.concatenate([np.geomspace(1e-8, 0.1), np.linspace(0.11, 0.89), 1 - np.geomspace(0.1, 1e-7)])
    levels = probability_levels(np.concatenate([[0], probabilities, [1]]))
    assert levels.dtype == np.uint16
    assert (levels[0], levels[-1]) == (0, LEVELS - 1)
    assert (np.diff(levels.astype(int)) > 0).all()
    assert probability_levels(np.float32([1.0000001, -1e-8])).tolist() == [LEVELS - 1, 0]


@pytest.mark.parametrize(
    ("outside", "inside", "spread"), [(-9, 3, 4), (-6, 0, 2), (-12, -8, 3), (-0.1, 0.1, 0.05), (-3.0, -2.9, 0.1)]
)
def test_the_auc_of_levels_is_that_of_the_probabilities(outside, inside, spread):
    """Also where a network is unsure of all, or gives what it misses a millionth."""
    rng = np.random.default_rng(0)
    reference = rng.random(50_000) < 0.05
    log_odds = np.where(reference, inside, outside) + spread * rng.standard_normal(reference.size)
    probabilities = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    expected = roc_auc_score(reference, probabilities)
    assert roc_auc_score(reference, probability_levels(probabilities)) == pytest.approx(expected, abs=2e-4)


def test_what_is_written_is_read_again(tmp_path):
    levels = np.asfortranarray(np.arange(2 * 3 * 4 * 2, dtype=np.uint16).reshape(2, 3, 4, 2))
    write_levels(tmp_path / "a.npz", levels)
    np.testing.assert_array_equal(read_levels(tmp_path / "a.npz", (2, 3, 4, 2)), levels)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((2, 2, 2, 3), np.uint16), r"shape \[2, 2, 2, 2\] are needed, found uint16 of \[2, 2, 2, 3\]"),
        (np.zeros((2, 2, 2, 2), np.float32), "found float32"),
        (np.full((2, 2, 2, 2), LEVELS, np.uint16), "levels are 0..4095, found 4096"),
    ],
)
def test_other_arrays_are_refused(tmp_path, levels, message):
    write_levels(tmp_path / "a.npz", levels)
    with pytest.raises(InputError, match=rf"a\.npz: no readable probabilities .*{message}.*remove the file"):
        read_levels(tmp_path / "a.npz", (2, 2, 2, 2))


@pytest.mark.parametrize("kept", [0, 20, 150, -30])
def test_a_damaged_file_is_refused(tmp_path, kept):
    write_levels(tmp_path / "a.npz", np.random.default_rng(0).integers(0, LEVELS, (9, 9, 9, 2), np.uint16))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:kept])
    with pytest.raises(InputError, match=r"a\.npz: no readable probabilities"):
        read_levels(tmp_path / "a.npz", (9, 9, 9, 2))


def test_a_changed_byte_is_noticed(tmp_path):
    write_levels(tmp_path / "a.npz", np.random.default_rng(0).integers(0, LEVELS, (9, 9, 9, 2), np.uint16))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[1000] ^= 255
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: no readable probabilities"):
        read_levels(tmp_path / "a.npz", (9, 9, 9, 2))
