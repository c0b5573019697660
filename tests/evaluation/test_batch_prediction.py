import json

import nibabel as nib
import numpy as np
import pytest

from data_io.errors import InputError
from data_io.inputs import find_inputs
from data_io.nifti import read_nifti
from evaluation.batch_prediction import Wanted, predict_files, write_statistics
from pipeline.configuration import load_settings
from pipeline.engines import Engine
from pipeline.predictor import Predictor


def by_brightness(tiles: np.ndarray) -> np.ndarray:
    """Infection above -500 HU, left lung above -900, else background: for the window -1250..250."""
    return np.eye(4, dtype=np.float32)[np.array([0, 1, 3])[np.digitize(tiles[..., 0], [350 / 1500, 750 / 1500])]]


@pytest.fixture
def predictor() -> Predictor:
    changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
    return Predictor(Engine("test", "float32", by_brightness), load_settings("demo", changes), ("hash",))


@pytest.fixture
def cts(tmp_path):
    (tmp_path / "cts").mkdir()
    for name in ("a", "b"):
        array = np.full((6, 5, 12), -800, np.int16)
        array[0] = -1000
        array[5] = -100
        nib.save(nib.Nifti1Image(array, np.diag([1.0, 2.0, 5.0, 1.0])), tmp_path / "cts" / f"{name}.nii.gz")
    return tmp_path / "cts"


def test_each_ct_gets_a_mask_and_a_manifest(cts, predictor, tmp_path):
    results = predict_files(find_inputs([cts]), tmp_path / "out", predictor)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "a.nii.gz", "b.json", "b.nii.gz"]
    for result in results:
        assert list(read_nifti(result.mask).array[:, 0, 0]) == [0, 1, 1, 1, 1, 3]
        assert (
            json.loads(result.mask.with_name(result.mask.name.replace("nii.gz", "json")).read_text()) == result.manifest
        )
    assert results[0].manifest["geometry"]["spacing_mm"] == [1, 2, 5]
    assert results[0].manifest["warnings"] == []
    assert {"reading and preprocessing", "network", "segmenting", "writing"} <= results[0].manifest["seconds"].keys()
    assert str(tmp_path) not in json.dumps(results[0].manifest)


def test_existing_masks_are_kept_or_replaced_on_demand(cts, predictor, tmp_path):
    files = find_inputs([cts / "a.nii.gz"])
    path = tmp_path / "mask.nii.gz"
    first = predict_files(files, path, predictor)[0]
    stamp = path.stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already"):
        predict_files(files, path, predictor)
    assert predict_files(files, path, predictor, resume=True) == [first]
    assert path.stat().st_mtime_ns == stamp
    predict_files(files, path, predictor, overwrite=True)
    assert path.stat().st_mtime_ns != stamp


def test_resume_makes_again_what_has_no_manifest_and_refuses_another_model(cts, predictor, tmp_path):
    files = find_inputs([cts])
    predict_files(files, tmp_path / "out", predictor)
    (tmp_path / "out" / "b.json").unlink()
    (tmp_path / "out" / "b.nii.gz").write_bytes(b"from a process that was killed")
    results = predict_files(files, tmp_path / "out", predictor, resume=True)
    assert read_nifti(results[1].mask).array.max() == 3
    other = Predictor(predictor.engine, predictor.settings, ("another",))
    with pytest.raises(InputError, match="another model or other settings"):
        predict_files(files, tmp_path / "out", other, resume=True)
    (tmp_path / "out" / "a.json").write_text("[]")
    with pytest.raises(InputError, match="not the manifest"):
        predict_files(files, tmp_path / "out", predictor, resume=True)


def test_a_bad_ct_ends_the_batch_or_is_passed_over(cts, predictor, tmp_path):
    (cts / "aa.nii.gz").write_bytes((cts / "a.nii.gz").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"aa\.nii\.gz"):
        predict_files(find_inputs([cts]), tmp_path / "one", predictor)
    results = predict_files(find_inputs([cts]), tmp_path / "two", predictor, Wanted(keep_going=True))
    assert [result.error is None for result in results] == [True, False, True]
    assert "aa.nii.gz" in results[1].error
    assert sorted(path.name for path in (tmp_path / "two").glob("*a*")) == ["a.json", "a.nii.gz"]


def test_statistics_probabilities_and_preview(cts, predictor, tmp_path):
    wanted = Wanted(probabilities=True, statistics=True, preview=True)
    results = predict_files(find_inputs([cts]), tmp_path / "out", predictor, wanted)
    voxel_ml = 0.01
    assert results[0].manifest["statistics"] == {
        "lung_left_ml": pytest.approx(4 * 60 * voxel_ml),
        "lung_left_mean_hu": -800,
        "lung_right_ml": 0,
        "lung_right_mean_hu": None,
        "infection_ml": pytest.approx(60 * voxel_ml),
        "infection_mean_hu": -100,
        "lungs_ml": pytest.approx(5 * 60 * voxel_ml),
        "infected_percent": 20,
    }
    infection = nib.load(tmp_path / "out" / "a.infection.nii.gz")
    np.testing.assert_allclose(infection.get_fdata()[:, 0, 0], [0, 0, 0, 0, 0, 1], atol=1e-6)
    assert (tmp_path / "out" / "a.png").stat().st_size > 1000
    write_statistics(tmp_path / "statistics.csv", results)
    lines = (tmp_path / "statistics.csv").read_text().splitlines()
    assert lines[0].startswith("case,lung_left_ml,lung_left_mean_hu")
    assert [line.split(",")[0] for line in lines[1:]] == ["a", "b"]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_masks_for_slicer(cts, predictor, tmp_path):
    results = predict_files(find_inputs([cts]), tmp_path / "out", predictor, suffix=".seg.nrrd")
    assert [result.mask.name for result in results] == ["a.seg.nrrd", "b.seg.nrrd"]
    with pytest.raises(InputError, match=r"\.mha"):
        predict_files(find_inputs([cts]), tmp_path / "out", predictor, suffix=".mha")


def test_a_ct_is_never_replaced_by_its_mask(cts, predictor):
    with pytest.raises(InputError, match="replace the CT itself"):
        predict_files(find_inputs([cts]), cts, predictor, overwrite=True)


def test_one_mask_for_two_volumes_is_refused(cts, predictor, tmp_path):
    with pytest.raises(InputError, match="one mask for 2 volumes"):
        predict_files(find_inputs([cts]), tmp_path / "mask.nii.gz", predictor)


def test_odd_volumes_are_warned_of_and_have_no_mean_hu(predictor, tmp_path):
    nib.save(nib.Nifti1Image(np.full((6, 5, 1), 200, np.uint8), np.eye(4)), tmp_path / "slice.nii.gz")
    wanted = Wanted(statistics=True)
    (result,) = predict_files(find_inputs([tmp_path / "slice.nii.gz"]), tmp_path / "out", predictor, wanted)
    assert any("not HU" in line for line in result.manifest["warnings"])
    assert any("few slices (1)" in line for line in result.manifest["warnings"])
    assert result.manifest["statistics"]["infection_mean_hu"] is None
    assert not result.manifest["in_hu"]
