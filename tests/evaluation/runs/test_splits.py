"""Splits: no patient on both sides, each case tested once, what is lost is said."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs import splits
from pneumoseg.evaluation.runs.splits import (
    PUBLISHED_FOLDS,
    PUBLISHED_SHARED_PATIENTS,
    Split,
    from_file,
    hold_out,
    k_fold,
    leave_one_out,
    make_splits,
    published,
    slice_shares,
    to_json,
    without_patients,
)
from pneumoseg.pipeline.settings.prediction import is_random_slices


def dataset(*names: str, patients: dict[str, str] | None = None, sources: dict[str, str] | None = None) -> Dataset:
    cases = tuple(
        Case(name, Path(name), None, (patients or {}).get(name, name), (sources or {}).get(name, ""))
        for name in sorted(names)
    )
    return Dataset(Path("data"), cases, "test")


def twenty_cases() -> Dataset:
    names = [name for fold in PUBLISHED_FOLDS for name in fold]
    patients = {scan: patient for patient, scans in PUBLISHED_SHARED_PATIENTS.items() for scan in scans}
    return dataset(*names, patients=patients, sources={name: name.split("_")[0] for name in names})


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What is said aloud."""
    messages: list[str] = []
    monkeypatch.setattr(splits.log, "warning", lambda message, *values: messages.append(message % values))
    return messages


@st.composite
def datasets(draw) -> Dataset:
    owners = draw(st.lists(st.integers(0, 11), min_size=6, max_size=24))
    owners += range(6)  # at least six patients
    names = [f"case_{number:02d}" for number in range(len(owners))]
    of_patient = draw(st.lists(st.sampled_from("abc"), min_size=12, max_size=12))
    return dataset(
        *names,
        patients={name: f"p{owner}" for name, owner in zip(names, owners, strict=True)},
        sources={name: of_patient[owner] for name, owner in zip(names, owners, strict=True)},
    )


def check_patients_and_cases(cases: Dataset, made: tuple[Split, ...]) -> None:
    patient = {case.name: case.patient for case in cases}
    for split in made:
        assert split.train
        assert split.test
        assert sorted(split.train + split.test) == [case.name for case in cases]
        assert not {patient[name] for name in split.train} & {patient[name] for name in split.test}


@settings(deadline=None, max_examples=40)
@given(datasets(), st.integers(2, 6), st.integers(0, 99), st.booleans())
def test_k_fold_never_splits_a_patient_and_tests_each_case_once(cases, folds, seed, stratify):
    made = k_fold(cases, folds, seed=seed, stratify_by_source=stratify)
    assert len(made) == folds
    check_patients_and_cases(cases, made)
    assert sorted(name for split in made for name in split.test) == [case.name for case in cases]


@settings(deadline=None, max_examples=30)
@given(datasets(), st.floats(0.01, 0.99), st.integers(0, 99))
def test_hold_out_never_splits_a_patient(cases, fraction, seed):
    check_patients_and_cases(cases, hold_out(cases, fraction, seed))


@settings(deadline=None, max_examples=20)
@given(datasets())
def test_leave_one_out_tests_each_patient_once(cases):
    made = leave_one_out(cases)
    check_patients_and_cases(cases, made)
    assert len(made) == len({case.patient for case in cases})


def test_k_fold_shares_out_the_sources():
    for split in k_fold(twenty_cases(), 5, seed=3):
        assert sorted(name.split("_")[0] for name in split.test) == ["coronacases"] * 2 + ["radiopaedia"] * 2


def test_k_fold_depends_on_the_seed_alone():
    assert k_fold(twenty_cases(), 5, seed=1) == k_fold(twenty_cases(), 5, seed=1)
    assert k_fold(twenty_cases(), 5, seed=1) != k_fold(twenty_cases(), 5, seed=2)


def test_a_source_with_fewer_members_than_folds_is_fine(said):
    cases = dataset(*"abcdefg", sources=dict.fromkeys("abcdef", "one") | {"g": "two"})
    check_patients_and_cases(cases, k_fold(cases, 5))
    assert said == []


def test_sources_too_small_to_share_out_are_left_aloud(said):
    cases = dataset(*"abcdef", sources=dict(zip("abcdef", "uvwxyz", strict=True)))
    check_patients_and_cases(cases, k_fold(cases, 3))
    assert len(said) == 1
    assert "without regard to them" in said[0]


def test_fewer_patients_than_folds_are_refused():
    cases = dataset("a", "b", "c", patients={"a": "p", "b": "p"})
    with pytest.raises(InputError, match="3 folds need at least 3 patients, found 2 patients in 3 cases"):
        k_fold(cases, 3)


def test_one_fold_is_refused():
    with pytest.raises(InputError, match="at least 2 folds, found 1"):
        k_fold(dataset("a", "b"), 1)


def test_hold_out_takes_that_share_of_the_patients():
    (split,) = hold_out(dataset(*"abcdefghij"), 0.3)
    assert len(split.test) == 3
    assert hold_out(dataset(*"abcdefghij"), 0.3, seed=0) == (split,)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, float("nan")])
def test_hold_out_refuses_a_fraction_outside_0_to_1(fraction):
    with pytest.raises(InputError, match="between 0 and 1"):
        hold_out(dataset("a", "b"), fraction)


def test_one_patient_cannot_be_split():
    cases = dataset("a", "b", patients={"a": "p", "b": "p"})
    for split in (hold_out, leave_one_out):
        with pytest.raises(InputError, match="at least 2 patients, found 1"):
            split(cases)


def test_published_folds_on_all_cases_say_which_patients_are_split(said):
    made = published(twenty_cases())
    assert [set(split.test) for split in made] == [set(fold) for fold in PUBLISHED_FOLDS]
    assert {len(split.train) for split in made} == {16}
    assert len(said) == 1
    assert "radiopaedia_10 and radiopaedia_29 are in training and in test" in said[0]


def test_published_folds_are_intersected_aloud(said):
    made = published(dataset("coronacases_007", "coronacases_001", "radiopaedia_10_85902_1"))
    assert made == (
        Split(("coronacases_001", "radiopaedia_10_85902_1"), ("coronacases_007",)),
        Split(("coronacases_007",), ("coronacases_001", "radiopaedia_10_85902_1")),
    )
    assert "3 of the 20 cases" in said[0]
    assert "fold 1, 3, 4 is present" in said[1]
    assert "none of the cases present is" in said[2]


def test_published_refuses_other_cases():
    with pytest.raises(InputError, match="found also mine"):
        published(dataset("coronacases_007", "mine"))


def test_published_refuses_cases_of_one_fold():
    with pytest.raises(InputError, match="at least 2 folds, found 1"):
        published(dataset("coronacases_007", "coronacases_008"))


def test_splits_survive_the_file(tmp_path):
    made = k_fold(twenty_cases(), 5)
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps(to_json(made)))
    assert from_file(path, twenty_cases()) == made
    assert to_json(made)[0].keys() == {"train", "val"}


def test_a_patient_on_both_sides_of_a_file_is_said_aloud(tmp_path, said):
    path = tmp_path / "splits.json"
    path.write_text('[{"train": ["a"], "val": ["b"]}]')
    from_file(path, dataset("a", "b", patients={"a": "p1", "b": "p1"}))
    assert "fold 0 has scans of p1 in train and in val" in said[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "splits are a list"),
        ('{"train": ["a"], "val": ["b"]}', "a file of splits is a list"),
        ("[3]", 'fold 0 needs "train"'),
        ('[{"train": ["a"]}]', 'fold 0 needs "val"'),
        ('[{"train": [], "val": ["b"]}]', 'fold 0 needs "train"'),
        ('[{"train": "a", "val": ["b"]}]', 'fold 0 needs "train"'),
        ('[{"train": [1], "val": ["b"]}]', 'fold 0 needs "train"'),
        ('[{"train": ["a", "a"], "val": ["b"]}]', "fold 0 has a twice in train"),
        ('[{"train": ["a"], "val": ["b"]}, {"train": ["z"], "val": ["b"]}]', "fold 1 names z"),
        ('[{"train": ["a", "b"], "val": ["b"]}]', "fold 0 has b in train and in val"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    path = tmp_path / "splits.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        from_file(path, dataset("a", "b"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        make_splits(tmp_path / "none.json", dataset("a", "b"))


def test_names_choose_the_splits(tmp_path, said):
    cases = twenty_cases()
    path = tmp_path / "folds.json"
    path.write_text(json.dumps(to_json(leave_one_out(cases))))
    assert make_splits("kfold", cases, folds=4, seed=7) == k_fold(cases, 4, seed=7)
    unstratified = make_splits("kfold", cases, folds=4, seed=7, stratify_by_source=False)
    assert unstratified == k_fold(cases, 4, seed=7, stratify_by_source=False)
    assert make_splits("published", cases) == published(cases)
    assert make_splits("hold-out:0.5", cases, seed=7) == hold_out(cases, 0.5, 7)
    assert make_splits("hold-out", cases) == hold_out(cases, 0.2, 0)
    assert make_splits("leave-one-out", cases) == leave_one_out(cases)
    assert make_splits(str(path), cases) == leave_one_out(cases)


@pytest.mark.parametrize("name", ["k-fold", "kfold:3", "published:1", "", "hold-out:many"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="found"):
        make_splits(name, dataset("a", "b"))


def slices(patients: int, each: int) -> Dataset:
    names = {f"p{patient}_{index:03d}": f"p{patient}" for patient in range(patients) for index in range(each)}
    return dataset(*names, patients=names)


def test_random_slices_split_single_cases(said):
    cases = slices(5, 20)
    (split,) = make_splits("slices:0.7,0.2,0.1", cases, seed=3)
    assert len(split.test) == 10
    assert sorted(split.train + split.test) == [case.name for case in cases]
    patients = {name.partition("_")[0] for name in split.test}
    assert said == [
        f"Random slices: slices of {len(patients)} of the {len(patients)} test patients are in training too; their "
        "scores are optimistic."
    ]
    assert make_splits("slices:0.7,0.2,0.1", cases, seed=3) == (split,)
    assert make_splits("slices:0.7,0.2,0.1", without_patients(cases), seed=3) == (split,)
    assert make_splits("slices:0.7,0.2,0.1", cases, seed=4) != (split,)


def test_random_slices_of_unknown_patients(said):
    (split,) = make_splits("slices:0.6,0.0,0.4", dataset("a", "b"))
    assert (len(split.train), len(split.test)) == (1, 1)
    assert said == [
        "Random slices: no two cases are known to be of one patient; where some are, the scores are optimistic."
    ]
    with pytest.raises(InputError, match="at least 2 cases, found 1"):
        make_splits("slices:0.6,0.0,0.4", dataset("a"))


@pytest.mark.parametrize(
    ("rule", "test", "validation"),
    [("slices:0.7,0.2,0.1", 0.1, 2 / 9), ("slices:0.6,0,0.4", 0.4, 0), ("slices: 0.333, 0.333, 0.334", 0.334, 0.5)],
)
def test_shares_of_slices(rule, test, validation):
    assert is_random_slices(rule)
    assert slice_shares(rule) == pytest.approx((test, validation))


@pytest.mark.parametrize(
    "rule",
    [
        "slices",
        "slices:",
        "slices:0.7",
        "slices:0.7,0.3",
        "slices:0.7,0.2,0.2",
        "slices:0,0.5,0.5",
        "slices:0.5,0.5,0",
        "slices:0.9,-0.1,0.2",
        "slices:nan,0.5,0.5",
        "slices:a,b,c",
        "slices:0.25,0.25,0.25,0.25",
    ],
)
def test_other_shares_are_refused(rule):
    with pytest.raises(InputError, match=rf"such as slices:0\.7,0\.2,0\.1, found {rule}"):
        make_splits(rule, slices(2, 5))


def test_cases_without_patients_are_their_own():
    assert [case.patient for case in without_patients(slices(1, 3))] == ["p0_000", "p0_001", "p0_002"]
    assert not is_random_slices("kfold")


def cohort(count, scores=(0, 0, 10, 30, 50, 70, 90), per_patient=1):
    """Studies whose scores repeat; those above 0 are diseased."""
    studies = []
    for number in range(count):
        score = float(scores[number // per_patient % len(scores)])
        patient = f"p{number // per_patient:03d}"
        study = Study(f"s{number:03d}", Path("c.h5"), None, patient, index=number, diseased=score > 0, score=score)
        studies.append(study)
    return Dataset(Path("c.h5"), tuple(studies), "cohort file")


def diseased_share(dataset, names):
    return sum(case.diseased for case in dataset.select(names)) / len(names)


def test_folds_of_studies_share_out_labels_and_categories():
    dataset = cohort(70)
    splits = k_fold(dataset, 5)
    assert sorted(name for split in splits for name in split.test) == [case.name for case in dataset]
    for split in splits:
        assert diseased_share(dataset, split.test) == pytest.approx(5 / 7, abs=0.08)
        assert len({case.stratum for case in dataset.select(split.test)}) == 6


def test_hold_out_of_studies_keeps_the_shares():
    dataset = cohort(70)
    (split,) = hold_out(dataset, 0.2)
    assert len(split.test) == 14
    for names in (split.train, split.test):
        assert diseased_share(dataset, names) == pytest.approx(5 / 7, abs=0.05)
    assert len({case.stratum for case in dataset.select(split.test)}) == 6
    assert hold_out(dataset, 0.2, seed=1) != (split,)


def test_studies_of_one_patient_are_on_one_side():
    dataset = cohort(84, per_patient=2)
    for split in (*k_fold(dataset, 3), *hold_out(dataset, 0.3)):
        patients = [{case.patient for case in dataset.select(names)} for names in (split.train, split.test)]
        assert not patients[0] & patients[1]


def test_hold_out_of_few_studies_keeps_the_labels_or_says_so(said):
    dataset = cohort(10, scores=(0, 10, 0, 30, 0, 50, 0, 70, 0, 90))
    (split,) = hold_out(dataset, 0.2)
    assert diseased_share(dataset, split.test) == 0.5
    assert not said
    assert len(hold_out(cohort(3), 0.2)[0].test) == 1
    assert "too few patients to keep the shares" in said[0]


def test_three_studies_for_five_folds_are_refused():
    with pytest.raises(InputError, match="5 folds need at least 5 patients, found 3 patients in 3 cases"):
        k_fold(cohort(3), 5)


def test_folds_of_few_studies_keep_the_labels_or_say_so(said):
    by_label = cohort(10, scores=(0, 10, 0, 30, 0, 50, 0, 70, 0, 90))
    assert [diseased_share(by_label, split.test) for split in k_fold(by_label, 5)] == [0.5] * 5
    of_five = [Study(f"s{n}", Path("c.h5"), None, f"p{n}", index=n, score=20.0 * (n % 5)) for n in range(10)]
    assert len(k_fold(Dataset(Path("c.h5"), tuple(of_five), "cohort file"), 10)) == 10
    assert not said
    assert len(k_fold(cohort(8, scores=(0, 10)), 5)) == 5
    assert "5 folds: too few studies to keep the shares" in said[0]


def test_no_fold_of_studies_is_empty():
    patients = "00010234020300"  # so that by strata alone a fold would be empty with some seeds
    studies = [
        Study(f"s{n:02}", Path("c.h5"), None, f"p{patient}", index=n, diseased=n % 3 == 0, score=float(n * 7 % 100))
        for n, patient in enumerate(patients)
    ]
    for seed in range(20):
        splits = k_fold(Dataset(Path("c.h5"), tuple(studies), "cohort file"), 5, seed=seed)
        assert all(split.test for split in splits)


def test_studies_are_not_split_as_slices():
    with pytest.raises(InputError, match="whole CTs, no slices"):
        make_splits("slices:0.7,0.2,0.1", cohort(20))
