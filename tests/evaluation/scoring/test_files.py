"""What a set of scored cases leaves on disk, fold by fold and together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import probability_levels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.scoring.case_scores import score_case
from pneumoseg.evaluation.scoring.files import merge_counts, read_confusion, write_counts
from pneumoseg.evaluation.scoring.pooled import read_pooled


def scored(case: str, fold: int):
    labels = np.zeros((6, 6, 4), np.uint8)
    labels[1:3, 1:5], labels[4:6, 1:5] = 1, 2
    labels[1, 1, 1] = labels[5, 4, 2] = 3
    found = labels.copy()
    found[1, 1, 1] = 1
    one, other = Volume.from_source(labels, np.eye(4)), Volume.from_source(found, np.eye(4))
    return score_case(case, fold, one, prediction=other, labels=LUNG_LABELS)


def test_lesions_and_confusion_of_all_folds_come_together(tmp_path):
    for fold, case in enumerate(("007", "b")):
        write_counts(tmp_path / f"fold_{fold}", [scored(case, fold)], LUNG_LABELS)
    merge_counts([tmp_path / "fold_0", tmp_path / "fold_1"], tmp_path)
    lesions = pd.read_csv(tmp_path / "lesions.csv", dtype={"case": str})
    assert lesions["case"].tolist() == ["007"] * 3 + ["b"] * 3
    assert lesions["verdict"].tolist() == ["missed", "found", "right"] * 2
    matrix, names = read_confusion(tmp_path / "confusion.csv")
    assert names == LUNG_LABELS.names
    assert matrix.sum() == 2 * 6 * 6 * 4
    assert (matrix[3, 1], matrix[3, 3]) == (2, 2)


def test_pooled_scores_are_those_of_each_fold_and_of_all(tmp_path):
    for fold in (0, 1):
        write_counts(tmp_path / f"fold_{fold}", [scored("a", fold), scored("b", fold)], LUNG_LABELS)
    merge_counts([tmp_path / "fold_0", tmp_path / "fold_1"], tmp_path)
    assert read_pooled(tmp_path / "fold_1" / "pooled.csv")["fold"].unique().tolist() == ["1", "all"]
    table = read_pooled(tmp_path / "pooled.csv").set_index(["fold", "class"])
    assert set(table.index.get_level_values("fold")) == {"0", "1", "all"}
    assert table.loc[("all", "infection"), "sensitivity"] == 0.5
    assert table.loc[("all", "infection"), "precision"] == 1


@pytest.mark.parametrize("names", [("background", "reference"), ("007", "7"), ("NA", "a,b")])
def test_any_name_of_a_class_comes_back(tmp_path, names):
    labels = LabelTable(names, ((0, 0, 0), (9, 9, 9)))
    mask = Volume.from_source(np.eye(4, dtype=np.uint8)[..., None], np.eye(4))
    write_counts(tmp_path / "fold_0", [score_case("a", 0, mask, prediction=mask, labels=labels)], labels)
    merge_counts([tmp_path / "fold_0"], tmp_path)
    for path in (tmp_path, tmp_path / "fold_0"):
        matrix, found = read_confusion(path / "confusion.csv")
        assert found == names
        assert matrix.tolist() == [[12, 0], [0, 4]]


def test_folds_of_an_earlier_version_have_neither(tmp_path):
    (tmp_path / "fold_0").mkdir()
    merge_counts([tmp_path / "fold_0"], tmp_path)
    assert not (tmp_path / "lesions.csv").exists()


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "reference,a,b\na,1,x\nb,1,2\n", "reference,a,b\na,1,2\nc,1,2\n"])
def test_a_broken_confusion_table_is_refused(tmp_path, text):
    path = tmp_path / "confusion.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="confusion"):
        read_confusion(path)


TWO = LabelTable(("background", "infection"), ((0, 0, 0), (9, 9, 9)))


def ranked(fold: int, sizes: tuple[int, ...], kept: bool = True):
    """Cases of other sizes and prevalences, their scores, references and probabilities; no infection in the first."""
    rng = np.random.default_rng(fold)
    scores, references, probabilities = [], [], []
    for number, size in enumerate(sizes):
        labels = (rng.random((size, 6, 1)) < 0.3 * number).astype(np.uint8)
        chances = (1 / (1 + np.exp(-rng.normal(2.0 * labels - 4 * number, 2)))).astype(np.float32)
        mask = Volume.from_source(labels, np.eye(4))
        levels = probability_levels(np.stack([1 - chances, chances], axis=-1))
        levels = mask.with_array(levels).array if kept else None
        scores.append(score_case(f"{number}", fold, mask, prediction=mask, labels=TWO, levels=levels))
        references.append(mask.array.ravel())
        probabilities.append(chances.ravel())
    return scores, np.concatenate(references), np.concatenate(probabilities)


def test_the_auc_of_two_folds_is_over_all_their_voxels(tmp_path):
    folders, parts = [tmp_path / "fold_0", tmp_path / "fold_1"], [ranked(0, (9, 30)), ranked(1, (5, 50, 7))]
    for folder, (scores, _, _) in zip(folders, parts, strict=True):
        write_counts(folder, scores, TWO)
    merge_counts(folders, tmp_path)
    areas = read_pooled(tmp_path / "pooled.csv").set_index(["fold", "class"])["auc"]
    everything = [np.concatenate([part[side] for part in parts]) for side in (1, 2)]
    for fold, (reference, probabilities) in {"0": parts[0][1:], "1": parts[1][1:], "all": everything}.items():
        expected = roc_auc_score(reference, probabilities)
        assert areas[fold, "infection"] == pytest.approx(expected, abs=1e-3)
        assert areas[fold, "background"] == pytest.approx(expected, abs=1e-3)
    assert np.isnan(parts[0][0][0].rows[1]["auc"])  # no infection there, but its voxels count in the pooled one


def test_without_the_probabilities_of_one_case_there_is_no_pooled_auc(tmp_path):
    folders = [tmp_path / "fold_0", tmp_path / "fold_1"]
    for fold, folder in enumerate(folders):
        write_counts(folder, ranked(fold, (9, 30))[0], TWO)
    merge_counts(folders, tmp_path)
    assert (tmp_path / "probability_histograms.csv").is_file()
    write_counts(folders[1], ranked(1, (9,))[0] + ranked(1, (9, 30), kept=False)[0], TWO)  # scored again
    merge_counts(folders, tmp_path)
    assert "auc" in read_pooled(folders[0] / "pooled.csv")
    for folder in (folders[1], tmp_path):
        assert "auc" not in read_pooled(folder / "pooled.csv")
        assert not (folder / "probability_histograms.csv").exists()
