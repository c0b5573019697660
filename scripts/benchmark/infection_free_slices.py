"""Infection that is predicted where there is none: in axial slices of test cases without an infected voxel.

    python scripts/benchmark/infection_free_slices.py DATA RUN [RUN ...] --csv slices.csv

DATA: the data set (several by --further). RUN: a run folder of `pneumoseg kfold` or `vote` on it, with its predictions.
One row per run and test case: slices without infection in the reference, millilitres predicted in them, and in all.
Only voxels that count are looked at, and cases whose infection is labelled.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from pneumoseg.data_io.datasets.joined import join_datasets
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.partial_labels import IGNORED, hidden_classes
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.scoring.counted_masks import counted_masks

INFECTION = LUNG_LABELS.names.index("infection")


def infection_free_slices(
    data: Annotated[Path, typer.Argument(help="Data set, as of `pneumoseg kfold`.")],
    run: Annotated[list[Path], typer.Argument(help="Run folders.")],
    csv: Annotated[Path, typer.Option("--csv", help="Where the table goes.")],
    further: Annotated[list[Path] | None, typer.Option("--further", help="A further data set of the runs.")] = None,
) -> None:
    """Writes the table and prints it."""
    dataset = join_datasets([open_dataset(path) for path in (data, *(further or ()))])
    rows = []
    for folder in run:
        for path in sorted(folder.glob("fold_*/predictions/*.nii.gz")):
            case = LoadedCase(dataset.case(path.name.removesuffix(".nii.gz")), LUNG_LABELS)
            if case.labelled and "infection" not in case.labelled:
                continue
            found = false_infection_of(case, read_labels(path, LUNG_LABELS))
            rows.append({"run": folder.name, "fold": path.parts[-3], "case": case.name, **found})
    table = pd.DataFrame(rows)
    write_table(table, csv)
    print(table.to_string(index=False))


def false_infection_of(case: LoadedCase, prediction: Volume) -> dict[str, float]:
    """As `false_infection`, of the slices in which a voxel counts and of the voxels that do."""
    masks = counted_masks(case.reference, prediction, hidden_classes(LUNG_LABELS, case.labelled), valid=case.valid)
    count = (masks.truth != IGNORED).any(axis=(0, 1))
    reference, predicted = (mask.array[:, :, count] == INFECTION for mask in (masks.reference, masks.prediction))
    return false_infection(reference, predicted, case.reference.grid.voxel_volume_ml)


def false_infection(reference: np.ndarray, predicted: np.ndarray, voxel_ml: float) -> dict[str, float]:
    """Slices along z without infection in the `reference`, bool (x, y, z), and millilitres predicted in them, and in
    all."""
    free = ~reference.any(axis=(0, 1))
    return {
        "free_slices": int(free.sum()),
        "false_ml": round(float(predicted[:, :, free].sum() * voxel_ml), 2),
        "reference_ml": round(float(reference.sum() * voxel_ml), 2),
        "prediction_ml": round(float(predicted.sum() * voxel_ml), 2),
    }


if __name__ == "__main__":
    typer.run(infection_free_slices)
