"""`pneumoseg download` as a person at the terminal meets it; the transfer itself is tested in test_download."""

import json

import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.scripts.download import download

app = typer.Typer()
app.command()(download)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def unpacked(tmp_path):
    """Both archives unpacked already: nothing is asked of any server."""
    for folder in ("COVID-19-CT-Seg_20cases", "Lung_and_Infection_Mask"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "coronacases_001.nii.gz").touch()
    return tmp_path


def test_lists_the_cases(unpacked):
    result = run("-o", unpacked, "--url-base", "http://127.0.0.1:9")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [f"{unpacked}: 1 cases (Zenodo 3757476)", "coronacases_001"]
    assert "already there, not fetched again" in result.stderr


def test_json(unpacked):
    result = run("-o", unpacked, "--url-base", "http://127.0.0.1:9", "--json")
    assert json.loads(result.stdout)["cases"] == ["coronacases_001"]
    assert result.stderr == ""


def test_quiet(unpacked):
    result = run("-o", unpacked, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_bad_address_ends_with_2(tmp_path):
    result = run("-o", tmp_path / "data", "--url-base", "file:///etc")
    assert result.exit_code == 2
    assert result.stderr == "error: the address must begin with https:// or http://, found file:///etc\n"
    assert not (tmp_path / "data").exists()
