"""The models that a server has."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.models import known_models
from pneumoseg.pipeline.models.bundled import bundled_models


def test_the_bundled_models_are_there():
    found = known_models()
    assert list(found)[:2] == ["covid-lungs", "covid-picture"]
    lungs, picture = found["covid-lungs"], found["covid-picture"]
    assert (lungs.kind, picture.kind) == ("ct", "picture")
    assert lungs.classes == ("background", "lung_left", "lung_right", "infection")
    assert len(lungs.colours) == 4
    public = json.dumps(lungs.public_dict())
    assert str(lungs.path) not in public


def test_folders_that_are_given_come_first(tmp_path):
    (tmp_path / "mine").symlink_to(bundled_models()["covid-picture"])
    with pytest.raises(InputError, match="another model is called covid-picture"):
        known_models([tmp_path / "mine"])  # by the name of what it links to
    with pytest.raises(InputError, match="no model there"):
        known_models([tmp_path])
