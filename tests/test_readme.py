"""The Python example of the README runs."""

import re
from pathlib import Path

import nibabel as nib
import pytest

from pneumoseg.pipeline.prediction.segment import segment
from pneumoseg.pipeline.settings.loading import load_settings

README = Path(__file__).parents[1] / "README.md"
SMALL = (
    *("preprocessing.spacing_mm=[10, 10, 12]", "patches.shape=[16, 16, 8]", "network.filters=[4, 8]"),
    "training.workers=0",
)
"""Settings added to those of the example."""


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    if len(blocks) != 1:
        pytest.fail(f"the README has one Python example, found {len(blocks)}")
    return blocks[0]


def test_the_example_runs(tmp_path, monkeypatch, without_case_pictures):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pneumoseg.load_settings", lambda name, changes: load_settings(name, [*changes, *SMALL]))
    # Converting both networks would take longer than to train them.
    monkeypatch.setattr("pneumoseg.segment", lambda ct, model: segment(ct, model, engine="keras"))
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    exec(compile(example(), "README.md", "exec"), {})
    assert (tmp_path / "runs" / "python" / "report.html").is_file()
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == nib.load(tmp_path / "phantoms" / "phantom_001" / "imaging.nii.gz").shape


def test_the_example_is_under_20_lines():
    assert len([line for line in example().splitlines() if line.strip()]) < 20
