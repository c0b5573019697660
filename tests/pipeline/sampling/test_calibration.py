"""Tiles for 8-bit networks: of different cases, the same each time; files that cannot be trusted are refused."""

import io
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.pipeline.sampling import batches, calibration
from pneumoseg.pipeline.sampling.calibration import (
    CalibrationTiles,
    draw_tiles,
    load_tiles,
    save_tiles,
    tiles_beside,
    tiles_of_dataset,
    tiles_of_phantoms,
)
from pneumoseg.pipeline.settings.loading import load_settings


def small(*changes: str):
    return load_settings("demo", ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", *changes])


def filled(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("changes", "shape"),
    [((), (8, 8, 4)), (("patches.shape=[8, 8]",), (8, 8)), (("patches.shape=[16, 8, 4]",), (8, 8, 4))],
)
def test_tiles_are_normalised_patches_as_the_network_sees_them(blocks, monkeypatch, changes, shape):
    monkeypatch.setattr(calibration, "LARGEST_VOXELS", 8 * 8 * 4)
    tiles = draw_tiles(blocks, small(*changes))
    values = {(label / 4 - 0.1) / 0.2 for label in range(4)} | {(0.5 - 0.1) / 0.2}  # of the labels, and of air
    for array in (tiles.calibrating, tiles.comparing):
        assert array.shape == (16, *shape, 1)
        assert array.dtype == np.float32
        assert all(np.isclose(value, list(values), atol=1e-2).any() for value in np.unique(array))
        assert len(np.unique(array)) > 2


def test_the_seed_decides_which(blocks):
    one, other, third = (draw_tiles(blocks, small(seed)) for seed in ("seed=0", "seed=0", "seed=1"))
    np.testing.assert_array_equal(one.calibrating, other.calibrating)
    np.testing.assert_array_equal(one.comparing, other.comparing)
    assert not np.array_equal(one.calibrating, third.calibrating)
    assert not np.array_equal(one.calibrating, one.comparing)


@pytest.mark.parametrize(
    ("cases", "calibrating", "comparing"),
    [("a", "a", "a"), ("ab", "b", "a"), ("abcde", "bcde", "a"), ("abcdefg", "cdefg", "ab")],
)
def test_a_third_of_the_cases_is_kept_for_comparing(monkeypatch, cases, calibrating, comparing):
    drawn = {}

    def plain_batch(cases, settings, count, *, stream):
        drawn[stream] = "".join(cases)
        return SimpleNamespace(images=None)

    monkeypatch.setattr(batches, "plain_batch", plain_batch)
    draw_tiles(cases, small())
    assert drawn == {batches.CALIBRATION: calibrating, batches.COMPARISON: comparing}


def test_of_a_single_case_the_tiles_differ(blocks):
    tiles = draw_tiles(blocks[:1], small())
    assert not np.array_equal(tiles.calibrating, tiles.comparing)


def test_of_a_dataset_at_most_twelve_cases_are_prepared(tmp_path, monkeypatch):
    write_phantoms(tmp_path / "data", 5, shape=(24, 24, 16), seed=1)
    dataset = open_dataset(tmp_path / "data")
    monkeypatch.setattr(calibration, "LARGEST_CASES", 2)
    drawn = []
    monkeypatch.setattr(calibration, "draw_tiles", lambda cases, settings: drawn.extend(case.name for case in cases))
    tiles_of_dataset(dataset, small(), tmp_path / "store")
    assert drawn == [dataset.cases[0].name, dataset.cases[3].name]


def test_a_file_gives_back_the_tiles_within_half_precision(tmp_path):
    tiles = CalibrationTiles(filled(16, 8, 8, 4, 1), filled(3, 8, 8, 4, 1))
    save_tiles(tmp_path / "calibration.npz", tiles)
    found = load_tiles(tmp_path / "calibration.npz", small())
    assert found.calibrating.dtype == np.float32
    np.testing.assert_allclose(found.calibrating, tiles.calibrating, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.comparing, tiles.comparing, rtol=1e-3, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.npz"]


def archive(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def lying(count: int) -> bytes:
    """A file whose table of contents says less than it holds."""
    whole = archive(calibrating=filled(count, 8, 8, 4, 1).astype(np.float16), comparing=filled(1, 8, 8, 4, 1))
    with zipfile.ZipFile(io.BytesIO(whole)) as read:
        size = read.getinfo("calibrating.npy").file_size
    assert whole.count(size.to_bytes(4, "little")) >= 1
    return whole.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))


GOOD = filled(2, 8, 8, 4, 1).astype(np.float16)


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "no zip": b"no zip",
        "truncated": archive(calibrating=GOOD, comparing=GOOD)[:-200],
        "damaged": archive(calibrating=GOOD, comparing=GOOD).replace(b"\x00\x00\x00", b"\x00\x07\x00"),
        "one missing": archive(calibrating=GOOD),
        "other shape": archive(calibrating=filled(2, 8, 8, 8, 1), comparing=GOOD),
        "2D": archive(calibrating=GOOD, comparing=filled(2, 8, 8, 1)),
        "no axes": archive(calibrating=np.float16(1), comparing=GOOD),
        "no tiles": archive(calibrating=GOOD[:0], comparing=GOOD),
        "too many": archive(calibrating=filled(17, 8, 8, 4, 1).astype(np.float64), comparing=GOOD),
        "more than it says": lying(1000),
        "not a number": archive(calibrating=GOOD, comparing=np.full_like(GOOD, np.nan)),
        "infinite": archive(calibrating=np.full_like(GOOD, np.inf), comparing=GOOD),
        "words": archive(calibrating=np.full(GOOD.shape, "one"), comparing=GOOD),
        "pickled": archive(calibrating=np.array([{"a": 1}] * 2, object), comparing=GOOD),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_file_that_does_not_hold_tiles_is_refused_by_name(tmp_path, content):
    path = tmp_path / "calibration.npz"
    path.write_bytes(content[1])
    with pytest.raises(InputError, match=r"calibration\.npz: no readable tiles for calibration .*; remove the file$"):
        load_tiles(path, small())


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no readable tiles"):
        load_tiles(tmp_path / "calibration.npz", small())


def test_tiles_beside_a_model_are_read_and_else_generated_with_a_warning(tmp_path, monkeypatch, caplog):
    model = tmp_path / "model.keras"
    generated = object()
    monkeypatch.setattr(calibration, "tiles_of_phantoms", lambda settings: generated)
    assert tiles_beside(model, small()) is generated
    (record,) = caplog.records
    assert "no calibration.npz beside it; 8 bit is calibrated on generated CTs" in record.getMessage()
    save_tiles(tmp_path / "calibration.npz", CalibrationTiles(GOOD, GOOD))
    np.testing.assert_array_equal(tiles_beside(model, small()).comparing, GOOD)
    assert len(caplog.records) == 1


def test_generated_tiles_are_of_the_models_classes(monkeypatch):
    monkeypatch.setattr(calibration, "PHANTOMS", 2)
    monkeypatch.setattr(calibration, "PHANTOM_SHAPE", (32, 32, 24))
    tiles = tiles_of_phantoms(small())
    assert tiles.calibrating.shape == tiles.comparing.shape == (16, 8, 8, 4, 1)
    with pytest.raises(InputError):
        tiles_of_phantoms(small("labels.names=[background, lesion]"))
