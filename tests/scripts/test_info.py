"""`pneumoseg info`: facts, presets, and the case store."""

import json

from typer.testing import CliRunner

from pneumoseg.scripts.cli import app


def test_info_shows_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["info", "--preset", "covid-3d-unet", "--json"])
    assert json.loads(result.output)["network"]["filters"] == [32, 64, 128, 256, 512]


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
