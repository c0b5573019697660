import nibabel as nib
import numpy as np
import pytest

from data_io.errors import InputError
from evaluation.batch_prediction import Predictor, find_inputs, open_predictor, predict_files
from pipeline.configuration import load_settings


def background(tiles: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.eye(4, dtype=np.float32)[0], (*tiles.shape[:-1], 4))


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(background, load_settings("demo", ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null"]))


@pytest.fixture
def cts(tmp_path):
    (tmp_path / "cts").mkdir()
    for name in ("a", "b"):
        array = np.full((6, 5, 12), -800, np.int16)
        array[0] = -1000
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "cts" / f"{name}.nii.gz")
    (tmp_path / "cts" / ".partial-1-c.nii.gz").write_bytes(b"half")
    (tmp_path / "cts" / "notes.txt").write_text("not a CT")
    return tmp_path / "cts"


def test_a_folder_gives_a_mask_for_each_ct(cts, predictor, tmp_path):
    files = find_inputs([cts])
    assert files == {"a": cts / "a.nii.gz", "b": cts / "b.nii.gz"}
    written = predict_files(files, tmp_path / "out", predictor)
    assert [path.name for path in written] == ["a.nii.gz", "b.nii.gz"]
    assert (np.asarray(nib.load(written[0]).dataobj) == 0).all()


def test_existing_masks_are_kept_or_replaced_on_demand(cts, predictor, tmp_path):
    files = find_inputs([cts / "a.nii.gz"])
    (path,) = predict_files(files, tmp_path / "mask.nii.gz", predictor)
    stamp = path.stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already"):
        predict_files(files, path, predictor)
    predict_files(files, path, predictor, resume=True)
    assert path.stat().st_mtime_ns == stamp
    predict_files(files, path, predictor, overwrite=True)
    assert path.stat().st_mtime_ns != stamp


def test_datasets_and_case_folders_give_their_images_alone(cts, tmp_path):
    for case in ("one", "two"):
        (tmp_path / "data" / case).mkdir(parents=True)
        for name in ("imaging.nii.gz", "segmentation.nii.gz"):
            (tmp_path / "data" / case / name).write_bytes((cts / "a.nii.gz").read_bytes())
    one, two = (tmp_path / "data" / case / "imaging.nii.gz" for case in ("one", "two"))
    assert find_inputs([tmp_path / "data"]) == {"one": one, "two": two}
    assert find_inputs([tmp_path / "data" / "one"]) == {"one": one}
    assert find_inputs([one, two]) == {"one": one, "two": two}


def test_a_ct_is_never_replaced_by_its_mask(cts, predictor):
    with pytest.raises(InputError, match="replace the CT itself"):
        predict_files(find_inputs([cts]), cts, predictor, overwrite=True)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [(["absent"], "no such file"), (["empty"], "empty"), (["cts/a.nii.gz", "other/a.nii.gz"], "one mask: a")],
)
def test_bad_inputs_are_refused(cts, tmp_path, inputs, message):
    for folder in ("empty", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "other" / "a.nii.gz").write_bytes((cts / "a.nii.gz").read_bytes())
    with pytest.raises(InputError, match=message):
        find_inputs([tmp_path / name for name in inputs])


def test_one_mask_for_two_volumes_is_refused(cts, predictor, tmp_path):
    with pytest.raises(InputError, match="one mask for 2 volumes"):
        predict_files(find_inputs([cts]), tmp_path / "mask.nii.gz", predictor)


def test_a_folder_without_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no model there"):
        open_predictor(tmp_path)
    with pytest.raises(InputError, match=r"no model\.keras there"):
        open_predictor(tmp_path, [1])


def test_odd_volumes_are_warned_of(predictor, tmp_path, monkeypatch):
    from data_io.reporting import log

    said = []
    monkeypatch.setattr(log, "warning", lambda message, *values: said.append(message % values))
    nib.save(nib.Nifti1Image(np.full((6, 5, 1), 200, np.uint8), np.eye(4)), tmp_path / "slice.nii.gz")
    predict_files(find_inputs([tmp_path / "slice.nii.gz"]), tmp_path / "out", predictor)
    assert any("not HU" in line for line in said)
    assert any("few slices (1)" in line for line in said)
