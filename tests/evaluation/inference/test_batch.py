import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import nifti
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.evaluation.inference.batch import PredictionOptions, predict_files
from pneumoseg.evaluation.inference.outputs import facts_of, place_outputs
from pneumoseg.evaluation.measures.trust import Calibration, DiceCalibration
from pneumoseg.pipeline.prediction import predictor as predictor_module
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.runtime.executors import SerialExecutor, background_threads
from pneumoseg.pipeline.settings.loading import load_settings


def by_brightness(tiles: np.ndarray) -> np.ndarray:
    """Infection above -500 HU, left lung above -900, else background: for the window -1250..250."""
    return np.eye(4, dtype=np.float32)[np.array([0, 1, 3])[np.digitize(tiles[..., 0], [350 / 1500, 750 / 1500])]]


@pytest.fixture
def predictor() -> Predictor:
    changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
    member = Member(Engine("test", "float32", by_brightness), load_settings("demo", changes))
    return Predictor((member,), {"model": "hash"})


@pytest.fixture
def cts(tmp_path):
    (tmp_path / "cts").mkdir()
    for name in ("a", "b"):
        array = np.full((6, 5, 12), -800, np.int16)
        array[0] = -1000
        array[5] = -100
        nib.save(nib.Nifti1Image(array, np.diag([1.0, 2.0, 5.0, 1.0])), tmp_path / "cts" / f"{name}.nii.gz")
    return tmp_path / "cts"


def predict(inputs, output, predictor, options=None, resume=False, overwrite=False, mask_format=None):
    outputs = place_outputs(find_inputs(inputs), output, mask_format=mask_format, resume=resume, overwrite=overwrite)
    return predict_files(outputs, predictor, options=options, resume=resume)


def names_in(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_each_ct_gets_a_mask_and_a_manifest(cts, predictor, tmp_path):
    results = predict([cts], tmp_path / "out", predictor)
    assert names_in(tmp_path / "out") == ["a.nii.gz", "a.nii.gz.json", "b.nii.gz", "b.nii.gz.json"]
    for result in results:
        assert list(read_volume(result.output.mask).array[:, 0, 0]) == [0, 1, 1, 1, 1, 3]
        assert json.loads(result.output.manifest.read_text()) == result.manifest
    assert results[0].manifest["geometry"]["spacing_mm"] == [1, 2, 5]
    assert results[0].manifest["warnings"] == []
    seconds = results[0].manifest["seconds"]
    assert list(seconds) == ["prepare", "network", "postprocess", "segment", "statistics", "write"]
    assert 0 <= seconds["network"] + seconds["postprocess"] <= seconds["segment"] + 0.01
    assert str(tmp_path) not in json.dumps(results[0].manifest)


def test_existing_masks_are_kept_or_replaced_on_demand(cts, predictor, tmp_path):
    path = tmp_path / "mask.nii.gz"
    first = predict([cts / "a.nii.gz"], path, predictor)
    stamp = path.stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already"):
        predict([cts / "a.nii.gz"], path, predictor)
    assert predict([cts / "a.nii.gz"], path, predictor, resume=True) == first
    assert path.stat().st_mtime_ns == stamp
    predict([cts / "a.nii.gz"], path, predictor, overwrite=True)
    assert path.stat().st_mtime_ns != stamp


def test_resume_makes_what_is_missing(cts, predictor, tmp_path, unrendered):
    predict([cts], tmp_path / "out", predictor)
    (tmp_path / "out" / "b.nii.gz").unlink()  # as after a kill between manifest and mask
    stamp = (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns
    results = predict([cts], tmp_path / "out", predictor, resume=True)
    assert read_volume(results[1].output.mask).array.max() == 3
    assert (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns == stamp
    more = PredictionOptions(statistics=True, probabilities=True, preview=True)
    results = predict([cts], tmp_path / "out", predictor, more, resume=True)
    assert all(result.manifest["statistics"] for result in results)
    assert len(names_in(tmp_path / "out")) == 2 * (2 + 4 + 1)


def another_model(out, predictor):
    return Predictor(predictor.members, {"model": "another"})


def another_ct(out, predictor):
    ct = out.parent / "cts" / "a.nii.gz"
    nib.save(nib.Nifti1Image(np.full((6, 5, 12), -900, np.int16), np.eye(4)), ct)


def a_mask_by_hand(out, predictor):
    (out / "a.nii.gz.json").unlink()


def an_edited_mask(out, predictor):
    (out / "a.nii.gz").write_bytes((out / "b.nii.gz").read_bytes()[:-1])


def another_json(out, predictor):
    (out / "a.nii.gz.json").write_text("[]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_model, "made otherwise.* models"),
        (another_ct, "made otherwise.* CT"),
        (a_mask_by_hand, "no manifest says how"),
        (an_edited_mask, "mask itself"),
        (another_json, "not the manifest"),
    ],
)
def test_resume_keeps_no_mask_that_was_made_otherwise(cts, predictor, tmp_path, change, message):
    predict([cts], tmp_path / "out", predictor)
    predictor = change(tmp_path / "out", predictor) or predictor
    before = (tmp_path / "out" / "a.nii.gz").read_bytes()
    with pytest.raises(InputError, match=message):
        predict([cts], tmp_path / "out", predictor, resume=True)
    assert (tmp_path / "out" / "a.nii.gz").read_bytes() == before


def test_resume_keeps_no_mask_made_by_other_code_of_a_step(cts, predictor, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "own_step_of_a_resumed_batch.py"
    source.write_text("def same(array, spacing_mm):\n    return array\n")
    (member,) = predictor.members
    own = ["patches.shape=[8, 8, 8]", "preprocessing.steps=[own_step_of_a_resumed_batch:same]"]
    predictor = Predictor((replace(member, settings=load_settings("demo", own)),), {"model": "hash"})
    first = predict([cts], tmp_path / "out", predictor)
    assert predict([cts], tmp_path / "out", predictor, resume=True) == first
    source.write_text(source.read_text() + "# changed\n")
    with pytest.raises(InputError, match=r"made otherwise.* sources"):
        predict([cts], tmp_path / "out", predictor, resume=True)


def test_overwriting_leaves_nothing_of_before(cts, predictor, tmp_path, unrendered):
    predict([cts], tmp_path / "out", predictor, PredictionOptions(probabilities=True, preview=True))
    left = tmp_path / "out" / ".partial-1-a.nii.gz"
    left.mkdir()
    (left / "a.nii.gz").write_bytes(b"of a process that was killed")
    predict([cts], tmp_path / "out", predictor, overwrite=True)
    assert names_in(tmp_path / "out") == ["a.nii.gz", "a.nii.gz.json", "b.nii.gz", "b.nii.gz.json"]
    (cts / "b.nii.gz").write_bytes(b"no CT any more")
    predict([cts], tmp_path / "out", predictor, PredictionOptions(keep_going=True), overwrite=True)
    assert names_in(tmp_path / "out") == ["a.nii.gz", "a.nii.gz.json"]


def test_a_bad_ct_ends_the_batch_or_is_passed_over(cts, predictor, tmp_path):
    (cts / "aa.nii.gz").write_bytes((cts / "a.nii.gz").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"aa\.nii\.gz"):
        predict([cts], tmp_path / "one", predictor)
    assert names_in(tmp_path / "one") == ["a.nii.gz", "a.nii.gz.json"]
    results = predict([cts], tmp_path / "two", predictor, PredictionOptions(keep_going=True))
    assert [result.error is None for result in results] == [True, False, True]
    assert "aa.nii.gz" in results[1].error
    assert names_in(tmp_path / "two") == ["a.nii.gz", "a.nii.gz.json", "b.nii.gz", "b.nii.gz.json"]


def test_a_network_that_fails_names_the_ct(cts, predictor, tmp_path):
    def broken(tiles):
        raise RuntimeError("no memory for the tile")

    failing = Predictor((Member(Engine("test", "float32", broken), predictor.settings),))
    with pytest.raises(InputError, match=r"a\.nii\.gz: no memory for the tile"):
        predict([cts], tmp_path / "out", failing)
    assert names_in(tmp_path) == ["cts/a.nii.gz", "cts/b.nii.gz"]


def test_statistics_probabilities_and_preview(cts, predictor, tmp_path):
    options = PredictionOptions(probabilities=True, statistics=True, preview=True)
    results = predict([cts], tmp_path / "out", predictor, options)
    voxel_ml = 0.01
    assert results[0].manifest["statistics"] == {
        "lung_left_ml": pytest.approx(4 * 60 * voxel_ml),
        "lung_left_mean_hu": -800,
        "lung_right_ml": 0,
        "lung_right_mean_hu": None,
        "infection_ml": pytest.approx(60 * voxel_ml),
        "infection_mean_hu": -100,
        "lungs_ml": pytest.approx(5 * 60 * voxel_ml),
        "lungs_mean_hu": -660,
        "infected_percent": 20,
        "lungs_touch_lowest_slice": True,
        "lungs_touch_highest_slice": True,
        "lungs_touch_sides": True,
    }
    infection = nib.load(tmp_path / "out" / "probabilities" / "a.infection.nii.gz")
    np.testing.assert_allclose(infection.get_fdata()[:, 0, 0], [0, 0, 0, 0, 0, 1], atol=1e-6)
    assert (tmp_path / "out" / "previews" / "a.png").stat().st_size > 1000


def test_the_manifest_names_the_engine_and_precision_of_every_member_where_they_differ(cts, predictor, tmp_path):
    (result,) = predict([cts / "a.nii.gz"], tmp_path / "one", predictor)
    assert (result.manifest["engine"], result.manifest["precision"]) == ("test", "float32")
    assert result.manifest["tile_seconds"] == [{}]
    other = Member(Engine("test", "bfloat16", by_brightness, {"float32": 2.0, "bfloat16": 1.0}), predictor.settings)
    both = Predictor((*predictor.members, other), {"1": "hash", "2": "hash"})
    (result,) = predict([cts / "a.nii.gz"], tmp_path / "two", both)
    assert (result.manifest["engine"], result.manifest["precision"]) == ("test", ["float32", "bfloat16"])
    assert result.manifest["tile_seconds"] == [{}, {"float32": 2.0, "bfloat16": 1.0}]


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.usefixtures("unrendered")
def test_each_ct_is_decoded_once_statistics_and_preview_included(cts, predictor, tmp_path, monkeypatch, members, grey):
    if grey:  # no slab tells it from HU
        for path in cts.iterdir():
            nib.save(nib.Nifti1Image(np.arange(360, dtype=np.int16).reshape(6, 5, 12) // 2, np.eye(4)), path)
    decoded = []
    decode = nifti._stored_slabs
    monkeypatch.setattr(nifti, "_stored_slabs", lambda path, *rest: decoded.append(path.name) or decode(path, *rest))
    coarse = load_settings("demo", ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=[2, 2, 5]"])
    other = Member(predictor.members[0].engine, coarse)
    ensemble = Predictor((*predictor.members, other)[:members], {"model": "hash"})
    options = PredictionOptions(statistics=True, preview=True, probabilities=True)
    results = predict([cts], tmp_path / "out", ensemble, options)
    assert decoded == ["a.nii.gz", "b.nii.gz"]
    assert all(result.manifest["statistics"] for result in results)
    assert all(result.output.preview.is_file() for result in results)


def test_a_ct_of_more_than_a_tenth_of_the_memory_has_the_same_results(cts, predictor, tmp_path, monkeypatch):
    (cts / "b.nii.gz").unlink()
    options = PredictionOptions(statistics=True, preview=True)
    held = predict([cts], tmp_path / "held", predictor, options)
    monkeypatch.setattr(predictor_module, "HELD_SHARE", 0.0)
    by_slabs = predict([cts], tmp_path / "by_slabs", predictor, options)
    for one, other in zip(held, by_slabs, strict=True):
        assert one.manifest["mask_sha256"] == other.manifest["mask_sha256"]
        assert one.manifest["statistics"] == other.manifest["statistics"]
        assert one.output.preview.read_bytes() == other.output.preview.read_bytes()


@pytest.mark.parametrize("executor", [SerialExecutor, background_threads])
def test_an_executor_that_is_handed_in_reads_and_writes(cts, predictor, tmp_path, executor):
    plain = predict([cts], tmp_path / "plain", predictor)
    outputs = place_outputs(find_inputs([cts]), tmp_path / "handed_in")
    with executor() as threads:
        results = predict_files(outputs, predictor, executor=threads)
    hashes = [[result.manifest["mask_sha256"] for result in every] for every in (plain, results)]
    assert hashes[0] == hashes[1]
    (cts / "aa.nii.gz").write_bytes(b"no CT")
    with executor() as threads, pytest.raises(InputError, match=r"aa\.nii\.gz"):
        predict_files(place_outputs(find_inputs([cts]), tmp_path / "bad"), predictor, executor=threads)


def test_masks_for_slicer(cts, predictor, tmp_path):
    results = predict([cts], tmp_path / "out", predictor, mask_format="seg.nrrd")
    assert [result.output.mask.name for result in results] == ["a.seg.nrrd", "b.seg.nrrd"]


@pytest.mark.parametrize(
    ("output", "mask_format", "message"),
    [
        ("mask.nii.gz", None, "one mask for 2 volumes"),
        ("cts", None, "replace the CT itself"),
        ("mask.mha", None, "the output is a folder, or a mask"),
        ("cts/a.nii.gz/b", None, "the output is a folder|Not a directory"),
        ("out", "mha", r"nii\.gz, nii, seg\.nrrd, seg\.dcm \(DICOM\), png \(pictures\) or npy"),
    ],
)
def test_odd_outputs_are_refused(cts, predictor, tmp_path, output, mask_format, message):
    with pytest.raises((InputError, OSError), match=message):
        predict([cts], tmp_path / output, predictor, overwrite=True, mask_format=mask_format)


def test_name_and_format_must_agree(cts, predictor, tmp_path):
    with pytest.raises(InputError, match="another format"):
        predict([cts / "a.nii.gz"], tmp_path / "mask.nii.gz", predictor, mask_format="seg.nrrd")


def test_odd_volumes_are_warned_of_and_have_no_mean_hu(predictor, tmp_path):
    nib.save(nib.Nifti1Image(np.full((6, 5, 1), 200, np.uint8), np.eye(4)), tmp_path / "slice.nii.gz")
    nib.save(nib.Nifti1Image(np.full((6, 5, 12), 1500, np.int16), np.eye(4)), tmp_path / "offset.nii.gz")
    files = [tmp_path / "slice.nii.gz", tmp_path / "offset.nii.gz"]
    results = predict(files, tmp_path / "out", predictor, PredictionOptions(statistics=True))
    for result, messages in zip(results, [("not HU", "few slices (1)"), ("without air",)], strict=True):
        for message in messages:
            assert any(message in line for line in result.manifest["warnings"])
        assert result.manifest["statistics"]["infection_mean_hu"] is None
        assert not result.manifest["in_hu"]


@pytest.fixture
def calibration() -> Calibration:
    """Of ten patients whose Dice is 1 - the doubt."""
    doubt = np.linspace(0.0, 0.9, 10)
    known = DiceCalibration(("doubt",), doubt[:, None], 1 - doubt, np.arange(10))
    return Calibration({"infection": known}, np.full(10, np.nan), np.arange(10), {"infection": 0.8})


def test_a_verdict_stands_in_manifest_statistics_and_log(cts, predictor, tmp_path, calibration, caplog):
    options = PredictionOptions(calibration=calibration)
    (result, _) = predict([cts], tmp_path / "out", predictor, options)
    trust = result.manifest["trust"]
    assert trust["verdict"] == "review"
    assert trust["signals"]["classes"]["infection"]["doubt"] == 0.0
    assert trust["calibration"] == {"infection": {"cases": 10, "coverage": 0.8}}
    assert trust["classes"]["infection"] is None  # 0.6 ml
    assert sum("a.nii.gz: review: no Dice can be predicted" in record.message for record in caplog.records) == 1
    facts = facts_of(result.manifest)
    assert (facts["verdict"], facts["infection_predicted_dice"]) == ("review", None)


def test_without_calibration_there_is_no_verdict_and_a_reason(cts, predictor, tmp_path):
    trust = predict([cts], tmp_path / "out", predictor)[0].manifest["trust"]
    assert (trust["verdict"], trust["reasons"]) == (None, ["no calibration was given"])
    assert "verdict" not in facts_of({"statistics": {"lung_ml": 1.0}, "trust": trust})
    assert facts_of({"statistics": None}) is None


def test_resume_makes_masks_again_that_had_no_verdict(cts, predictor, tmp_path, calibration):
    predict([cts], tmp_path / "out", predictor)
    options = PredictionOptions(calibration=calibration)
    again = predict([cts], tmp_path / "out", predictor, options, resume=True)
    assert all(result.manifest["trust"]["verdict"] for result in again)
    time = again[0].output.mask.stat().st_mtime_ns
    predict([cts], tmp_path / "out", predictor, options, resume=True)
    assert again[0].output.mask.stat().st_mtime_ns == time


def test_the_uncertainty_is_a_map_of_the_entropy_on_the_grid_of_the_ct(cts, predictor, tmp_path):
    def unsure(tiles: np.ndarray) -> np.ndarray:
        return np.where(tiles[..., :1] > 750 / 1500, np.float32(0.25), np.eye(4, dtype=np.float32)[0])

    member = replace(predictor.members[0], engine=Engine("test", "float32", unsure))
    options = PredictionOptions(uncertainty=True, probabilities=True)
    results = predict([cts], tmp_path / "out", Predictor((member,), {"model": "hash"}), options)
    path = tmp_path / "out" / "uncertainty" / "a.uncertainty.nii.gz"
    found, ct = nib.load(path), nib.load(cts / "a.nii.gz")
    np.testing.assert_array_equal(found.affine, ct.affine)
    np.testing.assert_allclose(found.get_fdata()[:, 0, 0], [0, 0, 0, 0, 0, 1], atol=0.01)
    assert results[0].output.probabilities(["infection"])[0].is_file()
    path.unlink()
    predict([cts], tmp_path / "out", Predictor((member,), {"model": "hash"}), options, resume=True)
    assert path.is_file()
