"""One call from a CT to its mask."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.prediction import segment as module
from pneumoseg.scripts.cli import app
from tests.data_io.formats.dicom.dicom_files import write_series

FIXTURES = Path(__file__).parents[2] / "fixtures" / "version-0.1.0"
CT = FIXTURES / "data" / "phantom_003" / "imaging.nii.gz"
FLOAT32 = {"engine": "keras", "precision": "float32"}
QUICK = FLOAT32 | {"changes": ["prediction.overlap=0"]}


@pytest.fixture
def model(tmp_path) -> Path:
    return Path(shutil.copytree(FIXTURES / "bundle", tmp_path / "bundle"))


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The models that were opened since."""
    module._opened.cache_clear()
    paths = []
    real = module.open_predictor

    def counting(path, **options):
        paths.append(path)
        return real(path, **options)

    monkeypatch.setattr(module, "open_predictor", counting)
    return paths


def test_the_mask_is_that_of_the_command(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    arguments = ["predict", CT, "-o", tmp_path / "mask.nii.gz", "--model", model, "--set", "prediction.overlap=0"]
    done = CliRunner().invoke(app, [*map(str, arguments), "--engine", "keras", "--precision", "float32"])
    assert done.exit_code == 0, done.output
    mask = pneumoseg.segment(CT, model, **QUICK)
    assert mask.array.dtype == np.uint8
    assert len(np.unique(mask.array)) == 4
    np.testing.assert_array_equal(mask.array, pneumoseg.read_volume(tmp_path / "mask.nii.gz").array)
    assert mask.stored_grid.matches(pneumoseg.read_volume(CT).stored_grid)


def test_the_model_stays_open_until_its_files_change(model, opened):
    first = pneumoseg.segment(CT, model, **QUICK)
    again = pneumoseg.segment(pneumoseg.read_volume(CT), str(model), **QUICK)
    np.testing.assert_array_equal(first.array, again.array)
    assert opened == [model]

    shutil.rmtree(model)
    shutil.copytree(FIXTURES / "run" / "fold_0", model / "fold_0")
    shutil.copytree(FIXTURES / "run" / "fold_1", model / "fold_1")
    pneumoseg.segment(CT, model, **QUICK)
    assert opened == [model, model]

    shutil.rmtree(model / "fold_1")
    alone = pneumoseg.segment(CT, model, **QUICK)
    assert opened == [model, model, model]
    assert (alone.array != first.array).any()


def test_a_file_of_the_same_size_is_another_model(model, opened):
    """It is written anew, as a training does; or in place, where only the time differs."""
    before = module._file_states(model)
    file = model / "fold_0" / "model.keras"
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert module._file_states(model) != before
    before = module._file_states(model)
    shutil.copy2(file, model / "new")
    os.replace(model / "new", file)
    assert module._file_states(model) != before
    assert module._file_states(file) == (module._file_states(model)[1],)


def test_a_dicom_folder_is_read_as_the_command_reads_it(model, tmp_path):
    folder = write_series(tmp_path / "series")
    mask = pneumoseg.segment(folder, model, **QUICK)
    assert mask.array.shape == (8, 6, 5)
    np.testing.assert_array_equal(mask.array, pneumoseg.segment(pneumoseg.read_volume(folder), model, **QUICK).array)


def test_the_default_is_the_bundled_model(tmp_path, monkeypatch):
    """Whatever lies in the working folder under its name."""
    given = []
    (tmp_path / "covid-lungs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_opened", lambda path, states, **options: given.append(path) or (lambda ct: ct))
    pneumoseg.segment(pneumoseg.read_volume(CT))
    assert given == [bundled_model()]


def test_what_cannot_be_used_is_an_input_error(model, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.nii\.gz: no such file"):
        pneumoseg.segment(tmp_path / "nothing.nii.gz", model, **FLOAT32)
    with pytest.raises(InputError, match="no model there"):
        pneumoseg.segment(CT, tmp_path / "model")
    with pytest.raises(InputError, match="the engine is auto, keras or openvino, found torch"):
        pneumoseg.segment(CT, model, engine="torch")
