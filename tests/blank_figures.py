"""Runs and reports without the time that drawing takes: most of that of a small run."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

savefig = Figure.savefig


def save_blank(figure: Figure, path: Path, **options) -> None:
    """A white pixel in place of a PNG; other formats as they are."""
    if Path(path).suffix == ".png":
        Image.new("RGB", (1, 1), "white").save(path)
    else:
        savefig(figure, path, **options)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Leaves out the pictures of single cases; other figures are made, and saved as `save_blank` does."""
    patch.setattr("pneumoseg.evaluation.experiments.mask_task.draw_case", lambda *arguments, **options: None)
    patch.setattr(Figure, "savefig", save_blank)
