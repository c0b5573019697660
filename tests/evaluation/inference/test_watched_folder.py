"""A watched folder: what is dropped is segmented once, and sorted."""

import os
import shutil
import threading
import time

import numpy as np
import pytest
from filelock import FileLock

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.inference import watched_folder
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.inference.watched_folder import LOCK, watch
from tests.evaluation.inference.test_dicom_results import patient, predictor  # noqa: F401

OPTIONS = PredictionOptions(keep_going=True)


def drop(folder, name, seed=0, **how):
    return write_series(folder / name, patient(), seed=seed, **how)


def run(tmp_path, predictor, **how):  # noqa: F811
    how = {"options": OPTIONS, "quiet_s": 0.0, "once": True, **how}
    return list(watch(tmp_path / "in", tmp_path / "out", predictor, **how))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_series_are_segmented_oldest_first_and_moved(tmp_path, predictor):  # noqa: F811
    for age, name in enumerate(("c", "a", "b")):
        folder = drop(tmp_path / "in", name, patient_id=name)
        for path in (*folder.iterdir(), folder):
            os.utime(path, (0, 1000 - age))
    handled = run(tmp_path, predictor)
    assert sorted(one.name for one in handled) == ["a", "b", "c"]
    assert all(one.error is None for one in handled)
    assert names(tmp_path / "in") == ["done"]
    assert names(tmp_path / "in/done") == ["a", "b", "c"]
    assert names(tmp_path / "out") == sorted(f"{name}.seg.dcm{end}" for name in "abc" for end in ("", ".json"))
    mask = read_labels(tmp_path / "out/a.seg.dcm", LUNG_LABELS)
    np.testing.assert_array_equal(np.bincount(mask.array.ravel())[1:], [336, 960, 24])


def test_bad_inputs_are_set_apart_with_their_reason(tmp_path, predictor):  # noqa: F811
    drop(tmp_path / "in", "good")
    (tmp_path / "in/empty").mkdir()
    (tmp_path / "in/text").mkdir()
    (tmp_path / "in/text/notes.txt").write_text("none")
    two = drop(tmp_path / "in", "two patients", patient_id="one")
    for file in drop(tmp_path, "other", patient_id="two").iterdir():
        shutil.copy(file, two / f"other_{file.name}")
    gap = drop(tmp_path / "in", "gap")
    (gap / "IM00005.dcm").unlink()
    (gap / "IM00006.dcm").unlink()
    handled = {one.name: one for one in run(tmp_path, predictor)}
    assert names(tmp_path / "in/failed") == sorted(
        f"{name}{end}" for name in ("empty", "text", "two patients", "gap") for end in ("", ".txt")
    )
    assert names(tmp_path / "in/done") == ["good"]
    assert "found those of 2 (by PatientID)" in handled["two patients"].error
    reason = (tmp_path / "in/failed/gap.txt").read_text()
    assert "slices are missing" in reason
    assert str(tmp_path) not in reason


def test_a_series_that_is_still_growing_is_left_alone(tmp_path, predictor):  # noqa: F811
    (tmp_path / "in").mkdir()
    whole = drop(tmp_path, "whole")
    files = sorted(whole.iterdir())
    (tmp_path / "in/ct").mkdir()

    def copy_slowly():
        for file in files:
            shutil.copy(file, tmp_path / "in/ct" / file.name)
            time.sleep(0.05)

    thread = threading.Thread(target=copy_slowly)
    thread.start()
    (handled,) = run(tmp_path, predictor, quiet_s=0.5)
    thread.join()
    assert handled.error is None
    assert read_labels(tmp_path / "out/ct.seg.dcm", LUNG_LABELS).grid.shape == (24, 20, 16)


def test_times_in_the_future_are_not_waited_for(tmp_path, predictor):  # noqa: F811
    folder = drop(tmp_path / "in", "ct")
    os.utime(folder / "IM00001.dcm", (0, time.time() + 3600))
    (handled,) = run(tmp_path, predictor)
    assert handled.error is None


def test_a_taken_name_gets_a_number(tmp_path, predictor):  # noqa: F811
    drop(tmp_path / "in", "ct")
    run(tmp_path, predictor)
    drop(tmp_path / "in", "ct", seed=1)
    (handled,) = run(tmp_path, predictor)
    assert handled.moved_to.name == "ct_2"
    assert handled.result.output.mask.name == "ct_2.seg.dcm"


def test_after_a_kill_between_result_and_move_nothing_is_made_again(tmp_path, predictor, monkeypatch):  # noqa: F811
    drop(tmp_path / "in", "ct")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(watched_folder, "_moved", interrupted)
        run(tmp_path, predictor)
    stamp = (tmp_path / "out/ct.seg.dcm").stat().st_mtime_ns
    run(tmp_path, predictor)
    assert (tmp_path / "out/ct.seg.dcm").stat().st_mtime_ns == stamp
    assert names(tmp_path / "in/done") == ["ct"]
    assert names(tmp_path / "out") == ["ct.seg.dcm", "ct.seg.dcm.json"]


def test_no_kill_leaves_a_failed_input_without_its_reason(tmp_path, predictor, monkeypatch):  # noqa: F811
    (tmp_path / "in/ct").mkdir(parents=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(tmp_path), "rename", interrupted)
        run(tmp_path, predictor)
    assert names(tmp_path / "in/failed") == ["ct.txt"]
    run(tmp_path, predictor)
    assert names(tmp_path / "in/failed") == ["ct", "ct.txt"]


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_a_fault_over_one_input_does_not_end_the_watching(tmp_path, predictor, monkeypatch):  # noqa: F811
    drop(tmp_path / "in", "ct")

    def fail(*arguments, **how):
        raise KeyError("element")

    monkeypatch.setattr(watched_folder, "_segment", fail)
    (handled,) = run(tmp_path, predictor)
    assert handled.error == "KeyError: 'element'"
    assert names(tmp_path / "in/failed") == ["ct", "ct.txt"]


def test_an_input_that_vanishes_is_passed_over(tmp_path, predictor, monkeypatch):  # noqa: F811
    folder = drop(tmp_path / "in", "ct")
    segment = watched_folder._segment

    def vanishing(*arguments, **how):
        shutil.rmtree(folder)
        return segment(*arguments, **how)

    monkeypatch.setattr(watched_folder, "_segment", vanishing)
    (handled,) = run(tmp_path, predictor)
    assert handled.moved_to is None
    assert "no such file or folder" in handled.error
    assert names(tmp_path / "in/failed") == []


def test_two_watchers_and_an_output_inside_are_refused(tmp_path, predictor):  # noqa: F811
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="must not lie in the watched folder"):
        list(watch(tmp_path / "in", tmp_path / "in/out", predictor, options=OPTIONS))
    (tmp_path / "file").touch()
    for output in ("mask.seg.dcm", "file"):
        with pytest.raises(InputError, match="need a folder, found the name of a file"):
            list(watch(tmp_path / "in", tmp_path / output, predictor, options=OPTIONS))
    with pytest.raises(InputError, match="no such folder"):
        list(watch(tmp_path / "none", tmp_path / "out", predictor, options=OPTIONS))
    with FileLock(tmp_path / "in" / LOCK), pytest.raises(InputError, match="another process watches"):
        run(tmp_path, predictor)
