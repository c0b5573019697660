"""Conversion for OpenVINO: once, whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction import openvino_engine
from pneumoseg.pipeline.prediction.engines import open_engine
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


def tiles(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*shape, 1)).astype(np.float32)


def test_conversion_happens_once_and_is_found_by_content(make_model, monkeypatch):
    path = make_model()
    folder = openvino_engine.converted(path)
    assert folder.parent == path.parent
    monkeypatch.setattr(openvino_engine, "_export", lambda *_: pytest.fail("converted again"))
    assert openvino_engine.converted(path) == folder
    moved = path.rename(path.with_name("other.keras"))
    assert openvino_engine.converted(moved) == folder


def test_several_networks_are_converted_side_by_side_and_the_rest_when_it_is_opened(make_model, monkeypatch):
    monkeypatch.setattr(hardware, "usable_cores", lambda: 2)
    paths = [make_model("one.keras"), make_model("two.keras", seed=1), make_model("three.keras", seed=2)]
    first = openvino_engine.converted(paths[0])
    paths[2].write_bytes(b"not a model")
    with monkeypatch.context() as patch:
        patch.setattr(openvino_engine, "_export", lambda *_: pytest.fail("converted in this process"))
        openvino_engine.convert_ahead(paths)
        assert openvino_engine.converted(paths[0]) == first
        assert openvino_engine.converted(paths[1]).parent == first.parent
    with pytest.raises(InputError, match="not a readable model file"):
        openvino_engine.converted(paths[2])


def test_a_handed_in_executor_converts(make_model):
    paths = [make_model("one.keras"), make_model("two.keras", seed=1)]
    submitted = []

    class Recording(SerialExecutor):
        def submit(self, function, /, *arguments, **options):
            submitted.append(arguments[0])
            return super().submit(function, *arguments, **options)

    openvino_engine.convert_ahead(paths, executor=Recording())
    assert submitted == paths
    assert len(list(paths[0].parent.glob("openvino-*"))) == 2
    openvino_engine.convert_ahead(paths, executor=Recording())
    assert submitted == paths


def test_another_model_and_a_damaged_conversion_are_converted_anew(make_model):
    path = make_model(seed=0)
    first = openvino_engine.converted(path)
    path = make_model(seed=1)
    second = openvino_engine.converted(path)
    assert second != first
    whole = (second / "network.bin").read_bytes()
    (second / "network.bin").write_bytes(bytes(len(whole)))
    assert openvino_engine.converted(path) == second
    assert (second / "network.bin").read_bytes() == whole


def test_a_read_only_folder_sends_the_conversion_to_the_cache(make_model, tmp_path, monkeypatch):
    path = make_model()
    monkeypatch.setattr(openvino_engine, "_writable", lambda folder: tmp_path / "cache" in folder.parents)
    (tmp_path / "cache" / "openvino").mkdir(parents=True)
    assert tmp_path / "cache" / "openvino" in openvino_engine.converted(path).parents
    monkeypatch.setattr(openvino_engine, "_writable", lambda folder: False)
    with pytest.raises(InputError, match="PNEUMOSEG_CACHE"):
        openvino_engine.converted(make_model(seed=5))


def test_a_wrong_conversion_is_never_used(make_model, monkeypatch, tmp_path):
    path = make_model()
    monkeypatch.setattr(openvino_engine, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="other probabilities"):
        open_engine([path], load_settings("demo", TINY), name="openvino")
    assert open_engine([path], load_settings("demo", TINY), name="auto").name == "keras"
    assert not list(tmp_path.glob("openvino*")) + list(tmp_path.glob(".partial*"))


def test_a_converted_model_needs_no_tensorflow_and_reports_to_nobody(make_model, tmp_path):
    path = make_model()
    openvino_engine.converted(path)
    program = (
        "import sys, numpy; from pneumoseg.pipeline.prediction.predictor import open_predictor;"
        "from pneumoseg.data_io.volumes.volume import Volume;"
        f"predictor = open_predictor({str(path)!r});"
        "mask = predictor(Volume.from_source(numpy.zeros((9, 9, 9), 'int16'), numpy.eye(4)));"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')];"
        "print(predictor.members[0].engine.name, mask.array.shape, {'tensorflow', 'keras'} & set(sys.modules))"
    )
    repository = Path(pneumoseg.__file__).parent
    (tmp_path / "home").mkdir()
    environment = os.environ | {"HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment, check=False)
    assert done.stdout.strip() == "openvino (9, 9, 9) set()", done.stderr
    assert not list((tmp_path / "home").iterdir())


def test_hashes_are_on_record(make_model):
    folder = openvino_engine.converted(make_model())
    assert set(json.loads((folder / "hashes.json").read_text())) == {"network.xml", "network.bin"}


def test_what_a_killed_conversion_left_is_in_nobodys_way(make_model, monkeypatch, tmp_path):
    path = make_model()

    def killed(model, folder):
        (folder / "network.xml").write_text("half of it", encoding="utf-8")
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(openvino_engine, "_export", killed)
        patch.setattr(openvino_engine.shutil, "rmtree", lambda *arguments, **keywords: None)
        openvino_engine.converted(path)
    assert list(tmp_path.glob(".partial*"))
    assert (openvino_engine.converted(path) / "hashes.json").is_file()
    assert not list(tmp_path.glob(".partial*"))
