"""Whole studies predicted: what is written of each CT, kept, and refused."""

import json

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.study_batch import StudyOptions, place_predictions, predict_studies
from pneumoseg.evaluation.scoring.study_predictions import read_predictions
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.preprocessing import study_preparation
from pneumoseg.pipeline.settings.loading import load_study_settings
from pneumoseg.pipeline.settings.preparation import PreparationSettings

SHAPE = (8, 8, 8)


def model(sha256: str) -> StudyModel:
    settings = load_study_settings("hrct-joint", [f"input.shape={list(SHAPE)}", "network.filters=[2]"])
    how = PreparationSettings(shape=SHAPE).model_dump(mode="json")
    return StudyModel(build_study_network(settings), settings, how, 0.25, sha256)


@pytest.fixture(scope="module")
def models() -> dict[str, StudyModel]:
    return {"fold_0": model("a" * 64), "fold_1": model("b" * 64)}


@pytest.fixture(scope="module", autouse=True)
def lungs_found_once():
    """The same CTs are predicted over and over: to find their lungs takes most of the time, and is done once."""
    find, found = study_preparation.lung_mask, {}

    def once(array, spacing_mm):
        key = (array.shape, array.tobytes(), tuple(spacing_mm))
        if key not in found:
            found[key] = find(array, spacing_mm)
        return found[key].copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_preparation, "lung_mask", once)
        yield


@pytest.fixture
def files(tmp_path):
    """A chest of boxes, stored left to right reversed: air, body, two lungs; and one without lungs."""
    chest = np.full((40, 32, 24), -1000, np.int16)
    chest[4:36, 4:28] = 40
    whole = chest.copy()
    whole[8:17, 8:24, 4:20] = whole[23:32, 8:24, 4:20] = -800
    made = {}
    for name, array in (("whole", whole), ("solid", chest)):
        made[name] = tmp_path / f"{name}.nii.gz"
        write_ct_nifti(made[name], Volume.from_source(array, np.diag([-9.0, 9.0, 12.0, 1.0])))
    return made


def run(files, models, folder, **options):
    resume, overwrite = options.pop("resume", False), options.pop("overwrite", False)
    placed = place_predictions(files, folder, resume=resume, overwrite=overwrite)
    with warnings_of_this_thread(hold_back=True):
        return predict_studies(files, placed, models, options=StudyOptions(**options), resume=resume)


def test_a_ct_gets_the_mean_of_the_models_and_what_speaks_for_it(files, models, tmp_path):
    one = {"whole": files["whole"]}
    (result,) = run(one, models, tmp_path / "out", grad_cam=True)
    content = json.loads((tmp_path / "out" / "whole.json").read_text())
    assert content == result.content
    singly = [run(one, {name: member}, tmp_path / name)[0].content["probability"] for name, member in models.items()]
    assert content["probability"] == pytest.approx(np.mean(singly))
    assert content["models"] == {"fold_0": "a" * 64, "fold_1": "b" * 64}
    assert content["threshold"] == 0.25
    assert content["diseased"] is (content["probability"] >= 0.25)
    assert "not calibrated for other cohorts" in content["calibration"]
    assert content["lung_ml"] > 1000
    row = read_predictions(tmp_path / "out" / "predictions.csv").iloc[0]
    assert (row["case"], row["given_label"]) == ("whole", "")
    assert row["probability"] == content["probability"]
    for head in ("label", "score"):
        heat, source = nib.load(tmp_path / "out" / "grad_cam" / f"whole.{head}.nii.gz"), nib.load(files["whole"])
        assert heat.shape == source.shape
        np.testing.assert_allclose(heat.affine, source.affine)
        assert 0 <= heat.get_fdata().min() <= heat.get_fdata().max() <= 1
        assert (tmp_path / "out" / "grad_cam" / f"whole.{head}.png").is_file()


def test_nothing_that_tells_a_path_is_written(files, models, tmp_path):
    run({"whole": files["whole"]}, models, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "whole.json").read_text()


def test_a_ct_without_lungs_is_refused_and_the_others_go_on(files, models, tmp_path):
    with pytest.raises(InputError, match=r"solid.*no lungs were found"):
        run(files, models, tmp_path / "out")
    results = run(files, models, tmp_path / "out", keep_going=True, resume=True)
    assert [result.error is None for result in results] == [True, False]
    assert list(read_predictions(tmp_path / "out" / "predictions.csv")["case"]) == ["whole"]
    assert not (tmp_path / "out" / "solid.json").exists()


def test_resume_keeps_what_the_same_ct_and_models_made(files, models, tmp_path):
    one, out = {"whole": files["whole"]}, tmp_path / "out"
    run(one, models, out)
    before = (out / "whole.json").stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already; resume to keep it, or overwrite it"):
        run(one, models, out)
    run(one, models, out, resume=True)
    assert (out / "whole.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="made of another CT or by other models"):
        run(one, {"fold_0": models["fold_0"]}, out, resume=True)
    run(one, {"fold_0": models["fold_0"]}, out, overwrite=True)
    assert list(json.loads((out / "whole.json").read_text())["models"]) == ["fold_0"]


DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "out of range": lambda text: _edited(text, score=140.0),
    "another label": lambda text: _edited(text, diseased=not json.loads(text)["diseased"]),
    "another threshold": lambda text: _edited(text, threshold=0.0, diseased=True),
    "no score": lambda text: _edited(text, score=None, category=None, ctsi_percent_over_4=None),
}


def _edited(text, **changes):
    return json.dumps(json.loads(text) | changes)


def test_resume_predicts_again_what_was_damaged_or_changed(files, models, tmp_path):
    one, out = {"whole": files["whole"]}, tmp_path / "out"
    (first,) = run(one, models, out)
    path = out / "whole.json"
    good = path.read_text()
    for name, damage in DAMAGES.items():
        path.write_text(damage(good))
        placed = place_predictions(one, out, resume=True)
        with warnings_of_this_thread(hold_back=True) as warnings:
            (result,) = predict_studies(one, placed, models, resume=True)
        assert any("predicted again" in warning and "whole.json" in warning for warning in warnings), name
        assert json.loads(path.read_text()) == result.content, name
        assert result.content["probability"] == pytest.approx(first.content["probability"], rel=1e-5), name


def test_resume_makes_missing_maps(files, models, tmp_path, unrendered):
    one, out = {"whole": files["whole"]}, tmp_path / "out"
    run(one, models, out)
    run(one, models, out, resume=True, grad_cam=True)
    assert len(list((out / "grad_cam").glob("whole.*"))) == 4


def test_models_of_other_outputs_and_a_file_as_output_are_refused(files, models, tmp_path):
    settings = load_study_settings("hrct-classifier", [f"input.shape={list(SHAPE)}", "network.filters=[2]"])
    other = StudyModel(build_study_network(settings), settings, models["fold_0"].preparation, 0.5, "c" * 64)
    with pytest.raises(InputError, match="models with the same outputs"):
        run({"whole": files["whole"]}, models | {"other": other}, tmp_path / "out")
    with pytest.raises(InputError, match="write a folder of results"):
        place_predictions(files, tmp_path / "out.json")


def test_the_table_has_the_cts_of_all_calls(files, models, tmp_path):
    out = tmp_path / "out.v2"
    again = {"again": files["whole"]}
    run({"whole": files["whole"]}, models, out)
    run(again, models, out)
    run(again, models, out, overwrite=True)
    table = read_predictions(out / "predictions.csv")
    assert list(table["case"]) == ["whole", "again"]
    assert table["probability"].nunique() == 1
    assert set(table["given_label"]) == {""}


def test_the_table_of_a_run_is_kept(files, models, tmp_path):
    run({"whole": files["whole"]}, models, tmp_path)
    (tmp_path / "whole.json").unlink()
    before = (tmp_path / "predictions.csv").read_bytes()
    with pytest.raises(InputError, match="predictions of other studies, whole; choose another output"):
        run({"again": files["whole"]}, models, tmp_path, overwrite=True)
    assert (tmp_path / "predictions.csv").read_bytes() == before
