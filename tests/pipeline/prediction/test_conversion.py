"""Conversion for OpenVINO: once, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction import conversion
from pneumoseg.pipeline.prediction.engines import open_engine
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import SerialExecutor, local_processes
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


def test_conversion_happens_once_and_is_found_by_content(make_model, monkeypatch):
    path = make_model()
    folder = conversion.converted(path)
    assert folder.parent == path.parent
    monkeypatch.setattr(conversion, "_export", lambda *_: pytest.fail("converted again"))
    assert conversion.converted(path) == folder
    moved = path.rename(path.with_name("other.keras"))
    assert conversion.converted(moved) == folder


def test_several_networks_are_converted_side_by_side_and_the_rest_when_it_is_opened(make_model, monkeypatch):
    asked = []

    def one_process(count: int):  # each takes seconds to import TensorFlow
        asked.append(count)
        return local_processes(1)

    monkeypatch.setattr(conversion, "local_processes", one_process)
    monkeypatch.setattr(hardware, "usable_cores", lambda: 2)
    paths = [make_model("one.keras"), make_model("two.keras", seed=1), make_model("three.keras", seed=2)]
    first = conversion.converted(paths[0])
    paths[2].write_bytes(b"not a model")
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_export", lambda *_: pytest.fail("converted in this process"))
        conversion.convert_ahead(paths)
        assert asked == [2]
        assert conversion.converted(paths[0]) == first
        assert conversion.converted(paths[1]).parent == first.parent
    with pytest.raises(InputError, match="not a readable model file"):
        conversion.converted(paths[2])


def test_a_handed_in_executor_converts(make_model):
    paths = [make_model("one.keras"), make_model("two.keras", seed=1)]
    submitted = []

    class Recording(SerialExecutor):
        def submit(self, function, /, *arguments, **options):
            submitted.append(arguments[0])
            return super().submit(function, *arguments, **options)

    conversion.convert_ahead(paths, executor=Recording())
    assert submitted == paths
    assert len(list(paths[0].parent.glob("openvino-*"))) == 2
    conversion.convert_ahead(paths, executor=Recording())
    assert submitted == paths


def test_a_wrong_conversion_is_never_used(make_model, monkeypatch, tmp_path):
    path = make_model()
    monkeypatch.setattr(conversion, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="other probabilities"):
        open_engine([path], load_settings("demo", TINY), name="openvino")
    assert open_engine([path], load_settings("demo", TINY), precision="float32").name == "keras"
    assert not list(tmp_path.glob("openvino*")) + list(tmp_path.glob(".partial*"))


def test_a_converted_model_needs_no_tensorflow_and_reports_to_nobody(make_model, tmp_path):
    path = make_model()
    conversion.converted(path)
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
