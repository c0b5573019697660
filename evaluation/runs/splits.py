"""Which cases train and which test, fold by fold; scans of one patient stay together, except in random slices."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sklearn.model_selection import GroupShuffleSplit, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedShuffleSplit

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.pipeline.settings.loading import FROM_FILE
from pneumoseg.pipeline.settings.prediction import SLICES

PUBLISHED_FOLDS: tuple[tuple[str, ...], ...] = (
    ("coronacases_007", "coronacases_008", "radiopaedia_36_86526_0", "radiopaedia_4_85506_1"),
    ("coronacases_004", "coronacases_009", "radiopaedia_14_85914_0", "radiopaedia_7_85703_0"),
    ("coronacases_001", "coronacases_010", "radiopaedia_10_85902_1", "radiopaedia_29_86491_1"),
    ("coronacases_003", "coronacases_005", "radiopaedia_27_86410_0", "radiopaedia_40_86625_0"),
    ("coronacases_002", "coronacases_006", "radiopaedia_10_85902_3", "radiopaedia_29_86490_1"),
)
"""Validation cases of the five folds of the COVID-19-CT-Seg benchmark (Ma et al. 2021), task with 16/4 cases."""

PUBLISHED_SHARED_PATIENTS: dict[str, tuple[str, str]] = {
    "radiopaedia_10": ("radiopaedia_10_85902_1", "radiopaedia_10_85902_3"),
    "radiopaedia_29": ("radiopaedia_29_86490_1", "radiopaedia_29_86491_1"),
}
"""By their names, two scans of one patient each, which the published folds put on both sides."""

SPLIT_NAMES = "kfold, published, hold-out:0.2, leave-one-out, slices:0.7,0.2,0.1 or a file.json"
SHARES_TOLERANCE = 1e-3

RANDOM_SLICES = "Random slices: slices of one patient may be in training and in test; then scores are optimistic."
"""What a report says of a run with such splits."""


@dataclass(frozen=True)
class Split:
    """One fold: the names of the cases that train and of those that test, each in the dataset's order."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def k_fold(dataset: Dataset, folds: int = 5, *, seed: int = 0, stratify_by_source: bool = True) -> tuple[Split, ...]:
    """Random folds of about equal size in which each case tests once and no patient is split.

    With `stratify_by_source` the folds also share out the sources evenly, as far as there are enough cases of each;
    where that is impossible, a warning says so, and the folds are drawn without regard to the sources. Studies of a
    cohort are shared out by label and category of the score instead, where there are fewer of each than folds by label
    alone, else without regard to both, as a warning says. Raises InputError for fewer than two folds or fewer patients
    than folds.
    """
    patients = {case.patient for case in dataset}
    if folds < 2:
        raise InputError(f"cross-validation needs at least 2 folds, found {folds}")
    if len(patients) < folds:
        raise InputError(
            f"{dataset.root}: {folds} folds need at least {folds} patients, found {len(patients)} patients in "
            f"{len(dataset)} cases; lower the number of folds"
        )
    if any(isinstance(case, Study) for case in dataset):
        return _study_folds(dataset, folds, seed)
    sources = Counter(case.source for case in dataset)
    if stratify_by_source and len(sources) > 1:
        if max(sources.values()) >= folds:
            splits = _grouped_folds(dataset, [case.source for case in dataset], folds, seed)
            if all(split.test for split in splits):
                return splits
        log.warning(
            "The sources cannot be shared out evenly over %d folds (%s): the folds are drawn without regard to them.",
            folds,
            ", ".join(f"{source or 'unnamed'}: {count}" for source, count in sorted(sources.items())),
        )
    return _grouped_folds(dataset, [""] * len(dataset), folds, seed)


def published(dataset: Dataset) -> tuple[Split, ...]:
    """The five folds of the published benchmark, each intersected with the cases present; warnings name what is
    lost.

    A fold of which no case is present is dropped. Two patients of the full list are split between folds, as a
    warning says. Raises InputError for a case that the list does not have and where fewer than two folds remain.
    """
    present = [case.name for case in dataset]
    listed = [name for fold in PUBLISHED_FOLDS for name in fold]
    unknown = sorted(set(present) - set(listed))
    if unknown:
        raise InputError(
            f"{dataset.root}: the published splits cover the 20 cases of COVID-19-CT-Seg only, found also "
            f"{', '.join(unknown)}; leave these out or use kfold"
        )
    folds = [tuple(name for name in present if name in fold) for fold in PUBLISHED_FOLDS]
    kept = [fold for fold in folds if fold]
    if len(kept) < 2:
        raise InputError(f"{dataset.root}: the published splits need cases of at least 2 folds, found {len(kept)}")
    if len(present) < len(listed):
        log.warning(
            "Published splits: %d of the 20 cases are present, so the folds are smaller than the published ones.",
            len(present),
        )
    dropped = [str(number) for number, fold in enumerate(folds) if not fold]
    if dropped:
        log.warning(
            "Published splits: no case of the published fold %s is present; dropped, and the others renumbered.",
            ", ".join(dropped),
        )
    split_patients = [patient for patient, scans in PUBLISHED_SHARED_PATIENTS.items() if set(scans) <= set(present)]
    log.warning(
        "Published splits do not keep the scans of a patient together: %s",
        f"{' and '.join(split_patients)} are in training and in test at once, so those scores are optimistic."
        if split_patients
        else "radiopaedia_10 and radiopaedia_29 are split in the full list, none of the cases present is.",
    )
    return tuple(Split(tuple(name for name in present if name not in test), test) for test in kept)


def hold_out(dataset: Dataset, test_fraction: float = 0.2, seed: int = 0) -> tuple[Split, ...]:
    """One random split: about `test_fraction` of the patients test (at least one), the others train (at least one).

    Of a cohort's studies both sides have the same shares of labels and categories of the score, as far as there are
    enough patients of each; else the same shares of labels, else a warning says that they are drawn without regard to
    both. Raises InputError for a fraction outside 0..1 (both excluded) or fewer than two patients.
    """
    if not 0 < test_fraction < 1:
        raise InputError(f"hold-out: the test fraction must lie between 0 and 1, found {test_fraction:g}")
    patients = _at_least_two_patients(dataset)
    tested = min(max(round(test_fraction * patients), 1), patients - 1)
    if any(isinstance(case, Study) for case in dataset):
        return _hold_out_studies(dataset, tested, seed)
    return _from_indices(dataset, GroupShuffleSplit(1, test_size=tested, random_state=seed), [""] * len(dataset))


def leave_one_out(dataset: Dataset) -> tuple[Split, ...]:
    """One fold per patient: all scans of that patient test. Raises InputError for fewer than two patients."""
    _at_least_two_patients(dataset)
    return _from_indices(dataset, LeaveOneGroupOut(), [""] * len(dataset))


def random_slices(dataset: Dataset, test_share: float, seed: int = 0) -> tuple[Split, ...]:
    """One random split of single cases, whoever the patient is: about `test_share` of the cases test (at least one),
    the others train (at least one). A warning names how many patients are on both sides.

    Raises InputError for fewer than two cases.
    """
    if len(dataset) < 2:
        raise InputError(f"{dataset.root}: training and testing need at least 2 cases, found {len(dataset)}")
    (split,) = hold_out(without_patients(dataset), test_share, seed)
    tested = {case.patient for case in dataset.select(split.test)}
    shared = len(tested & {case.patient for case in dataset.select(split.train)})
    if shared:
        log.warning(
            "Random slices: slices of %d of the %d test patients are in training too; their scores are optimistic.",
            shared,
            len(tested),
        )
    else:
        log.warning(
            "Random slices: no two cases are known to be of one patient; where some are, the scores are optimistic."
        )
    return (split,)


def slice_shares(rule: str) -> tuple[float, float]:
    """Of "slices:TRAIN,VALIDATION,TEST": the share of all cases that test, and the share of the others that validate.

    >>> slice_shares("slices:0.6,0.2,0.2")
    (0.2, 0.25)

    Raises InputError for other texts, a sum that is not 1 (within 0.001), and no share for training or test.
    """
    try:
        train, validation, test = map(float, rule.partition(":")[2].split(","))
    except ValueError:
        train = validation = test = 0.0
    sums_up = abs(train + validation + test - 1) <= SHARES_TOLERANCE
    if not (sums_up and train > 0 and validation >= 0 and test > 0):
        raise InputError(
            "slices: the shares of training, validation and test sum to 1, those of training and test above 0, such as "
            f"slices:0.7,0.2,0.1, found {rule}"
        )
    return test, validation / (train + validation)


def without_patients(dataset: Dataset) -> Dataset:
    """The dataset whose cases each are a patient of their own."""
    cases = tuple(replace(case, patient=case.name) for case in dataset)
    return Dataset(dataset.root, cases, dataset.layout)


def from_file(path: str | Path, dataset: Dataset) -> tuple[Split, ...]:
    """Folds from a JSON list of `{"train": [...], "val": [...]}`, the form of nnU-Net's `splits_final.json`.

    A warning names patients with scans on both sides. Raises InputError for a file of another form, an empty side, a
    name given twice or on both sides, and for names that the dataset does not have.
    """
    content = read_json(path, "a file of splits", list)
    if not content:
        raise InputError(f'{path}: splits are a list of {{"train": [...], "val": [...]}} with at least one entry')
    order = {case.name: position for position, case in enumerate(dataset)}
    patients = {case.name: case.patient for case in dataset}
    splits = []
    for fold, entry in enumerate(content):
        sides = [_side(path, fold, entry, key) for key in ("train", "val")]
        unknown = [name for side in sides for name in side if name not in order]
        if unknown:
            raise InputError(f"{path}: fold {fold} names {listed(unknown)}, which {dataset.root} does not have")
        both = sorted(set(sides[0]) & set(sides[1]))
        if both:
            raise InputError(f"{path}: fold {fold} has {listed(both)} in train and in val; keep one of the two")
        shared = sorted({patients[name] for name in sides[0]} & {patients[name] for name in sides[1]})
        if shared:
            log.warning("%s: fold %d has scans of %s in train and in val.", path, fold, ", ".join(shared))
        splits.append(Split(*(tuple(sorted(side, key=order.__getitem__)) for side in sides)))
    return tuple(splits)


def to_json(splits: Sequence[Split]) -> list[dict[str, list[str]]]:
    """The splits in the form that `from_file` reads."""
    return [{"train": list(split.train), "val": list(split.test)} for split in splits]


def make_splits(
    name_or_path: str | Path, dataset: Dataset, *, folds: int = 5, seed: int = 0, stratify_by_source: bool = True
) -> tuple[Split, ...]:
    """The splits that a setting names: "kfold", "published", "hold-out:0.2", "leave-one-out", "slices:0.7,0.2,0.1"
    (training, validation within the training, test) or a JSON file's path.

    `folds` and `stratify_by_source` are for "kfold".

    Raises InputError for any other name and as the function that the name stands for does.
    """
    name, _, value = str(name_or_path).partition(":")
    if str(name_or_path).lower().endswith(".json"):
        return from_file(name_or_path, dataset)
    if name == "hold-out":
        try:
            fraction = float(value) if value else 0.2
        except ValueError as error:
            raise InputError(f"hold-out: a fraction such as hold-out:0.2 is needed, found {name_or_path}") from error
        return hold_out(dataset, fraction, seed)
    if name == SLICES:
        if any(isinstance(case, Study) for case in dataset):
            raise InputError(f"{name_or_path}: a cohort has whole CTs, no slices; use kfold or hold-out:0.2")
        return random_slices(dataset, slice_shares(str(name_or_path))[0], seed)
    if name_or_path == "kfold":
        return k_fold(dataset, folds, seed=seed, stratify_by_source=stratify_by_source)
    if name_or_path == "published":
        return published(dataset)
    if name_or_path == "leave-one-out":
        return leave_one_out(dataset)
    if name_or_path == FROM_FILE:
        raise InputError("the splits came from a file, whose name is not on record; give it, or the run's splits.json")
    raise InputError(f"splits must be {SPLIT_NAMES}, found {name_or_path}")


def _strata(dataset: Dataset) -> list[str]:
    return [case.stratum if isinstance(case, Study) else case.source for case in dataset]


def _study_folds(dataset: Dataset, folds: int, seed: int) -> tuple[Split, ...]:
    strata = _strata(dataset)
    for of_study in (strata, [_label_of(stratum) for stratum in strata]):
        if max(Counter(of_study).values()) < folds:
            continue
        splits = _grouped_folds(dataset, of_study, folds, seed)
        if all(split.test for split in splits):
            return splits
    log.warning(
        "%d folds: too few studies to keep the shares of labels and scores; drawn without regard to them.", folds
    )
    return _grouped_folds(dataset, [""] * len(dataset), folds, seed)


def _label_of(stratum: str) -> str:
    return stratum.partition(" ")[0]


def _hold_out_studies(dataset: Dataset, tested: int, seed: int) -> tuple[Split, ...]:
    """One split with `tested` patients; a patient of several strata counts as of the last one by name."""
    of_patient: dict[str, str] = {}
    for case, stratum in zip(dataset, _strata(dataset), strict=True):
        of_patient[case.patient] = max(stratum, of_patient.get(case.patient, ""))
    patients = list(of_patient)
    for strata in (list(of_patient.values()), [_label_of(stratum) for stratum in of_patient.values()]):
        counts = Counter(strata)
        if min(counts.values()) >= 2 and len(counts) <= min(tested, len(patients) - tested):
            splitter = StratifiedShuffleSplit(1, test_size=tested, random_state=seed)
            ((_, test),) = splitter.split(patients, strata)
            chosen = {patients[index] for index in test}
            sides = [tuple(case.name for case in dataset if (case.patient in chosen) is side) for side in (False, True)]
            return (Split(*sides),)
    log.warning("Hold-out: too few patients to keep the shares of labels and scores; drawn without regard to them.")
    return _from_indices(dataset, GroupShuffleSplit(1, test_size=tested, random_state=seed), [""] * len(dataset))


def _grouped_folds(dataset: Dataset, strata: list[str], folds: int, seed: int) -> tuple[Split, ...]:
    # With one stratum for all, StratifiedGroupKFold only balances the sizes of the folds.
    return _from_indices(dataset, StratifiedGroupKFold(folds, shuffle=True, random_state=seed), strata)


def _from_indices(dataset: Dataset, splitter, strata: list[str]) -> tuple[Split, ...]:
    names = [case.name for case in dataset]
    with warnings.catch_warnings():
        # scikit-learn warns of a stratum with fewer members than folds; such a source simply misses some folds.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        indices = list(splitter.split(names, strata, [case.patient for case in dataset]))
    return tuple(
        Split(tuple(names[index] for index in sorted(train)), tuple(names[index] for index in sorted(test)))
        for train, test in indices
    )


def _at_least_two_patients(dataset: Dataset) -> int:
    patients = len({case.patient for case in dataset})
    if patients < 2:
        raise InputError(f"{dataset.root}: training and testing need at least 2 patients, found {patients}")
    return patients


def _side(path: str | Path, fold: int, entry: object, key: str) -> list[str]:
    names = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'{path}: fold {fold} needs "{key}" with a list of at least one case name')
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: fold {fold} has {listed(twice)} twice in {key}")
    return names
