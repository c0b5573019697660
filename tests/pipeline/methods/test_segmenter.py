"""What a segmenter prepares, and what it says of the cases."""

import pickle

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.pipeline.methods import segmenter as module
from pneumoseg.pipeline.methods.segmenter import Segmenter
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import sliding_window
from pneumoseg.pipeline.prediction.engines import keras_network
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.runtime.executors import background_threads
from pneumoseg.pipeline.sampling.calibration import draw_tiles, load_tiles
from pneumoseg.pipeline.settings.loading import load_settings


@pytest.fixture
def data(tmp_path):
    """A phantom whose image and mask have a qform that exchanges left and right."""
    (folder,) = write_phantoms(tmp_path / "data", 1, shape=(32, 32, 24), seed=1)
    for path in folder.glob("*.nii.gz"):
        image = nib.Nifti1Image.from_bytes(nib.load(path).to_bytes())
        mirrored = image.affine * np.array([[-1.0], [1], [1], [1]])
        image.set_qform(mirrored, 1)
        image.set_sform(image.affine, 2)
        nib.save(image, path)
    return tmp_path / "data"


@pytest.mark.parametrize("grid", ["sform", "qform"])
def test_forms_that_differ_are_warned_of_each_time_and_change_sides(tmp_path, data, grid):
    dataset = open_dataset(data, grid=grid)
    segmenter = Segmenter(load_settings("demo", [f"data.grid={grid}"]), tmp_path / "store")
    for _ in range(2):  # made, then found in the store
        with warnings_of_this_thread() as warnings:
            (stored,) = segmenter.prepare(dataset)
        forms = [warning for warning in warnings if f"mirrored; here the {grid} counts" in warning]
        assert len(forms) == 2  # image and mask
        assert all(warning.startswith("case phantom_001: ") for warning in forms)
    labels = np.asarray(stored.labels)  # x counts to the right: the left lung has the lower indices
    assert (np.argwhere(labels == 1)[:, 0].mean() < np.argwhere(labels == 2)[:, 0].mean()) == (grid == "sform")


def test_another_form_is_another_entry_of_the_store(tmp_path, data):
    segmenter = Segmenter(load_settings("demo"), tmp_path / "store")
    folders = {segmenter.prepare(open_dataset(data, grid=grid))[0].folder for grid in ("sform", "qform")}
    assert len(folders) == 2


def test_a_copy_for_another_process_has_no_executor(tmp_path):
    settings = load_settings("demo")
    with background_threads() as executor:
        segmenter = Segmenter(settings, tmp_path, executor)
        assert pickle.loads(pickle.dumps(segmenter)) == Segmenter(settings, tmp_path)
        assert segmenter.executor is executor


def test_fitting_leaves_tiles_for_an_8_bit_network_beside_the_model(tmp_path, data, monkeypatch):
    def train(cases, settings, folder, **options):
        folder.mkdir()
        return TrainedModel(build_network(settings), settings)

    monkeypatch.setattr(module.loop, "train", train)
    monkeypatch.setattr(module, "save_model", lambda path, trained: path.touch())
    settings = load_settings("demo", ["patches.shape=[8, 8, 8]"])
    segmenter = Segmenter(settings, tmp_path / "store")
    segmenter.fit(open_dataset(data), tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "calibration.npz",
        "model.keras",
        "network.txt",
    ]
    assert "input: 8 x 8 x 8 x 1 " in (tmp_path / "run" / "network.txt").read_text()
    found, expected = (
        load_tiles(tmp_path / "run" / "calibration.npz", settings),
        draw_tiles(segmenter.prepare(open_dataset(data)), settings),
    )
    np.testing.assert_allclose(found.calibrating, expected.calibrating, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.comparing, expected.comparing, rtol=1e-3, atol=1e-3)


TINY = [
    "network.filters=[4, 8]",
    "training.epochs=1",
    "training.steps_per_epoch=2",
    "training.workers=0",
    "training.metrics=[]",
    "preprocessing.spacing_mm=null",
    "preprocessing.image_order=1",
]


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        (["preprocessing.further_windows_hu=[[-1000, -400], [-160, 240]]", "patches.shape=[16, 16, 8]"], 3),
        (["patches.neighbours=1", "patches.shape=[16, 16]"], 3),
        (["patches.neighbours=1", "patches.shape=[16, 16]", "patches.axis=1"], 3),
        (["preprocessing.normalisation=dataset", "preprocessing.size=[16, 16, null]", "patches.shape=[16, 16]"], 1),
    ],
    ids=["three windows", "neighbouring slices", "coronal slices", "statistics of the data set"],
)
def test_a_trained_network_predicts_alike_through_openvino(tmp_path, changes, channels):
    """From the file, whatever its channels: probabilities equal to 1e-4, and so the masks but for ties."""
    write_phantoms(tmp_path / "data", 2, shape=(32, 32, 24), seed=1)
    dataset = open_dataset(tmp_path / "data")
    segmenter = Segmenter(load_settings("demo", [*TINY, *changes]), tmp_path / "store")
    trained = segmenter.fit(dataset, tmp_path / "model")
    assert trained.network.input_shape[-1] == channels
    scan = Scan.from_volume(dataset.cases[0].read_image())
    probabilities = {}
    for engine in ("keras", "openvino"):
        predictor = open_predictor(tmp_path / "model", engine=engine, precision="float32")
        planes: list[np.ndarray] = []
        predictor.segment(predictor.prepare(scan), sink=lambda start, part, planes=planes: planes.append(part))
        probabilities[engine] = np.concatenate(planes, axis=1)
    np.testing.assert_allclose(probabilities["openvino"], probabilities["keras"], atol=1e-4)
    assert (trained.settings.preprocessing.statistics is not None) == ("dataset" in changes[0])


def test_with_the_auc_wanted_the_mask_comes_with_levels_of_the_probabilities(tmp_path, data):
    """The same mask as without; the levels rank voxels as the network's own probabilities do."""
    plain, wanted = (
        load_settings("demo", [*TINY, "patches.shape=[16, 16, 8]", f"evaluation.auc={auc}"])
        for auc in ("false", "true")
    )
    model, case = TrainedModel(build_network(plain), plain), LoadedCase(open_dataset(data).cases[0], plain.labels.table)
    mask = Segmenter(plain, tmp_path).predict(model, case)
    ranked = Segmenter(wanted, tmp_path).predict(model, case)
    np.testing.assert_array_equal(ranked.mask.array, mask.mask.array)
    assert (ranked.levels.shape, ranked.levels.dtype) == ((*mask.mask.array.shape, 4), np.uint16)
    assert mask.levels is None and mask.signals == ranked.signals
    assert ranked.levels.max() < LEVELS
    scan, planes = Scan.from_volume(case.image), []
    prepared = Preprocessor(plain.preprocessing).apply(scan)
    member = sliding_window.PreparedMember(prepared, keras_network(model.network), plain)
    sliding_window.segment([member], scan, sink=lambda start, part: planes.append(part.copy()))
    probabilities = np.concatenate(planes, axis=1)
    for label in range(4):
        truth = case.reference.array.ravel() == label
        expected = roc_auc_score(truth, probabilities[label].T.ravel())
        assert roc_auc_score(truth, ranked.levels[..., label].ravel()) == pytest.approx(expected, abs=1e-3)


def test_cases_in_hu_have_an_equalised_variant_and_the_weight_of_their_source(tmp_path, data):
    changes = ["augmentation.equalise=0.5", "data.source_weights={phantom: 3}"]
    (stored,) = Segmenter(load_settings("demo", changes), tmp_path / "store").prepare(open_dataset(data))
    assert stored.weight == 3.0
    assert stored.equalised.folder != stored.folder
    assert stored.equalised.image.shape == stored.image.shape
    (plain,) = Segmenter(load_settings("demo"), tmp_path / "store").prepare(open_dataset(data))
    assert plain.equalised is None and plain.weight == 1.0 and plain.folder == stored.folder
    without = load_settings("demo", ["augmentation.equalise=0.5", "augmentation.enabled=false"])
    assert Segmenter(without, tmp_path / "store").prepare(open_dataset(data))[0].equalised is None


def test_a_training_takes_voxels_that_do_not_count_and_classes_that_are_not_labelled(tmp_path):
    folders = write_phantoms(tmp_path / "data", 2, shape=(32, 32, 24), seed=1)
    mask = nib.load(folders[0] / "segmentation.nii.gz")
    valid = np.ones(mask.shape, np.uint8)
    valid[:, :8] = 0
    nib.save(nib.Nifti1Image(valid, mask.affine), folders[0] / "valid.nii.gz")
    infection = (np.asarray(nib.load(folders[1] / "segmentation.nii.gz").dataobj) == 3).astype(np.uint8) * 3
    affine = nib.load(folders[1] / "segmentation.nii.gz").affine
    nib.save(nib.Nifti1Image(infection, affine), folders[1] / "segmentation.nii.gz")
    names = [folder.name for folder in folders]
    table = f"case,patient,labels_present\n{names[0]},a,\n{names[1]},b,infection\n"
    (tmp_path / "data" / "patients.csv").write_text(table)
    settings = load_settings("demo", [*TINY, "patches.shape=[16, 16, 8]", "training.monitor=none",
                                      "training.schedule=cosine", "training.early_stop_patience=null"])  # fmt: skip
    Segmenter(settings, tmp_path / "store").fit(open_dataset(tmp_path / "data"), tmp_path / "run")
    (row,) = pd.read_csv(tmp_path / "run" / "history.csv").to_dict("records")
    assert all(np.isfinite(value) for value in row.values())
