"""What each choice at prediction changes, on the test cases of a finished cross-validation.

    python scripts/benchmark/prediction_choices.py RUN DATA --csv choices.csv

For every fold, its own test cases are segmented as the run's settings say (OpenVINO, float32), and again with one
choice changed at a time: engine, precision, air tiles, mirroring, overlap, and each step of tidying. The table holds
the mean Dice over the cases, its difference to the first row, the share of voxels whose class differs from it, and
the seconds a case.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.scoring.case_scores import score_case
from pneumoseg.pipeline.prediction.postprocessing import postprocess
from pneumoseg.pipeline.prediction.predictor import Predictor, open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.schema import PostprocessingSettings

BASE = "as it is"
PREDICTIONS: dict[str, dict] = {
    "Keras": {"engine": "keras"},
    "air tiles, too": {"changes": ["prediction.skip_air=false"]},
    "mirrored left-right": {"changes": ["prediction.mirror_axes=[0]"]},
    "overlap 0.25": {"changes": ["prediction.overlap=0.25"]},
    "overlap 0.75": {"changes": ["prediction.overlap=0.75"]},
}
TIDYING: dict[str, dict] = {
    "largest piece of each lung": {"largest_component": True},
    "holes filled": {"fill_holes": True},
    "infection in lungs only": {"infection_in_lungs_only": True},
    "infections below 0.1 ml removed": {"smallest_infection_ml": 0.1},
    "all four": {
        "largest_component": True,
        "fill_holes": True,
        "infection_in_lungs_only": True,
        "smallest_infection_ml": 0.1,
    },
}


def measure(
    run: Annotated[Path, typer.Argument(help="The folder of a finished cross-validation.")],
    data: Annotated[Path, typer.Argument(help="Its dataset.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Where the table goes.")] = None,
) -> None:
    """Measures every choice on the test cases of every fold."""
    dataset = open_dataset(data)
    splits = json.loads((run / "splits.json").read_text(encoding="utf-8"))
    predictions = dict(PREDICTIONS)
    if hardware.has_bfloat16():
        predictions["bfloat16"] = {"precision": "bfloat16"}
    if hardware.has_int8():
        predictions["int8"] = {"precision": "int8"}
    rows: list[dict] = []
    for fold, split in enumerate(splits):
        if not RunFolder(run).finished(fold):
            continue
        folder = RunFolder(run).fold(fold)
        plain: dict = {"engine": "openvino", "precision": "float32", "trust_plugins": True}
        base = open_predictor(folder, **plain)
        others = {name: open_predictor(folder, **(plain | options)) for name, options in predictions.items()}
        for name in split["val"]:
            rows += _measure_case(dataset.case(name), fold, base, others)
    table = pd.DataFrame(rows)
    means = table.groupby(["choice", "class"], sort=False)[["dice", "differing_voxels", "seconds"]].mean().reset_index()
    reference = means[means["choice"] == BASE].set_index("class")["dice"]
    means["dice_difference"] = means["dice"] - means["class"].map(reference)
    if csv is not None:
        means.to_csv(csv, index=False, float_format="%.6g")
    print(means.to_string(index=False, float_format=lambda value: f"{value:.4g}"))


def _measure_case(case, fold: int, base: Predictor, others: dict[str, Predictor]) -> list[dict]:
    table = base.settings.labels.table
    image, reference = case.read_pair(table)
    rows: list[dict] = []

    def record(choice: str, array: np.ndarray, standard: np.ndarray, seconds: float) -> None:
        differing = float(np.mean(array != standard))
        for score in score_case(case.name, fold, reference, prediction=image.with_array(array), labels=table).rows:
            facts = {"differing_voxels": differing, "seconds": seconds}
            rows.append({"choice": choice, "class": score["class"], "dice": score["dice"], **facts})

    base(image)  # compiles
    started = time.perf_counter()
    standard = base(image).array
    record(BASE, standard, standard, time.perf_counter() - started)
    for choice, predictor in others.items():
        predictor(image)
        started = time.perf_counter()
        array = predictor(image).array
        record(choice, array, standard, time.perf_counter() - started)
    for choice, steps in TIDYING.items():
        started = time.perf_counter()
        array = postprocess(standard, image.grid.voxel_volume_ml, PostprocessingSettings(**steps))
        record(choice, array, standard, time.perf_counter() - started)
    return rows


if __name__ == "__main__":
    typer.run(measure)
