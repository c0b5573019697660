import json
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.evaluation.runs.splits import k_fold, to_json
from pneumoseg.scripts.cli import app

TINY = (
    *("preprocessing.spacing_mm=[10, 10, 12]", "patches.shape=[16, 16, 8]", "network.filters=[4, 8]"),
    "evaluation.folds=2",
)


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def make_run(phantoms, tmp_path, monkeypatch):
    """A function that writes a run folder with one untrained model for both folds, as far as voting looks at it; with
    `convert`, it is converted once for both."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.prediction.conversion import converted
    from pneumoseg.pipeline.settings.loading import load_settings

    def make(name: str, *changes: str, seed: int = 0, convert: bool = False):
        settings = load_settings("demo", [*TINY, *changes])
        run = tmp_path / name
        (run / "fold_0").mkdir(parents=True)
        save_model(run / "fold_0" / "model.keras", TrainedModel(build_network(settings), settings))
        if convert:
            converted(run / "fold_0" / "model.keras", trust_plugins=True)
        shutil.copytree(run / "fold_0", run / "fold_1")
        splits = to_json(k_fold(open_dataset(phantoms), 2, seed=seed))
        (run / "splits.json").write_text(json.dumps(splits), encoding="utf-8")
        return run

    return make


@pytest.mark.usefixtures("without_case_pictures")
def test_models_of_two_runs_vote_and_are_measured_as_kfold_measures(make_run, phantoms, tmp_path):
    first = make_run("first", convert=True)
    second = make_run("second", "preprocessing.spacing_mm=[12, 12, 12]", convert=True)
    run = tmp_path / "both"
    code, output = invoke("vote", phantoms, "-o", run, "--model", first, "--model", second, "--json")
    assert code == 0, output
    assert json.JSONDecoder().raw_decode(output, output.index("{"))[0]["complete"] is True  # warnings may follow
    assert len(pd.read_csv(run / "cv_results.detailed.csv")) == 4 * 5
    assert (run / "settings.yaml").read_text(encoding="utf-8").startswith("# Models that vote: those of each fold of")
    assert "vote (first, second)" in json.loads((run / "summary.json").read_text(encoding="utf-8"))["model choice"]
    models = json.loads((run / "fold_1" / "models.json").read_text(encoding="utf-8"))
    assert list(models) == ["1 first", "2 second"]
    assert (run / "report.html").is_file()

    (second / "fold_1" / "model.keras").write_bytes((second / "fold_0" / "model.keras").read_bytes() + b"\0")
    code, output = invoke("vote", phantoms, "-o", run, "--model", first, "--model", second, "--resume")
    assert code == 2
    assert "fold_1: its models have been trained again since the ensemble was measured" in " ".join(output.split())


def test_runs_with_other_folds_are_refused_before_anything_is_written(make_run, phantoms, tmp_path):
    first, other = make_run("first"), make_run("other", seed=5)
    splits = json.loads((other / "splits.json").read_text(encoding="utf-8"))
    (other / "splits.json").write_text(json.dumps(splits[::-1]), encoding="utf-8")
    code, output = invoke("vote", phantoms, "-o", tmp_path / "both", "--model", first, "--model", other)
    assert code == 2
    assert "their folds have other cases" in output
    assert not (tmp_path / "both").exists()


def test_a_fold_without_a_model_is_told_before_another_is_predicted(make_run, phantoms, tmp_path):
    runs = [make_run(name) for name in ("first", "second")]
    (runs[1] / "fold_1" / "model.keras").unlink()
    arguments = ["vote", phantoms, "-o", tmp_path / "both", "--model", runs[0], "--model", runs[1]]
    code, output = invoke(*arguments)
    assert code == 2
    assert "missing; finish that fold of the run, or choose other folds (--fold)" in " ".join(output.split())
    assert not (tmp_path / "both").exists()


@pytest.mark.usefixtures("without_case_pictures")
def test_functions_that_models_name_run_only_where_they_are_trusted(make_run, phantoms, tmp_path, monkeypatch):
    (tmp_path / "own_steps.py").write_text("def unchanged(array, spacing_mm):\n    return array\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    first = make_run("first", 'preprocessing.steps=["own_steps:unchanged"]', convert=True)
    runs = [first, shutil.copytree(first, tmp_path / "second")]
    arguments = ["vote", phantoms, "-o", tmp_path / "both", "--model", runs[0], "--model", runs[1], "--fold", "0"]
    code, output = invoke(*arguments)
    assert code == 2
    assert "trust its plug-ins if you know that code (--trust-plugins)" in " ".join(output.split())
    assert not (tmp_path / "both").exists()
    code, output = invoke(*arguments, "--trust-plugins")
    assert code == 0, output
    assert (tmp_path / "both" / "fold_0" / "metrics.csv").is_file()


def test_what_is_no_run_is_refused(phantoms, tmp_path):
    code, output = invoke("vote", phantoms, "-o", tmp_path / "both", "--model", tmp_path)
    assert code == 2
    assert "no fold has a model" in output
