import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

import pneumoseg
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.scripts.cli import app

TINY = ("patches.shape=[16, 16, 8]", "network.filters=[8, 16]")


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two untrained models, converted: with batch normalisation, and with instance normalisation on another grid."""
    from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.prediction.conversion import converted
    from pneumoseg.pipeline.settings.loading import load_settings

    paths = []
    for name, changes in (("one", ()), ("two", ("network.name=plain-unet", "preprocessing.spacing_mm=[2, 2, 2]"))):
        settings = load_settings("demo", [*TINY, *changes])
        paths.append(tmp_path_factory.mktemp("made") / f"{name}.keras")
        save_model(paths[-1], TrainedModel(build_network(settings), settings))
        converted(paths[-1])
    return paths


@pytest.fixture
def models(made, tmp_path, monkeypatch):
    """The two models, to be changed by the test."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    for path in made:
        shutil.copytree(path.parent, tmp_path, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    return [tmp_path / path.name for path in made]


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_bundle_is_half_as_large_and_predicts_alike(models, tmp_path, engine):
    from pneumoseg.pipeline.prediction.predictor import open_predictor

    folder = tmp_path / "bundle"
    code, output = invoke(
        "bundle",
        *models,
        "-o",
        folder,
        "--set",
        "prediction.inside_body=true",
        "--set",
        "preprocessing.equalise=hu",
        "--json",
    )
    assert code == 0, output
    assert json.loads(output[output.index("{") :])["models"] == 2
    before, after = sum(path.stat().st_size for path in models), sum(p.stat().st_size for p in folder.rglob("*.keras"))
    assert after < 0.8 * before  # so small a network is mostly its description
    bundled = open_predictor(folder, engine=engine, precision="float32")
    assert bundled.settings.prediction.inside_body
    assert [member.settings.preprocessing.equalise for member in bundled.members] == ["hu", "hu"]
    tiles = np.random.default_rng(0).normal(size=(1, 16, 16, 8, 1)).astype(np.float32)
    for member, path in zip(bundled.members, models, strict=True):
        (original,) = open_predictor(path, engine=engine, precision="float32").members
        np.testing.assert_allclose(member.engine.network(tiles), original.engine.network(tiles), atol=5e-3)
    hu = np.random.default_rng(1).integers(-1000, 100, (20, 20, 12)).astype(np.int16)
    assert bundled(Volume.from_source(hu, np.diag([4.0, 4.0, 5.0, 1.0]))).array.shape == hu.shape


def test_predict_takes_several_models(models, tmp_path):
    hu = np.random.default_rng(1).integers(-1000, 100, (20, 20, 12)).astype(np.int16)
    nib.save(nib.Nifti1Image(hu, np.diag([4.0, 4.0, 5.0, 1.0])), tmp_path / "ct.nii.gz")
    flags = [part for model in models for part in ("--model", model)]
    code, output = invoke("predict", tmp_path / "ct.nii.gz", "-o", tmp_path / "mask.nii.gz", *flags)
    assert code == 0, output
    manifest = json.loads((tmp_path / "mask.nii.gz.json").read_text(encoding="utf-8"))
    assert list(manifest["models"]) == ["1/one.keras", "2/two.keras"]
    assert [own["spacing_mm"] for own in manifest["settings"]["preprocessing"]] == [[4.0, 4.0, 5.0], [2.0, 2.0, 2.0]]


def test_models_are_not_replaced_unasked(models, tmp_path):
    assert invoke("bundle", *models, "-o", tmp_path / "bundle")[0] == 0
    code, output = invoke("bundle", models[0], "-o", tmp_path / "bundle")
    assert code == 2
    assert "holds models, or a bundle.json, already" in output
    assert invoke("bundle", models[0], "-o", tmp_path / "bundle", "--overwrite")[0] == 0
    assert not (tmp_path / "bundle" / "fold_1").exists()


def everything_in(folder) -> dict[str, bytes]:
    """Content of each file by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("foreign", ["splits.json", "settings.yaml", "fold_0/history.csv", "fold_notes/text.txt"])
def test_overwrite_destroys_nothing_but_a_bundle(models, tmp_path, foreign):
    kept = tmp_path / "kept"
    (kept / "fold_0").mkdir(parents=True)
    shutil.copy(models[0], kept / "fold_0" / "model.keras")
    (kept / foreign).parent.mkdir(exist_ok=True)
    (kept / foreign).write_text("weeks of work")
    before = everything_in(kept)
    code, output = invoke("bundle", kept / "fold_0" / "model.keras", "-o", kept, "--overwrite")
    assert code == 2
    assert foreign.rpartition("/")[2] in output
    assert "choose another folder" in output
    assert everything_in(kept) == before


def test_a_bundle_may_replace_itself_and_keeps_what_describes_it(models, tmp_path):
    bundle = tmp_path / "bundle"
    assert invoke("bundle", *models, "-o", bundle)[0] == 0
    (bundle / "README.md").write_text("a model card")
    (bundle / "fold_1" / "openvino-1-abc").mkdir()
    code, output = invoke("bundle", bundle / "fold_1" / "model.keras", "-o", bundle, "--overwrite")
    assert code == 0, output
    assert sorted(everything_in(bundle)) == ["README.md", "bundle.json", "fold_0/model.keras"]
    assert not (bundle / "fold_1").exists()
    assert not list(tmp_path.glob(".partial-*"))


def test_models_that_cannot_be_written_leave_the_earlier_ones(models, tmp_path, monkeypatch):
    from pneumoseg.pipeline.prediction import bundle

    assert invoke("bundle", *models, "-o", tmp_path / "bundle")[0] == 0
    before = everything_in(tmp_path)
    save = bundle.save_model

    def full(path, model):
        if path.parent.name == "fold_1":
            raise OSError(28, "No space left on device")
        save(path, model)

    monkeypatch.setattr(bundle, "save_model", full)
    code, output = invoke("bundle", *models, "-o", tmp_path / "bundle", "--overwrite")
    assert code == 2
    assert "No space left on device" in output
    assert everything_in(tmp_path) == before


def test_models_of_other_labels_are_refused(models, tmp_path):
    from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.settings.loading import load_settings

    settings = load_settings("demo", [*TINY, "labels.names=[background, lung_left, lung_right, lesion]"])
    save_model(tmp_path / "other.keras", TrainedModel(build_network(settings), settings))
    code, output = invoke("bundle", *models, tmp_path / "other.keras", "-o", tmp_path / "bundle")
    assert code == 2
    assert "other.keras: models of one ensemble need the same labels" in " ".join(output.split())
    assert not (tmp_path / "bundle").exists()


def test_other_settings_and_files_are_refused(models, tmp_path):
    for arguments, message in (
        ([models[0], "--set", "preprocessing.spacing_mm=null"], "prediction and postprocessing alone"),
        ([tmp_path / "none.keras"], "no such model file"),
    ):
        code, output = invoke("bundle", *arguments, "-o", tmp_path / "bundle")
        assert code == 2
        assert message in output
        assert not (tmp_path / "bundle").exists()


KILLED = """
import os, signal, sys
import pneumoseg.pipeline.prediction.bundle  # once for all kills, as TensorFlow takes seconds
from pneumoseg.data_io.storage import atomic
from pneumoseg.scripts.cli import app
rename, exchange = os.rename, atomic._exchange
def counted(function):
    def call(*paths):
        global left
        done = function(*paths)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call
os.rename, atomic._exchange = counted(rename), counted(exchange)
*models, bundles = sys.argv[1:]
for left in (1, 2):
    child = os.fork()
    if child == 0:
        if left == 2:
            atomic._exchange = lambda one, other: False
        sys.argv[1:] = ["bundle", *models, "-o", f"{bundles}/{left}", "--overwrite", "--quiet"]
        app()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_kill_among_the_renames_leaves_one_bundle_or_the_other(models, tmp_path):
    """Killed right after both names were exchanged, or after the second rename where a system cannot exchange them:
    never one network of two."""
    from pneumoseg.pipeline.models.bundle_card import check_members

    bundles = [tmp_path / "bundles" / name for name in ("1", "2")]
    assert invoke("bundle", *models, "-o", bundles[0])[0] == 0
    (bundles[0] / "README.md").write_text("a model card")
    shutil.copytree(bundles[0], bundles[1])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(models[1]), str(models[0]), str(tmp_path / "bundles")],
        check=True,
        cwd=Path(pneumoseg.__file__).parent,
        capture_output=True,
        text=True,
    )
    assert [int(code) for code in done.stdout.split()] == [-signal.SIGKILL] * 2, done.stderr
    for bundle in bundles:
        check_members(bundle)
        assert (bundle / "README.md").read_text() == "a model card"
        assert invoke("bundle", models[1], models[0], "-o", bundle, "--overwrite", "--quiet")[0] == 0
        assert sorted(everything_in(bundle)) == ["README.md", "bundle.json", "fold_0/model.keras", "fold_1/model.keras"]
    assert not list((tmp_path / "bundles").glob(".*"))


def test_a_folder_of_other_things_keeps_them_and_gets_the_card_first(models, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    rename = Path.rename

    def dies(self, target):
        if self.name == "fold_1":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", dies)
    invoke("bundle", *models, "-o", tmp_path / "mine")
    monkeypatch.undo()
    code, output = invoke("predict", models[0], "-o", tmp_path / "masks", "--model", tmp_path / "mine")
    assert code == 2
    assert "a bundle of 2 models, without fold_1/model.keras" in " ".join(output.split())
    assert invoke("bundle", *models, "-o", tmp_path / "mine", "--overwrite")[0] == 0
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_a_bundle_with_8_bit_is_calibrated_beside_the_model_or_on_data(models, tmp_path, monkeypatch, phantoms):
    """What is made of the tiles is shown in the tests of the pipeline's bundles."""
    from pneumoseg.pipeline.prediction import bundle
    from pneumoseg.pipeline.sampling import calibration
    from pneumoseg.pipeline.sampling.calibration import CalibrationTiles

    given = []
    monkeypatch.setattr(bundle, "_add_networks", lambda folds, tiles, trust: given.extend(tiles))
    zeros = np.zeros((1, 16, 16, 8, 1), np.float32)
    calibration.save_tiles(tmp_path / "calibration.npz", CalibrationTiles(zeros, zeros))
    for number, flags in enumerate(((), ("--calibrate-on", phantoms))):
        code, output = invoke("bundle", models[0], "-o", tmp_path / str(number), "--int8", *flags, "--json")
        assert code == 0, output
    beside, on_data = given
    assert beside.calibrating.shape == (1, 16, 16, 8, 1)
    assert not beside.calibrating.any()
    assert on_data.calibrating.shape == on_data.comparing.shape == (16, 16, 16, 8, 1)
    assert on_data.calibrating.std() > 0.1
    assert invoke("bundle", models[0], "-o", tmp_path / "plain")[0] == 0
    assert len(given) == 2


def test_data_to_calibrate_on_needs_8_bit(models, tmp_path, phantoms):
    code, output = invoke("bundle", models[0], "-o", tmp_path / "bundle", "--calibrate-on", phantoms)
    assert (code, "--calibrate-on is for --int8; give both" in output) == (2, True)
    assert not (tmp_path / "bundle").exists()


def test_8_bit_without_nncf_is_bundled_without_with_a_warning(models, tmp_path, monkeypatch):
    import importlib.util

    from pneumoseg.pipeline.prediction import conversion
    from pneumoseg.pipeline.sampling import calibration

    monkeypatch.setattr(calibration, "tiles_beside", lambda path, settings: None)
    monkeypatch.setattr(conversion, "converted", lambda path, trust_plugins: None)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nncf" else find(name, *more))
    result = CliRunner().invoke(app, ["bundle", str(models[0]), "-o", str(tmp_path / "bundle"), "--int8", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["models"] == 1
    (warning,) = [line for line in result.stderr.splitlines() if "without an 8-bit network" in line]
    assert "NNCF, which is not installed; install pneumoseg[int8]" in warning
    assert sorted(everything_in(tmp_path / "bundle")) == ["bundle.json", "fold_0/model.keras"]
