"""Memory that inputs take which declare far more than they hold, beside an ordinary small prediction.

    python scripts/benchmark/refused_inputs.py WORK --json refused.json

Each input is segmented by the bundled model in a process of its own. It must be refused (exit code 2, one line), or
segmented all the same, with a peak memory of at most 200 MB above that of a generated CT of 128 x 128 x 64 voxels. What
is segmented is segmented twice: the first time, its networks are converted.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import nibabel as nib
import numpy as np
import typer

from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.models.model_file import SETTINGS_ENTRY
from pneumoseg.scripts.benchmark.machine import REPOSITORY, report

SIZE = (128, 128, 64)
MARGIN_MB = 200.0


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for the inputs.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this input; may be repeated.")] = None,
) -> None:
    """Measures the ordinary prediction, then each input; exits with 1 where one failed otherwise, or took too much."""
    work = work.resolve()
    write_phantoms(work / "phantoms", 1, shape=SIZE, seed=1, overwrite=True)
    ct = work / "phantoms" / "phantom_001" / "imaging.nii.gz"
    _predict(ct, work, [])  # converts the networks once
    ordinary = _predict(ct, work, [])
    figures: dict = {"ordinary": ordinary, "limit_mb": ordinary["peak_mb"] + MARGIN_MB}
    wrong = []
    for name, make in INPUTS.items():
        if only and name not in only:
            continue
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        source, arguments = make(folder, ct)
        figures[name] = _predict(source, folder, arguments)
        if figures[name]["exit_code"] == 0:
            figures[name] = _predict(source, folder, arguments)
        if figures[name]["exit_code"] not in (0, 2) or figures[name]["peak_mb"] > figures["limit_mb"]:
            wrong.append(name)
    figures["wrong"] = wrong
    report(figures, json_file)
    if wrong:
        raise typer.Exit(1)


def _predict(source: Path, folder: Path, arguments: list) -> dict:
    """Exit code, peak memory, seconds and the last line of a prediction's messages."""
    command = [
        sys.executable,
        "-m",
        "pneumoseg.scripts.cli",
        "predict",
        source,
        "-o",
        folder / "masks",
        "--overwrite",
        *arguments,
    ]
    log = folder / "messages.txt"
    started = time.perf_counter()
    with open(log, "w", encoding="utf-8") as messages:
        process = subprocess.Popen([str(part) for part in command], cwd=REPOSITORY, stdout=messages, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    return {
        "exit_code": os.waitstatus_to_exitcode(status),
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "last_line": lines[-1].replace(str(folder), "").replace(str(REPOSITORY), "")[:300],
    }


def _nifti(shape: tuple[int, ...], spacing_mm: tuple[float, ...], unit: str = "mm") -> Callable:
    def make(folder: Path, ct: Path) -> tuple[Path, list]:
        image = nib.Nifti1Image(np.full(shape, -1000, np.int16), np.diag([*spacing_mm, 1.0]))
        image.header.set_xyzt_units(unit)
        nib.save(image, folder / "ct.nii.gz")
        return folder / "ct.nii.gz", []

    return make


def _detached(header: str, suffix: str, size: int = 1024) -> Callable:
    def make(folder: Path, ct: Path) -> tuple[Path, list]:
        (folder / "voxels.raw").write_bytes(bytes(size))
        (folder / f"ct{suffix}").write_text(header, encoding="ascii")
        return folder / f"ct{suffix}", []

    return make


def _dicom(folder: Path, ct: Path) -> tuple[Path, list]:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    (folder / "series").mkdir()
    for number in range(3):
        uid = UID(f"1.2.3.{number + 1}")
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, uid
        facts = {
            **{"SOPClassUID": CTImageStorage, "SOPInstanceUID": uid, "SeriesInstanceUID": "1.2.3", "Modality": "CT"},
            **{"ImagePositionPatient": [0, 0, number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            **{"PixelSpacing": [0.01, 0.01], "SliceThickness": 1, "Rows": 65535, "Columns": 65535},
            **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16},
            **{"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "RescaleSlope": 1, "RescaleIntercept": 0},
        }
        for keyword, value in facts.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = bytes(1024)
        dataset.save_as(folder / "series" / f"{number}.dcm", enforce_file_format=True)
    return folder / "series", []


def _bomb(folder: Path, ct: Path) -> tuple[Path, list]:
    """A model file whose weights unpack to 4 GiB."""
    with zipfile.ZipFile(bundled_model() / "fold_0" / "model.keras") as model:
        entries = {name: model.read(name) for name in model.namelist() if not name.endswith(".h5")}
    with zipfile.ZipFile(folder / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        with archive.open("model.weights.h5", "w", force_zip64=True) as weights:
            for _ in range(256):
                weights.write(bytes(2**24))
    return ct, ["--model", folder / "model.keras"]


def _changed_model(group: str, name: str, value: object) -> Callable:
    """The bundled model with another setting."""

    def make(folder: Path, ct: Path) -> tuple[Path, list]:
        with (
            zipfile.ZipFile(bundled_model() / "fold_0" / "model.keras") as model,
            zipfile.ZipFile(folder / "model.keras", "w") as archive,
        ):
            for entry in model.namelist():
                content = model.read(entry)
                if entry == SETTINGS_ENTRY:
                    settings = json.loads(content)
                    settings[group][name] = value
                    content = json.dumps(settings).encode()
                archive.writestr(entry, content)
        return ct, ["--model", folder / "model.keras"]

    return make


NHDR = """NRRD0004
type: short
dimension: 3
sizes: 2500 2500 1500
encoding: raw
endian: little
space: left-posterior-superior
space directions: (0.2,0,0) (0,0.2,0) (0,0,0.2)
space origin: (0,0,0)
data file: voxels.raw
"""
MHD = """ObjectType = Image
NDims = 3
DimSize = 2500 2500 1500
ElementType = MET_SHORT
ElementSpacing = 0.2 0.2 0.2
ElementDataFile = voxels.raw
"""

INPUTS: dict[str, Callable[[Path, Path], tuple[Path, list]]] = {
    "spacing_100_mm": _nifti(SIZE, (100.0, 100.0, 100.0)),
    "spacing_in_metres": _nifti(SIZE, (0.7, 0.7, 1.0), "meter"),
    "one_row": _nifti((32767, 1, 1), (1.0, 1.0, 1.0)),
    "far_too_wide": _nifti(SIZE, (30.0, 30.0, 30.0)),
    "nhdr_over_1_kb": _detached(NHDR, ".nhdr"),
    "mhd_over_1_kb": _detached(MHD, ".mhd"),
    "dicom_65535": _dicom,
    "model_of_4_gib": _bomb,
    "model_with_batch_20000": _changed_model("prediction", "batch", 20000),
    "model_with_tiles_of_4096": _changed_model("patches", "shape", [4096, 4096, 4096]),
    "model_at_1_micron": _changed_model("preprocessing", "spacing_mm", [0.001, 0.001, 0.001]),
}


if __name__ == "__main__":
    typer.run(benchmark)
