"""The folds in which an ensemble of several runs is measured."""

from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs.splits import Split, from_file


def splits_of_runs(runs: Sequence[Path], dataset: Dataset) -> tuple[Split, ...]:
    """The folds that several runs have in common: each tests the same cases in all of them, and trained on what any of
    them trained on, as one may have learnt from more datasets than another.

    Raises InputError where a run has no splits, other test cases in its folds, or trained on a test case of another.
    """
    every = []
    for run in runs:
        path = run / "splits.json"
        if not path.is_file():
            raise InputError(f"{run}: no run folder of a cross-validation (no splits.json)")
        every.append(from_file(path, dataset))
        if [split.test for split in every[-1]] != [split.test for split in every[0]]:
            raise InputError(
                f"{run} and {runs[0]}: their folds have other cases, so that an ensemble would be tested on cases "
                "of its training; train with the splits.json of the other run"
            )
    order = [case.name for case in dataset]
    return tuple(
        Split(tuple(sorted({name for one in same for name in one.train}, key=order.index)), same[0].test)
        for same in zip(*every, strict=True)
    )
