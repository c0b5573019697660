import pytest

from data_io.errors import InputError
from pipeline import bundled


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two bundled models: one file, and folds that vote together; and a folder that is none."""
    for path in ("one/model.keras", "several/fold_0/model.keras", "several/fold_1/model.keras", "none/card.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    return tmp_path


def test_each_folder_with_a_model_or_folds_counts_once(models):
    assert bundled.bundled_models() == {"one": models / "one", "several": models / "several"}


def test_a_name_is_looked_up_and_a_path_is_kept(models, tmp_path, monkeypatch):
    assert bundled.model_path("several") == models / "several"
    assert bundled.model_path(tmp_path / "one" / "model.keras") == tmp_path / "one" / "model.keras"
    monkeypatch.chdir(tmp_path)
    assert str(bundled.model_path("one")) == "one"  # what lies in the working folder comes first


def test_an_unknown_name_is_told_with_those_there_are(models):
    with pytest.raises(InputError, match=r"nowhere: no model there.*\(one, several\)"):
        bundled.model_path("nowhere")


def test_a_clone_that_was_not_installed_finds_the_same(monkeypatch):
    installed = bundled.bundled_models()
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package")
    assert bundled.bundled_models() == installed
