"""Predictors from model files: which networks, with which settings; what of a CT is read."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.prediction import forward_memory, predictor
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor, open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.loading import load_settings


def background(tiles: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.float32([0.7, 0.1, 0.1, 0.1]), (*tiles.shape[:-1], 4))


def ensemble(members: int) -> Predictor:
    settings = [load_settings("demo", [f"preprocessing.spacing_mm=[{9 - number}, 8, 8]"]) for number in range(members)]
    return Predictor(tuple(Member(Engine("test", "float32", background), one) for one in settings))


def counted_scan() -> tuple[Scan, list[int]]:
    """A scan of 8 x 8 x 8 voxels, 2 kB with four bytes a voxel, and a list that gets a 1 each time it is decoded."""
    array, begun = np.full((8, 8, 8), -900, np.int16), []
    source = Volume.from_source(array, np.diag([8.0, 8.0, 8.0, 1.0])).stored_grid
    return Scan(source, lambda: begun.append(1) or iter([array[:, :, :4], array[:, :, 4:]])), begun


@pytest.mark.parametrize("members", [1, 2])
def test_a_scan_is_decoded_once_and_stays_in_memory(members):
    scan, begun = counted_scan()
    prepared = ensemble(members).prepare(scan)
    assert len(prepared.volumes) == members
    assert prepared.scan.read().array.shape == (8, 8, 8)
    assert begun == [1]


def test_a_scan_of_more_than_a_tenth_of_the_memory_is_read_slab_by_slab(monkeypatch):
    for memory_gb, held in ((21e-6, True), (20e-6, False)):
        monkeypatch.setattr(hardware, "memory_gb", lambda memory_gb=memory_gb: memory_gb)
        scan, begun = counted_scan()
        prepared = ensemble(1).prepare(scan)
        assert (prepared.scan.volume is not None) is held
        assert begun == [1]


def test_the_batch_that_fits_is_worked_out_once_for_all_cts(make_model, monkeypatch):
    calls = []
    fitting = forward_memory.fitting_batch
    for module in (predictor, forward_memory):
        monkeypatch.setattr(module, "fitting_batch", lambda settings: calls.append(1) or fitting(settings))
    opened = open_predictor(make_model("model.keras", "prediction.batch=3"), engine="keras")
    volume = Volume.from_source(np.zeros((9, 9, 9), np.int16), np.diag([4.0, 4.0, 5.0, 1.0]))
    for _ in range(2):
        assert opened(volume).array.shape == (9, 9, 9)
    assert calls == [1]
    assert opened.members[0].batch == 3


def test_a_predictor_takes_folds_and_its_own_settings_alone(make_model, tmp_path):
    for fold in (0, 1, 3):
        (tmp_path / "run" / f"fold_{fold}").mkdir(parents=True)
        make_model(f"run/fold_{fold}/model.keras", seed=fold)
    every = open_predictor(tmp_path / "run", engine="keras")
    assert len(every.models) == 3
    changes = ["prediction.overlap=0.25", "postprocessing.fill_holes=true"]
    two = open_predictor(tmp_path / "run", [0, 3], changes=changes, engine="keras")
    assert two.models == {fold: every.models[fold] for fold in ("fold_0", "fold_3")}
    assert two.settings.prediction.overlap == 0.25
    assert two.settings.postprocessing.fill_holes
    mask = two(Volume.from_source(np.zeros((9, 9, 9), np.int16), np.eye(4)))
    assert mask.array.dtype == np.uint8
    with pytest.raises(InputError, match=r"no model\.keras of fold 2"):
        open_predictor(tmp_path / "run", [2])
    with pytest.raises(InputError, match="prediction and postprocessing alone"):
        open_predictor(tmp_path / "run", [0], changes=["patches.shape=[8, 8, 8]"])
    with pytest.raises(InputError, match="no model there"):
        open_predictor(tmp_path)
    make_model("run/fold_1/model.keras", "labels.mirror_pairs=[]")
    with pytest.raises(InputError, match=r"fold_1.*need the same labels"):
        open_predictor(tmp_path / "run")


def test_models_of_other_preprocessing_are_one_ensemble(make_model, tmp_path):
    own = make_model("one.keras")
    coarse = make_model("two.keras", "preprocessing.spacing_mm=[2, 2, 2]", "prediction.overlap=0.1", seed=1)
    both = open_predictor([own, coarse], engine="keras")
    assert list(both.models) == ["1/one.keras", "2/two.keras"]
    assert [member.settings.preprocessing.spacing_mm for member in both.members] != [None, None]
    assert {member.settings.prediction.overlap for member in both.members} == {both.settings.prediction.overlap}
    volume = Volume.from_source(np.full((9, 9, 9), 40, np.int16), np.eye(4))
    assert both(volume).array.shape == (9, 9, 9)


def test_a_damaged_model_is_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not a model")
    with pytest.raises(InputError, match="not a readable model file"):
        open_predictor(tmp_path / "model.keras")


def test_full_images_are_padded_for_each_network_as_it_needs(make_model):
    shallow = make_model("shallow.keras", "patches.shape=null")
    deep = make_model("deep.keras", "patches.shape=null", "network.filters=[4, 4, 8]")
    both = open_predictor([shallow, deep], engine="keras")
    assert [member.settings.divisor for member in both.members] == [2, 4]
    volume = Volume.from_source(np.full((9, 9, 9), 40, np.int16), np.diag([4, 4, 5, 1]))
    assert both(volume).array.shape == (9, 9, 9)
    tiles_alike = make_model("tiles.keras"), make_model("deep_tiles.keras", "network.filters=[4, 4, 8]")
    assert [member.count for member in open_predictor(tiles_alike, engine="keras").members] == [2]


def test_a_model_that_cannot_predict_as_the_first_is_set_is_refused(make_model):
    first = make_model("first.keras", "prediction.mirror_axes=[2]")
    flat = make_model("flat.keras", "patches.shape=[8, 8]")
    with pytest.raises(
        InputError, match=r"flat\.keras, which .*first\.keras \(changed settings .*different ones of the network"
    ):
        open_predictor([first, flat], engine="keras")
    changed = open_predictor([first, flat], changes=["prediction.mirror_axes=[1]"], engine="keras")
    assert {member.settings.prediction.mirror_axes for member in changed.members} == {(1,)}


def test_folds_are_asked_of_run_folders_alone(make_model):
    path = make_model()
    for single in (path, path.parent):
        with pytest.raises(InputError, match="only a run folder has folds to choose from, found a single model"):
            open_predictor(single, [3], engine="keras")
