"""`pneumoseg train`: fine-tuning, going on, and what it says of patients that are held out."""

import pytest
from typer.testing import CliRunner

from pneumoseg.scripts.cli import app


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A case store for each test."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


def test_train_fine_tunes_and_resumes(phantoms, tiny, tmp_path):
    code, output = invoke("train", phantoms, "-o", tmp_path / "one", *tiny, "--quiet")
    assert code == 0, output
    model = tmp_path / "one" / "model.keras"
    code, output = invoke("train", phantoms, "-o", tmp_path / "two", *tiny, "--start-from", model, "--quiet")
    assert code == 0, output
    code, output = invoke("train", phantoms, "-o", tmp_path / "two", *tiny, "--resume")
    assert code == 2
    assert "start model differ" in output
    again = ["-o", tmp_path / "two", *tiny, "--start-from", model, "--resume"]
    assert invoke("train", phantoms, *again)[0] == 0
    assert not (tmp_path / "two" / ".training").exists()


@pytest.mark.parametrize(
    ("changes", "told"), [(["training.monitor=validation", "training.validation_share=0.3"], True), ([], False)]
)
def test_train_says_where_patients_are_held_out(phantoms, tiny, tmp_path, monkeypatch, changes, told):
    monkeypatch.setattr(
        "pneumoseg.evaluation.experiments.full_training.train_final_model",
        lambda *_, **further: tmp_path / "model.keras",
    )
    flags = [part for change in changes for part in ("--set", change)]
    code, output = invoke("train", phantoms, "-o", tmp_path / "one", *tiny, *flags)
    assert code == 0, output
    assert ("30 % of the patients are not trained on" in output) is told


def test_a_folder_with_results_is_refused_with_the_flags_that_help(phantoms, tiny, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "notes.txt").touch()
    code, output = invoke("train", phantoms, "-o", tmp_path / "one", *tiny)
    assert code == 2
    assert output.endswith("one: exists already; resume it or overwrite it (--resume, --overwrite)\n")
