"""A small cross-validation of generated CTs leaves a calibration, by which odd CTs are never of use."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.rescoring import score_again
from pneumoseg.evaluation.inference.batch import PredictionOptions, predict_files
from pneumoseg.evaluation.inference.calibration import calibration_of
from pneumoseg.evaluation.inference.outputs import place_outputs
from pneumoseg.evaluation.measures.trust import Calibration
from pneumoseg.evaluation.runs.run_folder import open_finished
from pneumoseg.evaluation.runs.splits import k_fold
from pneumoseg.evaluation.scoring.trust_table import read_trust
from pneumoseg.pipeline.methods.segmenter import Segmenter
from pneumoseg.pipeline.methods.voting import Voting
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.pipeline.prediction.predictor import ensemble_files, open_predictor
from pneumoseg.pipeline.settings.loading import load_settings
from tests.blank_figures import draw_nothing

SETTINGS = [
    *("network.filters=[8, 16]", "patches.shape=[32, 32, 8]", "preprocessing.spacing_mm=[8, 8, 10]"),
    *("training.epochs=1", "training.steps_per_epoch=40", "training.workers=0", "training.learning_rate=0.01"),
    "training.metrics=[]",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    write_phantoms(folder / "data", 6, shape=(48, 48, 32), seed=1)
    return folder / "data"


@pytest.fixture(scope="module")
def finished(data) -> Path:
    """The folder of a run whose networks have been converted."""
    folder = data.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PNEUMOSEG_CACHE", str(folder / "cache"))
        draw_nothing(patch)
        dataset, method = open_dataset(data), Segmenter(load_settings("demo", SETTINGS), folder / "store")
        cross_validate(dataset, k_fold(dataset, 2, seed=0), method, output=folder / "run")
        for file in ensemble_files(folder / "run").values():
            converted(file)
    return folder / "run"


@pytest.fixture
def run(finished, tmp_path, monkeypatch, without_case_pictures) -> Path:
    """The run, to be changed by the test."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_has_signals_verdicts_a_calibration_and_a_section_of_the_report(run):
    assert len(list(run.glob("fold_*/predictions/*.signals.json"))) == 6
    table = read_trust(run / "trust.csv", judged=True)
    assert set(table["class"]) == {"lung_left", "lung_right", "infection", "lungs"}
    assert (table["distance"] > 0).all() and table["disagreement"].isna().all()
    calibration = calibration_of([run])
    assert isinstance(calibration, Calibration) and len(calibration.patients) == 6
    assert '<h2 id="trust">' in (run / "report.html").read_text(encoding="utf-8")


def again(run, data) -> None:
    dataset = open_dataset(data)
    task = MaskTask(load_settings("demo", SETTINGS).labels.table)
    score_again(open_finished(run), dataset, k_fold(dataset, 2, seed=0), task=task, model_choice="none")


def test_a_run_is_scored_again_with_its_signals_and_without_those_of_an_earlier_version(run, data):
    before = (run / "trust.csv").read_bytes()
    again(run, data)
    assert (run / "trust.csv").read_bytes() == before
    for signals in run.glob("fold_0/predictions/*.signals.json"):
        signals.unlink()
    again(run, data)
    assert not (run / "trust.csv").exists() and not (run / "trust.json").exists()
    assert '<h2 id="trust">' not in (run / "report.html").read_text(encoding="utf-8")


def test_damaged_signals_are_named(run, data):
    next(run.glob("fold_0/predictions/*.signals.json")).write_text("{}")
    with pytest.raises(InputError, match=r"signals.json: no signals of a mask"):
        again(run, data)


def test_runs_that_vote_have_the_disagreement_of_their_members(run, data):
    other = Path(shutil.copytree(run, run.parent / "other"))
    dataset = open_dataset(data)
    method = Voting((run, other))
    cross_validate(dataset, k_fold(dataset, 2, seed=0), method, output=run.parent / "voted", folds=[0])
    table = read_trust(run.parent / "voted" / "fold_0" / "trust.csv")
    known = table[table["predicted_ml"] > 0]["disagreement"]
    assert len(known) and known.between(0, 1e-5).all()  # the same network twice


def changed(name: str, array: np.ndarray, labels: np.ndarray) -> np.ndarray:
    tissue = np.where(labels > 0, 40, array)
    return {
        "air": np.full_like(array, -1000),
        "no_lungs": tissue,
        "one_lung": np.where(np.arange(len(array))[:, None, None] < len(array) // 2, tissue, array),
        "xy": np.swapaxes(array, 0, 1),
        "xz": np.swapaxes(array, 0, 2),
        "yz": np.swapaxes(array, 1, 2),
    }[name]


def test_odd_cts_are_never_of_use(run, data, tmp_path):
    image = nib.load(data / "phantom_001" / "imaging.nii.gz")
    labels = np.asarray(nib.load(data / "phantom_001" / "segmentation.nii.gz").dataobj)
    names = ["air", "no_lungs", "one_lung", "xy", "xz", "yz"]
    (tmp_path / "odd").mkdir()
    for name in names:
        array = changed(name, np.asarray(image.dataobj).astype(np.int16), labels)
        nib.save(nib.Nifti1Image(array, image.affine), tmp_path / "odd" / f"{name}.nii.gz")
    verdicts = verdicts_of(tmp_path / "odd", run, tmp_path / "masks")
    assert set(verdicts) == set(names)
    assert "use" not in verdicts.values()
    assert verdicts["air"] == "do not trust"


def test_an_abdomen_is_never_of_use(run, real_data, tmp_path):
    assert verdicts_of(real_data / "other", run, tmp_path / "masks")["abdomen_ct"] != "use"


def verdicts_of(inputs: Path, run: Path, output: Path) -> dict[str, str]:
    options = PredictionOptions(calibration=calibration_of([run]))
    outputs = place_outputs(find_inputs([inputs]), output)
    results = predict_files(outputs, open_predictor(run, precision="float32"), options=options)
    return {result.output.name: result.manifest["trust"]["verdict"] for result in results}
