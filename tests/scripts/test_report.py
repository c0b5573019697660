"""`pneumoseg report` where the run's own summary was never written: it claims nothing that was not recorded."""

import json
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.runs.splits import k_fold
from pneumoseg.pipeline.settings.loading import load_settings, settings_yaml
from pneumoseg.scripts.cli import app


@dataclass(frozen=True)
class Everywhere:
    """A method that calls every voxel left lung."""

    labels = LUNG_LABELS
    seed = 0
    model_choice = "as its author pleased"

    def describe(self):
        return settings_yaml(load_settings("demo", ["evaluation.folds=2"]))

    def prepare(self, cases):
        pass

    def fit(self, cases, folder, resume=False, start_from=None):
        pass

    def predict(self, model, case):
        return case.image.with_array((case.image.array < 0).astype("uint8"))


@pytest.fixture
def run(phantoms, tmp_path, without_case_pictures):
    """A finished run without models, as a vote leaves it, and without a summary."""
    dataset = open_dataset(phantoms)
    cross_validate(dataset, k_fold(dataset, 2), Everywhere(), output=tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    return tmp_path / "run"


def choice_after_report(run, data) -> str:
    result = CliRunner().invoke(app, ["report", str(run), str(data), "--quiet", "--hide-cases"])
    assert result.exit_code == 0, result.output
    return json.loads((run / "summary.json").read_text(encoding="utf-8"))["model choice"]


def test_how_the_model_was_chosen_is_told_only_where_it_is_known(run, phantoms):
    assert choice_after_report(run, phantoms) == "not recorded"
    (run / "summary.json").unlink()
    (run / "fold_0" / "model.keras").write_bytes(b"trained by kfold")
    assert "epoch" in choice_after_report(run, phantoms)
