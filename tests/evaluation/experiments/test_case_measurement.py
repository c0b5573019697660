"""Every file of a test case is read once."""

import shutil
from collections import Counter

import pytest

from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.experiments.mask_evaluation import evaluate_masks
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.rescoring import score_again
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import k_fold
from tests.evaluation.threshold import Threshold, run


@pytest.fixture
def decodes(monkeypatch) -> Counter:
    """How often each file was decoded, by path."""
    counts: Counter = Counter()
    read = reading._read
    monkeypatch.setattr(reading, "_read", lambda path, choices: counts.update([path]) or read(path, choices))
    return counts


@pytest.mark.usefixtures("without_case_pictures")
def test_once_in_a_fold_in_scoring_again_and_in_an_evaluation(dataset, tmp_path, monkeypatch, decodes):
    monkeypatch.setattr(Threshold, "prepare", lambda self, cases: None)  # another reading, before all folds
    root = run(dataset, tmp_path / "run", folds=[0]).run.root
    (split, *_) = splits = k_fold(dataset, 3, seed=0)
    cases = dataset.select(split.test)
    predictions = [root / "fold_0" / "predictions" / f"{case.name}.nii.gz" for case in cases]
    files = [path for case in cases for path in (case.image, case.mask)] + predictions
    assert decodes == Counter(files)
    decodes.clear()
    score_again(RunFolder(root), dataset, splits, task=MaskTask(LUNG_LABELS), model_choice="none")
    assert decodes == Counter(files)
    decodes.clear()
    for case in cases:
        shutil.copytree(case.image.parent, tmp_path / "tested" / case.name)
    evaluate_masks(tmp_path / "tested", predictions[0].parent, LUNG_MAPPING, output=tmp_path / "scores")
    assert (len(decodes), set(decodes.values())) == (len(files), {1})
