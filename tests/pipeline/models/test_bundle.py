"""Where a bundle may be written, and what is in it."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundle import check_bundle_output, models_of_bundle, write_bundle
from pneumoseg.pipeline.models.bundle_card import check_members
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings.loading import load_settings


@pytest.fixture
def model():
    """A small network that is not trained."""
    settings = load_settings("demo", ["patches.shape=[16, 16, 8]", "network.filters=[4, 8]"])
    return TrainedModel(build_network(settings), settings)


def test_models_lie_there_in_half_precision_beside_their_card(model, tmp_path):
    megabytes = write_bundle([model, model], tmp_path / "bundle")
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["bundle/bundle.json", "bundle/fold_0/model.keras", "bundle/fold_1/model.keras"]
    assert megabytes == sum(path.stat().st_size for path in tmp_path.rglob("*.keras")) / 1e6
    check_members(tmp_path / "bundle")
    assert [fold.name for fold in models_of_bundle(tmp_path / "bundle")] == ["fold_0", "fold_1"]
    read = load_model(tmp_path / "bundle" / "fold_1" / "model.keras")
    assert read.settings == model.settings
    for weight, original in zip(read.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_allclose(weight, original, rtol=1e-3, atol=1e-4)


def test_a_bundle_is_replaced_only_when_asked_and_what_else_lies_there_stays(model, tmp_path):
    write_bundle([model, model], tmp_path)
    (tmp_path / "README.md").write_text("a model card")
    with pytest.raises(InputError, match=r"holds models, or a bundle\.json, already; choose another") as error:
        write_bundle([model], tmp_path)
    assert error.value.options == ("overwrite",)
    write_bundle([model], tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "bundle.json", "fold_0"]


@pytest.mark.parametrize("name", ["splits.json", "settings.yaml", "model.keras"])
def test_runs_and_models_are_refused_whatever_is_asked(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"a run or a trained model, found {name}"):
        check_bundle_output(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="a bundle is a folder, found a file"):
        check_bundle_output(tmp_path / name, overwrite=True)


@pytest.mark.parametrize(("name", "content"), [("metrics.csv", "metrics.csv"), (".lock", "no model.keras")])
def test_folds_that_hold_anything_but_a_model_are_refused(tmp_path, name, content):
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "fold_0" / name).touch()
    with pytest.raises(InputError, match=f"fold_0: a bundle has model.keras alone there, found {content}"):
        check_bundle_output(tmp_path, overwrite=True)
