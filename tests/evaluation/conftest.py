"""Fixtures of the tests of cross-validation."""

import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.experiments import cross_validation, mask_task, run_results


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abcdef":
        labels = rng.integers(0, 4, (8, 8, 4)).astype(np.uint8)
        for file in ("imaging.nii.gz", "segmentation.nii.gz"):
            write_label_nifti(tmp_path / "data" / name / file, Volume.from_source(labels, np.eye(4)), LUNG_LABELS)
    return open_dataset(tmp_path / "data")


@pytest.fixture
def without_pictures(monkeypatch):
    """Figures and report take longer than all the rest; these tests are of the tables."""
    monkeypatch.setattr(mask_task, "draw_case", lambda *arguments, **options: None)
    monkeypatch.setattr(cross_validation, "draw_history", lambda *arguments, **options: None)
    monkeypatch.setattr(run_results, "write_results", lambda *arguments, **options: None)


@pytest.fixture
def without_score_figures(monkeypatch):
    """The report has pictures of single cases alone."""
    monkeypatch.setattr(mask_task, "draw_masks", lambda *arguments: [])
    monkeypatch.setattr(cross_validation, "draw_history", lambda *arguments, **options: None)


@pytest.fixture
def without_figures(without_score_figures, without_case_pictures):
    """A report without figures: to make them, though blank, takes most of the time of such small runs."""
