import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.training.checkpoint import (
    Checkpoint,
    check_fingerprint,
    check_numbers,
    load_checkpoint,
    save_checkpoint,
)
from pneumoseg.pipeline.training.loop import STATE_FOLDER


def checkpoint(weights: int) -> Checkpoint:
    arrays = tuple(np.full((2, index), index, np.float32) for index in range(weights))
    history = ({"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.25})
    return Checkpoint(arrays, arrays[:3], (), history, "of settings and cases")


def test_what_is_saved_is_loaded_again_arrays_in_their_order(tmp_path):
    saved = checkpoint(12)  # as text, 10 comes before 2
    save_checkpoint(tmp_path / "checkpoint.npz", saved)
    loaded = load_checkpoint(tmp_path / "checkpoint.npz")
    assert (loaded.history, loaded.fingerprint, loaded.best) == (saved.history, saved.fingerprint, ())
    for group in ("model", "optimizer"):
        for ours, theirs in zip(getattr(loaded, group), getattr(saved, group), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_replaces_the_one_before_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, checkpoint(1))

    def full_disk(file, **arrays):
        file.write(b"half of it")
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(np, "savez", full_disk)
        save_checkpoint(path, checkpoint(2))
    assert len(load_checkpoint(path).model) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize(
    ("folder", "remedy"),
    [
        ("model", "begin again, overwriting it$"),
        ("fold_3", r"begin this fold again: overwrite fold 3 alone \(overwriting without a fold removes all folds\)$"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, folder, remedy):
    path = tmp_path / folder / STATE_FOLDER / "checkpoint.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match=f"damaged checkpoint.*{remedy}"):
        load_checkpoint(path)


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "fold_2" / STATE_FOLDER / "checkpoint.npz"
    check_fingerprint(checkpoint(1), ["another", "of settings and cases"], path)
    with pytest.raises(InputError, match="changed since the checkpoint; begin this fold again: overwrite fold 2") as no:
        check_fingerprint(checkpoint(1), ["another"], path)
    assert no.value.options == ("overwrite", "folds")


@pytest.mark.parametrize(("loss", "weight"), [(np.nan, 1.0), (np.inf, 1.0), (0.5, np.nan), (0.5, -np.inf)])
def test_what_is_no_number_is_not_kept(loss, weight):
    check_numbers(0.5, [np.ones(2), np.zeros(1)], 3)
    with pytest.raises(InputError, match="loss or weights are no longer numbers after epoch 4: begin again"):
        check_numbers(loss, [np.ones(2), np.array([weight])], 3)
