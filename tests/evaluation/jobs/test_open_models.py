"""Models that stay open."""

import os
import shutil

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.models import known_models
from pneumoseg.evaluation.jobs.open_models import open_model
from tests.evaluation.jobs.stub_models import open_models


def test_a_model_is_opened_once_for_each_kind(tmp_path):
    opened = []
    models = open_models(tmp_path, opened=opened)
    first = models.get("lungs", "ct")
    models.get(None, "picture")
    assert models.get(None, "ct") is first
    assert opened == ["lungs", "pictures"]


def test_a_model_whose_file_changed_is_opened_again(tmp_path):
    opened = []
    models = open_models(tmp_path, opened=opened)
    models.get("lungs", "ct")
    os.utime(tmp_path / "lungs/model.keras", ns=(1, 1))
    models.get("lungs", "ct")
    assert opened == ["lungs", "lungs"]


def test_a_model_that_was_removed_is_missed_in_words(tmp_path):
    models = open_models(tmp_path)
    models.get("lungs", "ct")
    shutil.rmtree(tmp_path / "lungs")
    with pytest.raises(InputError, match="the model lungs was removed from the server"):
        models.get("lungs", "ct")


def test_what_is_known_of_a_model(tmp_path):
    models = open_models(tmp_path)
    assert models.entry("lungs").path == tmp_path / "lungs"
    assert models.entry(None) is models.entry("other") is None


def test_the_bundled_picture_model_opens():
    opened = open_model(known_models()["covid-picture"], threads=1)
    assert opened.name == "covid-picture"
    assert opened.predictor.settings.labels.names == ("background", "infection")
