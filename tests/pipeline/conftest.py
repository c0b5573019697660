"""Stored cases that are made in memory, without files to read; instruction sets and times as they are needed."""

import hashlib
import json

import numpy as np
import pytest

from pneumoseg.data_io.datasets.cohort_file import CohortEntry, write_cohort
from pneumoseg.data_io.datasets.studies import open_cohort
from pneumoseg.data_io.volumes.partial_labels import IGNORED
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.runtime import hardware, measured_choice


@pytest.fixture
def make_stored(tmp_path):
    """A function from a name and labels (x, y, z) to a stored case whose image shows the labels: value = label / 4."""

    def make(name: str, labels: np.ndarray, hidden=((), (), (), ())) -> StoredCase:
        folder = tmp_path / "stored" / name
        folder.mkdir(parents=True)
        image = (labels / 4).astype(np.float16)[..., None]
        np.save(folder / "image.npy", image)
        np.save(folder / "labels.npy", labels.astype(np.uint8))
        for label in range(1, 4):
            np.save(folder / f"foreground_{label}.npy", np.argwhere(labels == label).astype(np.int16))
        facts = {
            "mean": [0.1],
            "sd": [0.2],
            "spacing_mm": [1.0, 1.0, 2.0],
            "windowed": False,
            "extremes": [-1000, 400],
            "air": [0.5],
            "slices": 20,
            "voxels": [int((labels == label).sum()) for label in range(4)],
            "ignored": int((labels == IGNORED).sum()),
            "hidden": hidden,
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


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def set_instructions(monkeypatch):
    """A function that makes the processor have these instruction sets."""
    return lambda *names: monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(names))


@pytest.fixture
def every_precision(set_instructions):
    """A processor that computes in bfloat16 and in 8 bit."""
    set_instructions("avx2", "avx512_bf16", "avx512_vnni")


@pytest.fixture
def force_seconds(monkeypatch):
    """A function from the seconds that the next ways take to the list of those not yet taken; anything else that is
    timed fails the test."""

    def force(*seconds: float) -> list[float]:
        left = list(seconds)

        def median(call) -> float:
            if not left:
                pytest.fail("timed")
            call()
            return left.pop(0)

        monkeypatch.setattr(measured_choice, "median_seconds", median)
        return left

    return force


@pytest.fixture
def write_studies(tmp_path):
    """A function from labels and scores to the dataset of a cohort file: CTs of 8x8x8 voxels, all lung, in which as
    many of 100 voxels are consolidated as the score says; unknown where it is None."""

    def write(diseased, scores, name: str = "cohort.h5", shape=(8, 8, 8)):
        rng = np.random.default_rng(0)
        entries, arrays = [], []
        for index, (label, score) in enumerate(zip(diseased, scores, strict=True)):
            image = rng.normal(-850, 20, shape).astype(np.int16)
            image.ravel()[: round(image.size * (score or 0) / 100)] = 0
            entries.append(
                CohortEntry(
                    name=f"study_{index:02d}",
                    patient=f"patient_{index:02d}",
                    diseased=label,
                    score=score,
                    content=hashlib.sha256(image.tobytes()).hexdigest(),
                    source=hashlib.sha256(f"{index}".encode()).hexdigest(),
                    lung_ml=4000.0,
                    lung_mean_hu=-850.0,
                    slices=8,
                    spacing_mm=(3.0, 3.0, 5.0),
                )
            )
            arrays.append((image, np.ones(shape, np.uint8)))
        write_cohort(tmp_path / name, entries, arrays, shape=shape, preparation={"mask": "classical"})
        return open_cohort(tmp_path / name)

    return write
