"""Where a bundle may be written, and what is in it."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundle_card import check_members
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model
from pneumoseg.pipeline.models.training_features import fitted
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import conversion, quantization
from pneumoseg.pipeline.prediction.bundle import check_bundle_output, models_of_bundle, write_bundle
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


def test_features_and_calibration_go_along_and_a_bundle_made_again_has_no_calibration_of_before(model, tmp_path):
    features = fitted(np.random.default_rng(0).normal(size=(20, 8)))
    (tmp_path / "trust.json").write_text("a calibration")
    write_bundle([replace(model, features=features)], tmp_path / "bundle", trust=tmp_path / "trust.json")
    check_members(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "trust.json").read_text() == "a calibration"
    read = load_model(tmp_path / "bundle" / "fold_0" / "model.keras")
    np.testing.assert_array_equal(read.features.precision, features.precision)
    write_bundle([model], tmp_path / "bundle", overwrite=True)
    assert not (tmp_path / "bundle" / "trust.json").exists()
    check_members(tmp_path / "bundle")


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


@pytest.fixture(scope="module")
def int8_bundle(tmp_path_factory, random_tiles) -> Path:
    """A bundle with converted and 8-bit networks, and where it was written."""
    settings = load_settings("demo", ["patches.shape=[8, 8, 4]", "network.filters=[4, 8]"])
    folder = tmp_path_factory.mktemp("int8") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "_is_accurate", lambda found: True)
        megabytes = write_bundle([TrainedModel(build_network(settings), settings)], folder, tiles=[random_tiles])
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "bundle.json"]
    assert megabytes == pytest.approx(sum(path.stat().st_size for path in files) / 1e6)
    return folder


def test_with_tiles_the_converted_and_the_8_bit_network_lie_beside_the_model(int8_bundle):
    model = int8_bundle / "fold_0" / "model.keras"
    name = conversion.places(model)[0].name
    network = ["hashes.json", "network.bin", "network.xml"]
    files = sorted(str(path.relative_to(model.parent)) for path in model.parent.rglob("*") if path.is_file())
    assert files == [
        "model.keras",
        *(f"{name}-int8/{file}" for file in [*network, "quantization.json"]),
        *(f"{name}/{file}" for file in network),
    ]
    assert models_of_bundle(int8_bundle) == [model.parent.resolve()]


PREDICTION = """
import sys, numpy
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.runtime import hardware
hardware.cpu_flags = lambda: frozenset(("avx2", "avx512_vnni"))
predictor = open_predictor(sys.argv[1], precision=sys.argv[2])
mask = predictor(Volume.from_source(numpy.zeros((9, 9, 9), "int16"), numpy.eye(4)))
engines = {(member.engine.name, member.engine.precision) for member in predictor.members}
print(engines, mask.array.shape, {"tensorflow", "keras", "nncf"} & set(sys.modules))
"""


@pytest.mark.parametrize("default", [False, True])
def test_predicting_in_8_bit_imports_neither_keras_nor_tensorflow(int8_bundle, tmp_path, default):
    done = subprocess.run(
        [sys.executable, "-c", PREDICTION, bundled_model() if default else int8_bundle, "int8"],
        capture_output=True,
        text=True,
        cwd=Path(pneumoseg.__file__).parent,
        env=os.environ | {"PNEUMOSEG_CACHE": str(tmp_path)},
        check=False,
    )
    assert done.stdout == "{('openvino', 'int8')} (9, 9, 9) set()\n", done.stderr


def test_the_default_model_comes_with_its_converted_networks(monkeypatch):
    monkeypatch.setattr(conversion, "_export", lambda *_: pytest.fail("converted again"))
    folder = bundled_model()
    folds = models_of_bundle(folder)
    assert [fold.name for fold in folds] == ["fold_0"]
    for fold in folds:
        plain = conversion.converted(fold / "model.keras")
        assert plain.parent == fold
        assert quantization.int8_network(fold / "model.keras") == fold / f"{plain.name}-int8"
    sizes = [path.stat().st_size for path in folder.glob("fold_*/openvino-2-*/*")]
    assert 10e6 < sum(sizes) < 20e6


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("error", [InputError("too\ninaccurate"), RuntimeError("too\ninaccurate")])
def test_where_the_8_bit_network_cannot_be_made_the_bundle_is_without_and_says_so(
    int8_bundle, tmp_path, random_tiles, model, monkeypatch, caplog, error
):
    source = conversion.converted(int8_bundle / "fold_0" / "model.keras")

    def copied(path, trust_plugins):
        return Path(shutil.copytree(source, conversion.places(path)[0]))

    def fail(*arguments):
        raise error

    monkeypatch.setattr(conversion, "converted", copied)
    monkeypatch.setattr(quantization, "make_int8_network", fail)
    write_bundle([model], tmp_path / "bundle", tiles=[random_tiles])
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == "fold_0: bundled without an 8-bit network (too inaccurate)"
    (folder,) = (tmp_path / "bundle" / "fold_0").glob("openvino-*")
    assert (folder / "network.xml").is_file()
