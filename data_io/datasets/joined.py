"""Several datasets as one: names that differ, and patients that are the same."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.dataset import Case, Dataset, scan_of
from pneumoseg.data_io.datasets.patients import patient_of
from pneumoseg.data_io.errors import InputError


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """The cases of all datasets, ordered by name; one dataset alone as it is.

    The source of each case is the name of its dataset's folder (`source_names`). Cases of a name that is in several
    datasets are called SOURCE-NAME. Cases of one patient in different datasets, by their tables or by their names
    (`patient_of`), are of one patient, and so are all cases of these patients: copies of a CT are never on both sides
    of a split. The log says of how many patients several datasets have cases.

    Raises InputError where a folder is given twice, and where two cases have one name after all.
    """
    if len(datasets) == 1:
        return datasets[0]
    roots = [Path(os.path.realpath(dataset.root)) for dataset in datasets]
    if twice := [dataset for dataset, root in zip(datasets, roots, strict=True) if roots.count(root) > 1]:
        raise InputError(f"{twice[0].root}: the dataset is given {len(twice)} times; give each folder once")
    sources = source_names([Path(os.path.abspath(dataset.root)) for dataset in datasets])
    by_source = zip(sources, datasets, strict=True)
    cases = [replace(case, source=source) for source, dataset in by_source for case in dataset]
    shared = _with_several_sources((scan_of(case), case.source) for case in cases)
    patients = _joined_patients(cases)
    joined = [
        replace(_prefixed(case) if scan_of(case) in shared else case, patient=patient)
        for case, patient in zip(cases, patients, strict=True)
    ]
    root = Path(os.path.commonpath(roots))
    if alike := [name for name, count in Counter(case.name for case in joined).items() if count > 1]:
        raise InputError(f"{root}: two cases of the datasets are called {listed(alike)}; rename one of each")
    log.info(
        "%s: %d cases of %d patients; patients with cases in several of the datasets, which stay together: %d",
        " and ".join(sources),
        len(joined),
        len(set(patients)),
        len(_with_several_sources((case.patient, case.source) for case in joined)),
    )
    ordered = sorted(joined, key=lambda case: case.name)
    return Dataset(root, tuple(ordered), " and ".join(sorted({dataset.layout for dataset in datasets})))


def source_names(folders: Sequence[Path]) -> list[str]:
    """A name for each of different folders, absolute paths: its own, with those of as many folders around it as make it
    differ from the others', joined by hyphens.

    >>> source_names([Path("/a/images"), Path("/b/images"), Path("/c/masks")])
    ['a-images', 'b-images', 'masks']
    """
    lengths = [1] * len(folders)
    while True:
        parts = (folder.parts[-length:] for folder, length in zip(folders, lengths, strict=True))
        names = ["-".join(part).lstrip("./") for part in parts]  # as files with these names must not be hidden
        longer = [
            length + (names.count(name) > 1 and length < len(folder.parts) - 1)
            for folder, name, length in zip(folders, names, lengths, strict=True)
        ]
        if longer == lengths:
            return names
        lengths = longer


def _joined_patients(cases: Sequence[Case]) -> list[str]:
    """The patient of each case, the first by name of those that are linked by a table or by the names of cases."""
    number: dict[tuple[str, str], int] = {}
    told = {"table": [case.patient for case in cases], "name": [patient_of(case.name) for case in cases]}
    ends = [[number.setdefault((kind, name), len(number)) for name in names] for kind, names in told.items()]
    links = coo_array((np.ones(len(cases), bool), tuple(ends)), shape=(len(number), len(number)))
    _, group = connected_components(links, directed=False)
    of_cases = [int(group[end]) for end in ends[0]]
    first = {one: patient for patient, one in sorted(zip(told["table"], of_cases, strict=True), reverse=True)}
    return [first[one] for one in of_cases]


def _with_several_sources(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Of pairs of a name and a source, the names with more than one source."""
    return {name for name, count in Counter(name for name, _ in set(pairs)).items() if count > 1}


def _prefixed(case: Case) -> Case:
    part = case.slice and replace(case.slice, volume=f"{case.source}-{case.slice.volume}")
    return replace(case, name=f"{case.source}-{case.name}", slice=part)
