"""`pneumoseg predict` from outside, with a tiny network of random weights."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import keras
import nibabel as nib
import numpy as np
import pytest

from pneumoseg.evaluation.runs.parts import read_parts
from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.sampling import calibration
from pneumoseg.pipeline.settings.loading import load_settings

VOLUMES = 20
CORRUPT = "ct_07"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Converted, so that no process that predicts with it needs TensorFlow."""
    settings = load_settings("demo", ["network.filters=[4, 8]", "patches.shape=[32, 32, 16]"])
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(path, TrainedModel(build_network(settings), settings))
    converted(path)
    return path


@pytest.fixture
def cts(tmp_path):
    folder = tmp_path / "cts"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(VOLUMES):
        array = rng.integers(-1000, 400, (40, 40, 24)).astype(np.int16)
        nib.save(nib.Nifti1Image(array, np.diag([-4.0, -4.0, 5.0, 1.0])), folder / f"ct_{number:02d}.nii.gz")
    path = folder / f"{CORRUPT}.nii.gz"
    path.write_bytes(path.read_bytes()[:5000])
    return folder


def test_a_killed_batch_resumes_and_passes_over_the_corrupt(cts, model, tmp_path, pneumoseg):
    flags = ["--model", model, "--keep-going", "--precision", "float32"]
    straight = json.loads(pneumoseg("predict", cts, "-o", tmp_path / "straight", *flags, "--json", code=1).stdout)
    assert list(straight["failed"]) == [str(cts / f"{CORRUPT}.nii.gz")]
    assert len(straight["masks"]) == VOLUMES - 1

    output = tmp_path / "killed"
    arguments = ["predict", cts, "-o", output, *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(output.glob("*.json"))) < 3:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(output.glob("*.json"))) < VOLUMES - 1

    done = pneumoseg(*arguments, "--resume", code=1)
    assert f"1 of {VOLUMES} failed" in done.stdout
    assert f"{CORRUPT}.nii.gz" in done.stderr
    expected = sorted(f"ct_{number:02d}.nii.gz" for number in range(VOLUMES) if f"ct_{number:02d}" != CORRUPT)
    assert sorted(path.name for path in output.glob("*.nii.gz")) == expected
    for name in expected:
        one, other = (np.asarray(nib.load(folder / name).dataobj) for folder in (tmp_path / "straight", output))
        np.testing.assert_array_equal(one, other)
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]


def test_a_part_without_cts_is_done(cts, tmp_path, pneumoseg):
    done = pneumoseg("predict", cts, "-o", tmp_path / "out", "--part", "98/99", "--statistics", "--json")
    assert json.loads(done.stdout) == {"masks": [], "manifests": [], "failed": {}}
    files = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")]
    assert files == ["parts/98_of_99.json"]


def test_parts_formats_and_extras(cts, model, tmp_path, pneumoseg, rendered):
    extras = ["--statistics", "--preview", "--probabilities", "--tta", "--overlap", "0.25", "--format", "seg.nrrd"]
    done = pneumoseg("predict", cts, "-o", tmp_path / "out", "--model", model, "--part", "1/8", *extras, "--json")
    names = ["ct_00", "ct_08", "ct_16"]
    answer = json.loads(done.stdout)
    assert [manifest["mask"] for manifest in answer["manifests"]] == [f"{name}.seg.nrrd" for name in names]
    assert answer["manifests"][0]["settings"]["prediction"]["mirror_axes"] == [0]
    assert list(read_parts(tmp_path / "out", {})) == names
    assert len((tmp_path / "out" / "statistics_1_of_8.csv").read_text().splitlines()) == 4
    for name in names:
        assert (tmp_path / "out" / "previews" / f"{name}.png").is_file()
        assert (tmp_path / "out" / "probabilities" / f"{name}.infection.nii.gz").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--overlap", "1.5"], "prediction.overlap"),
        (["--batch", "0"], "prediction.batch"),
        (["--set", "patches.shape=[8, 8, 8]"], "prediction and postprocessing alone (--set)"),
        (["--part", "5/3"], "error: --part: a part is I/N with I in 1..N"),
        (["--resume", "--overwrite"], "give one of them (--resume, --overwrite)"),
        (["--model", "no-such"], "no model there"),
        (["--set", "prediction.mirror_axes=[0, 0]"], "mirror_axes"),
        (["--set", "postprocessing.fill_holes=true", "--set", "postprocessing.infection=9"], "number of classes"),
    ],
)
def test_a_bad_flag_is_one_line_and_code_2(cts, model, tmp_path, flags, message):
    from typer.testing import CliRunner

    from pneumoseg.scripts.cli import app

    arguments = ["predict", cts / "ct_00.nii.gz", "-o", tmp_path / "out", "--model", model, *flags]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "choices"),
    [
        (["--engine", "tvm"], "'auto', 'openvino', 'keras'"),
        (["--precision", "int4"], "'auto', 'float32', 'bfloat16', 'int8'"),
        (["--format", "mha"], "'nii.gz', 'nii', 'seg.nrrd'"),
    ],
)
def test_a_value_that_is_no_choice_is_answered_with_the_choices(cts, tmp_path, flags, choices):
    from typer.testing import CliRunner

    from pneumoseg.scripts.cli import app

    result = CliRunner().invoke(app, ["predict", str(cts), "-o", str(tmp_path / "out"), *flags])
    assert result.exit_code == 2
    assert choices in result.stderr
    assert not (tmp_path / "out").exists()


def test_real_dicom_series_are_segmented_from_their_folders(real_data, model, tmp_path, pneumoseg):
    import SimpleITK as sitk

    done = pneumoseg("predict", real_data / "dicom", "-o", tmp_path / "out", "--model", model, "--json")
    assert len(json.loads(done.stdout)["masks"]) == 3
    for name in ("cip_ct64", "lung_pet_ct_dx_A0002"):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / "dicom" / name)))
        ct, mask = reader.Execute(), sitk.ReadImage(str(tmp_path / "out" / f"{name}.nii.gz"))
        assert mask.GetSize() == ct.GetSize()
        for index in ((0, 0, 0), tuple(size - 1 for size in ct.GetSize())):
            expected = ct.TransformIndexToPhysicalPoint(index)
            np.testing.assert_allclose(mask.TransformIndexToPhysicalPoint(index), expected, atol=2e-3)


def predict_in_8_bit(cts, model, tmp_path):
    from typer.testing import CliRunner

    from pneumoseg.scripts.cli import app

    output = tmp_path / "mask.nii.gz"
    arguments = ["predict", cts / "ct_00.nii.gz", "-o", output, "--model", model, "--precision", "int8", "--json"]
    return CliRunner().invoke(app, [str(argument) for argument in arguments]), output


@pytest.mark.parametrize("instructions", [(), ("avx2", "avx512_bf16")])
def test_8_bit_on_a_processor_without_is_refused_in_one_line(cts, model, tmp_path, monkeypatch, instructions):
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(instructions))
    result, output = predict_in_8_bit(cts, model, tmp_path)
    assert result.exit_code == 2
    assert "int8 needs the engine openvino and a processor with 8-bit instructions (VNNI or AMX)" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not output.exists()


def test_8_bit_without_nncf_goes_on_in_float_with_one_warning(cts, model, tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(("avx2", "avx512_vnni")))
    monkeypatch.setattr(calibration, "tiles_beside", lambda path, settings: None)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nncf" else find(name, *more))
    result, output = predict_in_8_bit(cts, model, tmp_path)
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if "no int8" in line]
    assert len(warnings) == 1
    assert "NNCF, which is not installed; install pneumoseg[int8]); going on in float" in warnings[0]
    json.loads(result.stdout)
    manifest = json.loads(output.with_name("mask.nii.gz.json").read_text(encoding="utf-8"))
    assert (manifest["engine"], manifest["precision"], manifest["tile_seconds"]) == ("openvino", "float32", [{}])


def test_workers_make_the_masks_of_one_process(cts, model, tmp_path, pneumoseg, loopback_cluster):
    flags = ["--model", model, "--precision", "float32", "--part", "1/4", "--statistics"]
    pneumoseg("predict", cts, "-o", tmp_path / "alone", *flags)
    address = loopback_cluster.scheduler_address
    done = pneumoseg("predict", cts, "-o", tmp_path / "spread", *flags, "--scheduler", address, "--json")
    names = [f"ct_{number:02d}.nii.gz" for number in range(0, VOLUMES, 4)]
    assert [manifest["mask"] for manifest in json.loads(done.stdout)["manifests"]] == names
    for name in names:
        one, other = (np.asarray(nib.load(tmp_path / place / name).dataobj) for place in ("alone", "spread"))
        np.testing.assert_array_equal(one, other)
    tables = [(tmp_path / place / "statistics_1_of_4.csv").read_text() for place in ("alone", "spread")]
    assert tables[0] == tables[1]
    assert "ct_04.nii.gz -> " in (tmp_path / "spread" / "logs" / "ct_04.log").read_text()
    done = pneumoseg("predict", cts, "-o", tmp_path / "spread", *flags, "--scheduler", address, code=2)
    assert "exists already; resume to keep it" in done.output
