"""What a batch writes whatever the files are called, and what of names and places reaches its files."""

import json
import logging
import os
import stat

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.inference.batch import PredictionOptions, predict_files
from pneumoseg.evaluation.inference.outputs import place_outputs, write_volumetry
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.settings.loading import load_settings

GRID = np.diag([10.0, 10.0, 10.0, 1.0])  # voxels of 1 ml


def by_brightness(tiles: np.ndarray) -> np.ndarray:
    """Bone above 240 HU, infection above -100, left lung above -600, right lung above -900: window -1250..250."""
    levels = [(hu + 1250) / 1500 for hu in (-900, -600, -100, 240)]
    return np.eye(4, dtype=np.float32)[np.array([0, 2, 1, 3, 0])[np.digitize(tiles[..., 0], levels)]]


@pytest.fixture
def predictor() -> Predictor:
    changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
    return Predictor((Member(Engine("test", "float32", by_brightness), load_settings("demo", changes)),))


@pytest.fixture
def save(tmp_path):
    """A function that writes a CT of air with lungs of these mean HU and voxels, and returns its path."""

    def make(name: bytes = b"ct.nii.gz", left=(-500, 150), right=(-800, 200), infection=(0, 0), affine=GRID):
        array = np.full((12, 12, 12), -1000, np.int16)
        inner = np.full(10**3, -1000)
        edges = np.cumsum([0, left[1], right[1], infection[1]])
        for (hu, _), begin, end in zip((left, right, infection), edges, edges[1:], strict=False):
            inner[begin:end] = hu
        array[0, 0, 0] = 400  # bone
        array[1:11, 1:11, 1:11] = inner.reshape(10, 10, 10)
        path = os.path.join(os.fsencode(tmp_path), b"cts", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), os.fsdecode(path))
        return os.fsdecode(path)

    return make


def predict(inputs, output, predictor, options=None, resume=False):
    return predict_files(
        place_outputs(find_inputs(inputs), output, mask_format=None, resume=resume),
        predictor,
        options=options,
        resume=resume,
    )


@pytest.mark.parametrize(
    ("lungs", "expected"),
    [
        ({}, []),
        ({"infection": (-50, 20)}, []),
        ({"right": (-800, 0)}, ["the volume of the lungs is 150 ml", "the volume of lung_right"]),
        ({"left": (-500, 0), "right": (-800, 0)}, ["no lung was found"]),
        ({"infection": (210, 20)}, ["the mean of infection is 210 HU"]),
        ({"left": (-150, 200)}, ["the mean of lung_left is -150 HU"]),
    ],
)
def test_implausible_masks_are_warned_of_in_manifest_and_at_the_terminal(
    save, predictor, tmp_path, capsys, lungs, expected
):
    (result,) = predict([save(**lungs)], tmp_path / "out", predictor)
    starts = [f"ct.nii.gz: {start}" for start in expected]
    assert [line[: len(start)] for line, start in zip(result.manifest["warnings"], starts, strict=True)] == starts
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ct.nii.gz: ")]
    assert shown == result.manifest["warnings"]
    assert result.manifest["statistics"]["lungs_touch_lowest_slice"] is False


def test_names_that_are_not_utf_8_come_through(save, predictor, tmp_path, caplog):
    caplog.set_level(logging.ERROR, logger="pneumoseg")  # pytest's workers cannot report such names to each other
    names = [b"caf\xe9.nii.gz", "café.nii.gz".encode(), b"=1+1.nii.gz", b"a\nb.nii.gz"]
    inputs = [save(name) for name in names]
    options = PredictionOptions(probabilities=True, statistics=True, preview=True)
    results = predict(inputs, tmp_path / "out", predictor, options)
    written = set(os.listdir(os.fsencode(tmp_path / "out")))
    assert written == {*names, *(name + b".json" for name in names), b"previews", b"probabilities"}
    for result, name in zip(results, names, strict=True):
        content = result.output.manifest.read_bytes().decode("utf-8")  # valid UTF-8
        assert os.fsencode(json.loads(content)["source"]) == name
    facts = {result.output.name: result.manifest["statistics"] for result in results}
    for _ in range(2):  # rows are found again
        write_volumetry(tmp_path / "out" / "statistics.csv", facts)
    table = read_table(tmp_path / "out" / "statistics.csv")
    assert [os.fsencode(case) + b".nii.gz" for case in table["case"]] == names
    assert table["lung_right_ml"].tolist() == [200.0] * 4
    assert predict(inputs, tmp_path / "out", predictor, options, resume=True) == results


def test_a_mask_for_slicer_needs_a_name_in_utf_8_and_that_is_said_first(save, tmp_path):
    """The library that writes it would end the process."""
    with pytest.raises(InputError, match=r"seg\.nrrd.*UTF-8.*nii\.gz"):
        place_outputs(find_inputs([save(b"caf\xe9.nii.gz")]), tmp_path / "out", mask_format="seg.nrrd")


def test_nothing_written_names_a_folder_or_a_series(save, predictor, tmp_path, capsys):
    good = save(b"Doe John (1970)/ct.nii.gz", right=(-800, 0))
    options = PredictionOptions(statistics=True, series="DOE^JOHN chest", keep_going=True)
    bad = tmp_path / "cts" / "Doe John (1970)" / "bad.nii.gz"
    bad.write_bytes(b"no CT")
    results = predict([good, bad], tmp_path / "out of Doe", predictor, options)
    assert str(bad) in results[1].error
    written = "".join(path.read_text() for path in (tmp_path / "out of Doe").glob("*.json"))
    assert "the volume of lung_right" in written
    for secret in ("Doe", "DOE", "1970", str(tmp_path)):
        assert secret not in written
    assert f"{bad}: not a readable NIfTI file" in capsys.readouterr().err


def test_a_warning_about_the_mask_names_it_as_it_will_be_called(save, predictor, tmp_path, capsys):
    sheared = GRID.copy()
    sheared[0, 1] = 6.0
    (result,) = predict([save(affine=sheared)], tmp_path / "out", predictor)
    warned = [line for line in result.manifest["warnings"] if "qform" in line]
    assert len(warned) == 1
    assert warned[0].startswith("ct.nii.gz: ")
    assert f"{result.output.mask}: the axes are not orthogonal" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
    assert stat.S_ISREG(result.output.mask.stat().st_mode)
