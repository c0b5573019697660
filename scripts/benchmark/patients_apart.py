"""Whether the similarity of registered lungs tells one patient from two: every pair of CTs of a data set, both ways.

    python scripts/benchmark/patients_apart.py DATA --csv pairs.csv

One row per ordered pair: whether the data set calls them one patient, Dice of the lungs after the rigid and the whole
registration, and the correlation of vessels. CTs with a mask of the voxels that count are left out: their other voxels
are no CT.
"""

import itertools
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pneumoseg.data_io.console import track
from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.followup.registration import register
from pneumoseg.evaluation.followup.similarity import similarity


def patients_apart(
    data: Annotated[Path, typer.Argument(help="Data set in HU, as of `pneumoseg kfold`.")],
    csv: Annotated[Path, typer.Option("--csv", help="Where the table goes.")],
    only: Annotated[list[str] | None, typer.Option("--case", help="Only these cases.")] = None,
) -> None:
    """Writes the table and prints it."""
    dataset = open_dataset(data)
    cases = [case for case in dataset if case.valid is None and (not only or case.name in only)]
    pairs = list(itertools.permutations(cases, 2))
    table = pd.DataFrame([similarity_of(*pair) for pair in track(pairs, "Pairs", len(pairs))])
    write_table(table, csv)
    print(table.to_string(index=False))


def similarity_of(follow_up: Case, baseline: Case) -> dict:
    """The row of two CTs with masks, of which the `baseline` is moved onto the `follow_up`."""
    (fixed, fixed_mask), (moving, moving_mask) = (case.read_pair(LUNG_LABELS) for case in (follow_up, baseline))
    row = {"follow_up": follow_up.name, "baseline": baseline.name, "one_patient": follow_up.patient == baseline.patient}
    try:
        registration = register(fixed_mask, moving_mask, (fixed, moving))
    except InputError as error:
        return row | {"error": str(error)}
    found = similarity(fixed_mask, moving_mask, (fixed, moving), registration)
    return row | {"rigid_dice": found.rigid_dice, "dice": found.dice, "correlation": found.detail_correlation}


if __name__ == "__main__":
    typer.run(patients_apart)
