"""Pooled scores: over all voxels, by hand and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.measures.overlap import OVERLAP_SCORES, confusion
from pneumoseg.evaluation.scoring.pooled import COLUMNS, pooled_table, read_pooled, write_pooled

TWO = ("background", "infection")


def test_by_hand():
    """A large picture segmented well and a small one missed: Dice 16/18 and 0, but 16/20 over all pixels."""
    matrices = {0: np.array([[90, 2], [0, 8]]), 1: np.array([[98, 0], [2, 0]])}
    table = pooled_table(matrices, TWO)
    assert tuple(table.columns) == COLUMNS == ("fold", "class", *OVERLAP_SCORES, "jaccard_distance")
    dice = table[table["class"] == "infection"].set_index("fold")["dice"]
    assert dice.to_dict() == pytest.approx({"0": 16 / 18, "1": 0, "all": 16 / 20})
    whole = table.set_index(["fold", "class"]).loc[("all", "infection")]
    assert (whole["accuracy"], whole["sensitivity"], whole["precision"]) == (196 / 200, 8 / 10, 8 / 10)
    assert whole["jaccard_distance"] == pytest.approx(1 - 8 / 12)


def test_equals_scikit_learn_on_all_voxels_together():
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 2, (2, size, 9), dtype=np.uint8) for size in (3, 50)]
    table = pooled_table({fold: confusion(*pair, 2) for fold, pair in enumerate(pairs)}, TWO)
    truth, found = np.concatenate([pair.reshape(2, -1) for pair in pairs], axis=1)
    whole = table.set_index(["fold", "class"]).loc[("all", "infection")]
    assert whole["iou"] == pytest.approx(metrics.jaccard_score(truth, found))
    assert whole["precision"] == pytest.approx(metrics.precision_score(truth, found))
    assert whole["specificity"] == pytest.approx(metrics.recall_score(1 - truth, 1 - found))


def test_the_lungs_are_a_group_of_classes():
    table = pooled_table({0: np.array([[5, 0, 0, 0], [0, 2, 1, 0], [0, 0, 3, 0], [0, 0, 1, 1]])}, LUNG_LABELS.names)
    dice = table[table["fold"] == "all"].set_index("class")["dice"]
    assert list(dice.index) == [*LUNG_LABELS.names, "lungs"]
    assert dice["lungs"] == 1
    assert dice["lung_left"] == pytest.approx(4 / 5)


def test_what_is_written_is_read_again(tmp_path):
    names = ("background", "007")
    write_pooled(tmp_path, {3: np.array([[4, 0], [0, 0]])}, names)
    table = read_pooled(tmp_path / "pooled.csv")
    assert table["fold"].tolist() == ["3", "3", "all", "all"]
    assert table["class"].tolist() == [*names, *names]
    assert table["dice"].isna().tolist() == [False, True, False, True]
    pd.testing.assert_frame_equal(table, pooled_table({3: np.array([[4, 0], [0, 0]])}, names), check_dtype=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [("fold,class,dice\nall,a,1\n", "columns missing: iou"), (",".join(COLUMNS) + "\nall,a,x,,,,,,\n", "found text")],
)
def test_another_table_is_refused(tmp_path, text, message):
    (tmp_path / "pooled.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_pooled(tmp_path / "pooled.csv")


def test_histograms_of_probabilities_add_the_auc(tmp_path):
    """Infection at levels 1 and 2, the rest at 0 and 1 in fold 0; fold 1 has none, but ranks its voxels highest."""
    matrices = {0: np.array([[2, 0], [0, 2]]), 1: np.array([[4, 0], [0, 0]])}
    one, other = np.zeros((2, 2, 2, LEVELS), np.int64)
    one[1, 0, [1, 2]] = one[1, 1, [0, 1]] = 1
    other[1, 1, 9] = 4
    write_pooled(tmp_path, matrices, TWO, histograms={0: one, 1: other})
    table = read_pooled(tmp_path / "pooled.csv")
    assert tuple(table.columns) == (*COLUMNS, "auc")
    areas = table[table["class"] == "infection"].set_index("fold")["auc"]
    assert (areas["0"], areas["all"]) == pytest.approx((0.875, 3.5 / 12), abs=1e-6)
    assert np.isnan(areas["1"])


def test_a_group_has_no_auc():
    histograms = np.ones((4, 2, LEVELS), np.int64)
    table = pooled_table({0: np.eye(4, dtype=np.int64)}, LUNG_LABELS.names, histograms={0: histograms})
    assert table["auc"].isna().tolist() == [False, False, False, False, True] * 2
