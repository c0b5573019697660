"""Whole-volume prediction against its peers: the same CT, the same network, one run.

    python scripts/benchmark/predict.py WORK --json prediction.json [--skip miscnn] [--repeats 3]

WORK is a folder for what is made once: two phantom CTs of 512 x 512 x 301 and 824 voxels of 0.7 x 0.7 x 1.0 mm, a model
of the preset covid-3d-unet with weights drawn at random (22.6 million; speed does not depend on their values), its
converted and its 8-bit network, and the environment of MIScnn 1.4.0. Each measurement is a process of its own:
wall-clock seconds from start to end, peak resident memory as the system counts it; medians over the repeats, in which
all programs and precisions take turns.
"""

import functools
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.machine import REPOSITORY, matrix_rates, measured, precisions, report

SPACING_MM = (0.7, 0.7, 1.0)
SLICES, MANY_SLICES = 301, 824
TILE_OVERLAP = 0.5


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for CTs, model and environments.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="keras, miscnn or slices; may be repeated.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 3,
) -> None:
    """Measures pneumoseg, the same with its plain Keras engine, and MIScnn on the same CT."""
    work, skip = work.resolve(), skip or []
    model = wide_model(work)
    ct = _ct(work, SLICES)
    programs: dict[str, Callable[[], dict[str, float]]] = {
        f"pneumoseg {name}": functools.partial(_pneumoseg, ct, model, work, precision=name)
        for name in (*precisions(), "auto")
    }
    if "slices" not in skip:
        many = functools.partial(_pneumoseg, _ct(work, MANY_SLICES), model, work)
        programs[f"pneumoseg auto, {MANY_SLICES} slices"] = functools.partial(many, precision="auto")
    if "keras" not in skip:
        programs["keras float32"] = functools.partial(_pneumoseg, ct, model, work, engine="keras", precision="float32")
    if "miscnn" not in skip:
        programs["miscnn"] = functools.partial(_miscnn, ct, work)
    programs["pneumoseg auto"]()  # measures the precisions once
    rounds = [{name: measure() for name, measure in programs.items()} for _ in range(repeats)]
    figures = {name: _medians([one[name] for one in rounds]) for name in programs}
    rates, operations = matrix_rates(), _network_operations(ct)  # last: what is held here counts in started processes
    for name, rate in rates.items():
        if (one := figures.get(f"pneumoseg {name}")) is not None:
            one["share_of_peak"] = operations / one["network_seconds"] / rate
    figures["machine"] = {f"{name}_peak_tops": rate / 1e12 for name, rate in rates.items()}
    figures["machine"]["network_tflop"] = operations / 1e12
    report(figures, json_file)


def _pneumoseg(ct: Path, model: Path, work: Path, *, precision: str, engine: str = "openvino") -> dict[str, float]:
    mask = work / f"mask_{engine}_{precision}.nii.gz"
    command = [
        sys.executable,
        "-m",
        "pneumoseg.scripts.cli",
        "predict",
        ct,
        "-o",
        mask,
        "--model",
        model,
        "--engine",
        engine,
        "--precision",
        precision,
    ]
    figures = measured([*command, "--overlap", TILE_OVERLAP, "--overwrite", "--quiet"], REPOSITORY)
    seconds = json.loads(mask.with_name(f"{mask.name}.json").read_text(encoding="utf-8"))["seconds"]
    return figures | {f"{stage.replace(' ', '_')}_seconds": value for stage, value in seconds.items()}


def _miscnn(ct: Path, work: Path) -> dict[str, float]:
    from pneumoseg.pipeline.methods.miscnn.environment import environment

    python = environment(work / "miscnn")
    script = Path(__file__).with_name("miscnn_predict.py")
    output = work / "miscnn_predictions"
    output.mkdir(exist_ok=True)
    return measured([python, script, ct.parents[1], ct.parent.name, output], work)


def _medians(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


def wide_model(work: Path) -> Path:
    """The model of 22.6 million weights with its 8-bit network; made where it is not there."""
    path = work / "model.keras"
    if not path.is_file():
        from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
        from pneumoseg.pipeline.networks.registry import build_network
        from pneumoseg.pipeline.prediction.quantization import make_int8_network
        from pneumoseg.pipeline.sampling.calibration import tiles_of_phantoms
        from pneumoseg.pipeline.settings.loading import load_settings

        settings = load_settings("covid-3d-unet")
        save_model(path, TrainedModel(build_network(settings), settings))
        make_int8_network(path, tiles_of_phantoms(settings), guarded=False)
    return path


def _ct(work: Path, slices: int) -> Path:
    path = work / f"data_{slices}" / "phantom" / "imaging.nii.gz"
    if not path.is_file():
        import nibabel as nib
        import numpy as np

        from pneumoseg.data_io.phantoms.generate import make_phantom

        path.parent.mkdir(parents=True)
        image, _ = make_phantom(seed=1, index=0, shape=(256, 256, slices))
        large = np.repeat(np.repeat(image.array, 2, axis=0), 2, axis=1)
        nib.save(nib.Nifti1Image(large, np.diag([*SPACING_MM, 1.0])), path)
    return path


def _network_operations(ct: Path) -> float:
    """Operations of the network's convolutions over all tiles of the CT (a multiplication and an addition are two)."""
    from pneumoseg.data_io.formats.reading import open_scan
    from pneumoseg.pipeline.networks.operations import forward_operations
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
    from pneumoseg.pipeline.sampling import patches
    from pneumoseg.pipeline.settings.loading import load_settings

    settings = load_settings("covid-3d-unet")
    size = Preprocessor(settings.preprocessing).grid(open_scan(ct).grid).shape
    shape = patches.patch_shape(settings, size)
    tiles = len(patches.grid_corners(size, shape, TILE_OVERLAP))
    return tiles * forward_operations(build_network(settings), shape)[0]


if __name__ == "__main__":
    typer.run(benchmark)
