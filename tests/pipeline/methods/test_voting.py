import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.pipeline.methods.voting import Voting
from pneumoseg.pipeline.models.model_file import SETTINGS_ENTRY
from pneumoseg.pipeline.prediction import predictor
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.settings.loading import load_settings


@pytest.fixture
def make_run(tmp_path):
    """A function that writes a run folder of two models, as far as their settings are asked for."""

    def make(name: str, *changes: str, training: str = "once") -> Path:
        for fold in (0, 1):
            path = tmp_path / name / f"fold_{fold}" / "model.keras"
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(SETTINGS_ENTRY, load_settings("demo", changes).model_dump_json())
                archive.writestr("weights", f"{name} {fold} {training}")
        return tmp_path / name

    return make


def test_its_settings_are_a_settings_file_that_names_each_run_and_what_it_has_otherwise(make_run, tmp_path):
    first = make_run("first", "seed=1")
    second = make_run("second", "patches.shape=[8, 8, 8]", "prediction.overlap=0.25", "training.plateau.patience=3")
    voting = Voting((first, second), ("prediction.overlap=0.1",))
    text = voting.describe()
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    assert comments[:2] == ["Models that vote: those of each fold of the runs first, second", "second:"]
    seed, patches, plateau = comments[2:]
    assert (seed, patches) == ("  seed: 0", "  patches.shape: [8, 8, 8]")
    assert '"patience": 3' in plateau
    (tmp_path / "settings.yaml").write_text(text, encoding="utf-8")
    assert load_settings(tmp_path / "settings.yaml") == voting.settings
    assert voting.settings.prediction.overlap == 0.1


def test_a_run_votes_whose_first_fold_is_not_trained(make_run):
    run = make_run("run", "seed=1")
    (run / "fold_0" / "model.keras").unlink()
    assert Voting((run,)).settings.seed == 1
    (run / "fold_1" / "model.keras").unlink()
    with pytest.raises(InputError, match="no fold has a model"):
        Voting((run,)).describe()


def test_its_settings_are_read_once_and_travel_with_it(make_run):
    run = make_run("run", "seed=1")
    voting = Voting((run,))
    assert voting.seed == 1
    shutil.rmtree(run)
    copy = pickle.loads(pickle.dumps(voting))
    assert copy == voting
    assert (copy.seed, copy.labels) == (1, voting.labels)


@pytest.fixture
def no_engine(monkeypatch):
    """Models are opened without their networks; yields the numbers of threads that were asked for."""
    asked = []

    def open_engine(paths, settings, *, name, precision, threads, trust_plugins):
        asked.append(threads)
        return Engine("none", "float32", lambda tiles: tiles)

    monkeypatch.setattr(predictor, "open_engine", open_engine)
    return asked


@pytest.mark.usefixtures("without_case_pictures")
def test_a_vote_goes_on_with_folds_trained_since_but_not_with_models_trained_again(make_run, tmp_path, no_engine):
    first, second = make_run("first"), make_run("second")
    later = second / "fold_1" / "model.keras"
    trained = later.read_bytes()
    later.unlink()
    voting = Voting((first, second), threads=1)
    with pytest.raises(InputError, match=r"fold_1.model\.keras: missing; finish that fold"):
        voting.check_trained([0, 1])
    folds = [tmp_path / "vote" / f"fold_{fold}" for fold in (0, 1)]
    for folder in folds:
        folder.mkdir(parents=True)
    before = voting.describe()
    voting.fit(None, folds[0])
    later.write_bytes(trained)
    assert voting.describe() == before
    voting.fit(None, folds[1])
    assert no_engine == [1, 1]
    recorded = json.loads((folds[1] / "models.json").read_text(encoding="utf-8"))
    make_run("second", training="again")
    with pytest.raises(InputError, match="fold_1: its models have been trained again since the ensemble was measured"):
        voting.fit(None, folds[1])
    assert json.loads((folds[1] / "models.json").read_text(encoding="utf-8")) == recorded
    with pytest.raises(InputError, match="fold_0: its models have been trained again"):
        voting.check_unchanged(tmp_path / "vote")
    with pytest.raises(InputError, match="fold_1: its models have been trained again"):
        voting.check_unchanged(tmp_path / "vote", except_folds=[0])
    voting.check_unchanged(tmp_path / "vote", except_folds=[0, 1])
    (folds[1] / "models.json").unlink()
    voting.fit(None, folds[1])  # whatever the other folds hold


def test_models_with_functions_of_ones_own_vote_where_they_are_trusted(make_run, tmp_path, no_engine):
    run = make_run("run", "preprocessing.steps=['somebodys_module:step']")
    with pytest.raises(InputError, match="trust its plug-ins"):
        Voting((run,)).describe()
    trusting = Voting((run,), trust_plugins=True)
    assert "somebodys_module:step" in trusting.describe()
    (tmp_path / "vote" / "fold_1").mkdir(parents=True)
    trusting.fit(None, tmp_path / "vote" / "fold_1")
    models = json.loads((tmp_path / "vote" / "fold_1" / "models.json").read_text(encoding="utf-8"))
    assert models == {"1 run": sha256_of(run / "fold_1" / "model.keras")}
