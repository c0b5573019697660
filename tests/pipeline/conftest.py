"""Stored cases that are made in memory, without files to read."""

import json

import numpy as np
import pytest

from pneumoseg.pipeline.preprocessing.case_store import StoredCase


@pytest.fixture
def make_stored(tmp_path):
    """A function from a name and labels (x, y, z) to a stored case whose image shows the labels: value = label / 4."""

    def make(name: str, labels: np.ndarray) -> StoredCase:
        folder = tmp_path / "stored" / name
        folder.mkdir(parents=True)
        image = (labels / 4).astype(np.float16)
        np.save(folder / "image.npy", image)
        np.save(folder / "labels.npy", labels.astype(np.uint8))
        for label in range(1, 4):
            np.save(folder / f"foreground_{label}.npy", np.argwhere(labels == label).astype(np.int16))
        facts = {
            "mean": 0.1,
            "sd": 0.2,
            "spacing_mm": [1.0, 1.0, 2.0],
            "windowed": False,
            "extremes": [-1000, 400],
            "air": 0.5,
            "slices": 20,
            "voxels": [int((labels == label).sum()) for label in range(4)],
        }
        (folder / "case.json").write_text(json.dumps(facts), encoding="utf-8")
        return StoredCase(name, folder)

    return make


@pytest.fixture
def blocks(make_stored):
    """Two cases with a left lung, a right lung and an infection in it."""

    def labels(shift: int) -> np.ndarray:
        array = np.zeros((16, 16, 12), np.uint8)
        array[2:7, 3:12, 2:10] = 1
        array[9:14, 3:12, 2:10] = 2
        array[10:12, 4 + shift : 7 + shift, 4:7] = 3
        return array

    return [make_stored("one", labels(0)), make_stored("two", labels(3))]
