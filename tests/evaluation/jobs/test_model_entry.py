"""Models by name and kind."""

import json
from dataclasses import asdict

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.model_entry import ModelEntry, chosen_model, model_files
from tests.evaluation.jobs.stub_models import entry


def test_by_name_and_by_kind(tmp_path):
    models = {name: entry(tmp_path, name, kind) for name, kind in (("a", "ct"), ("b", "ct"), ("p", "picture"))}
    assert chosen_model(models, None, "ct").name == "a"
    assert chosen_model(models, "b", "ct").name == "b"
    assert chosen_model(models, "p").name == "p"
    with pytest.raises(InputError, match="no model is called 'bb'; did you mean b"):
        chosen_model(models, "bb")
    with pytest.raises(InputError, match="the model a is for CTs, not for pictures"):
        chosen_model(models, "a", "picture")
    with pytest.raises(InputError, match="no model for inputs of kind ct"):
        chosen_model({}, None, "ct")


def test_a_model_survives_json(tmp_path):
    one = entry(tmp_path, "a", "ct")
    assert ModelEntry.from_dict(json.loads(json.dumps(asdict(one), default=str))) == one


def test_files_of_a_model(tmp_path):
    one = entry(tmp_path, "a", "ct")
    assert model_files(one.path) == model_files(one.path / "model.keras") == [one.path / "model.keras"]
    for fold in (1, 0):
        entry(tmp_path, f"run/fold_{fold}", "ct")
    assert [file.parent.name for file in model_files(tmp_path / "run")] == ["fold_0", "fold_1"]
    with pytest.raises(InputError, match="no model there"):
        model_files(tmp_path / "gone")
