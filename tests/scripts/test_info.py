"""`pneumoseg info`: facts, presets, and the case store."""

import json

import yaml
from typer.testing import CliRunner

from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.prediction.converted_files import TIMES, places
from pneumoseg.pipeline.prediction.precision_choice import times_key
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.measured_choice import MeasuredChoice, keep
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.scripts.cli import app


def test_info_shows_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["info", "--preset", "covid-3d-unet", "--json"])
    content = json.loads(result.output)
    assert content["network"]["filters"] == [32, 64, 128, 256, 512]
    assert content["network_summary"]["output"] == [*content["patches"]["shape"], 4]


def test_info_shows_the_network_of_a_preset_as_remarks(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    output = CliRunner().invoke(app, ["info", "--preset", "picture-unet-printed"]).output
    assert yaml.safe_load(output)["loss"]["name"] == "dice"
    assert "# parameters: 3,793,985 (3,791,169 trained, 2,816 not trained)" in output.splitlines()
    assert "TwoClassSigmoid" in output.splitlines()[-1]


def test_info_shows_presets_of_whole_studies(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    output = CliRunner().invoke(app, ["info", "--preset", "hrct-classifier"]).output
    assert yaml.safe_load(output)["kind"] == "studies"
    assert "parameters: 1,351,873" in output
    content = json.loads(CliRunner().invoke(app, ["info", "--preset", "hrct-classifier", "--json"]).output)
    assert content["network_summary"] == {"parameters": 1_351_873}


def test_info_clears_the_prepared_cases(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    entry = tmp_path / "cases" / "one"
    entry.mkdir(parents=True)
    (entry / "image.npy").write_bytes(bytes(3_000_000))
    assert json.loads(CliRunner().invoke(app, ["info", "--json"]).output)["prepared cases"]["megabytes"] == 3.0
    assert CliRunner().invoke(app, ["info", "--clear-cases"]).exit_code == 0
    assert not (tmp_path / "cases").exists()


def test_info_clears_the_prepared_cases_also_where_it_shows_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    (tmp_path / "cases" / "one").mkdir(parents=True)
    assert CliRunner().invoke(app, ["info", "--preset", "demo", "--clear-cases"]).exit_code == 0
    assert not (tmp_path / "cases").exists()


def test_quiet_prints_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["info", "--preset", "demo", "--quiet"])
    assert (result.exit_code, result.output) == (0, "")


def test_info_shows_what_was_measured_on_this_processor_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    model = bundled_model() / "fold_0" / "model.keras"
    ways = ("float32", "int8")
    for threads, processor in ((77, hardware.processor_key()), (88, "another-2")):
        with monkeypatch.context() as patch:
            patch.setattr(hardware, "processor_key", lambda processor=processor: processor)
            key = times_key(load_settings("demo"), ways, engine="openvino", threads=threads)
            keep(places(model, TIMES)[1], key, MeasuredChoice("int8", {"float32": 2.0, "int8": 1.0}))
            keep(
                tmp_path / "training-times.json",
                f"tensorflow 2.0, processor {processor}, step {threads}, float32 int8",
                MeasuredChoice("float32", {"float32": 2.0}),
            )
    shown = json.loads(CliRunner().invoke(app, ["info", "--json"]).output)
    measured = shown["measured"]
    assert measured["training"] == ["tensorflow 2.0, step 77, float32 int8: float32 (float32 2 s)"]
    (words,) = [words for words in measured["covid-lungs"] if "threads 77" in words]
    assert words.endswith("float32 int8: int8 (float32 2 s, int8 1 s)")
    assert "threads 88" not in json.dumps(measured)
