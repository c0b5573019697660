"""The checks of a cohort as a table and as text."""

from pathlib import Path

from pneumoseg.data_io.datasets.cohort_table import CohortRow
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.exploration.cohort_checks import checks_path, readable, write_checks
from pneumoseg.pipeline.prediction.cohort_preparation import Finding
from tests.data_io.datasets.cohorts import entry


def finding(name, problem="", *, prepared=True, kept=True, diseased=False):
    row = CohortRow(name, f"of {name}", Path("folder") / f"{name}.nii.gz", diseased, 5.0 if diseased else None, {})
    return Finding(row, entry(name, problem=problem) if prepared else None, problem, kept)


FINDINGS = (
    finding("anna", diseased=True),
    finding("bert", "expiration: 2000 ml"),
    finding("clara", "folder/clara.nii.gz: no lungs were found", prepared=False, kept=False),
)


def test_each_row_says_whether_the_study_is_valid_and_kept(tmp_path):
    path = checks_path(tmp_path / "cohort.h5")
    assert path == tmp_path / "cohort.checks.csv"
    write_checks(path, FINDINGS)
    table = read_table(path)
    assert table["case"].tolist() == ["anna", "bert", "clara"]
    assert table["valid"].tolist() == ["yes", "no", "no"]
    assert table["in_cohort"].tolist() == ["yes", "yes", "no"]
    assert table["problem"].tolist() == ["", "expiration: 2000 ml", "clara: no lungs were found"]
    assert table["lung_ml"].isna().tolist() == [False, False, True]
    assert "folder" not in path.read_text()


def test_the_summary_counts_labels_and_lists_what_is_not_valid():
    assert readable(FINDINGS).splitlines() == [
        "2 of 3 studies of 2 patients: 1 diseased, 1 healthy; 1 with a score",
        "  kept: bert: expiration: 2000 ml",
        "  left out: clara: folder/clara.nii.gz: no lungs were found",
    ]
