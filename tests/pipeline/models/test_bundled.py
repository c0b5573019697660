import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.pipeline.models import bundled


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two bundled models: one file, and folds that vote together; and a folder that is none."""
    root = tmp_path / "data" / "models"
    for path in ("one/model.keras", "several/fold_0/model.keras", "several/fold_1/model.keras", "none/card.md"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    return root


def test_each_folder_with_a_model_or_folds_counts_once(models):
    assert bundled.bundled_models() == {"one": models / "one", "several": models / "several"}


def test_a_name_is_looked_up_and_a_path_is_kept(models, monkeypatch):
    assert bundled.model_path("several") == models / "several"
    assert bundled.model_path(models / "one" / "model.keras") == models / "one" / "model.keras"
    monkeypatch.chdir(models)
    assert str(bundled.model_path("one")) == "one"  # what lies in the working folder comes first
    assert bundled.bundled_model("one") == models / "one"


def test_an_unknown_name_is_told_with_those_there_are(models):
    with pytest.raises(InputError, match=r"nowhere: no model there.*\(one, several\)"):
        bundled.model_path("nowhere")


def test_every_bundled_model_has_a_card_and_a_licence():
    found = bundled.bundled_models()
    assert bundled.DEFAULT_MODEL in found
    for name, folder in found.items():
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "Not a medical device" in card, name
        assert (folder / "LICENSE.md").is_file(), name
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 40e6, name


def test_the_default_model_finds_the_lungs_of_a_generated_chest(tmp_path):
    from pneumoseg.pipeline.prediction.predictor import open_predictor

    write_phantoms(tmp_path, 1, shape=(96, 96, 48), seed=1)
    (case,) = open_dataset(tmp_path)
    image, reference = case.read_pair(4)
    mask = open_predictor(bundled.DEFAULT_MODEL, changes=["prediction.mirror_axes=[]"])(image).array
    for label in (1, 2):
        own, true = mask == label, reference.array == label
        assert 2 * np.count_nonzero(own & true) / (np.count_nonzero(own) + np.count_nonzero(true)) > 0.8
