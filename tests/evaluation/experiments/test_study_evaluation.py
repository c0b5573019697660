"""Predictions of any program scored against the table of a cohort."""

import functools

import pandas as pd
import pytest

from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.study_evaluation import check_output, evaluate_studies
from pneumoseg.evaluation.experiments.study_task import StudyTask
from pneumoseg.evaluation.measures.resampling import patient_bootstrap
from tests.evaluation.fake_studies import Guess, studies

STUDIES = tuple(studies(8))

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals from few resamples: what is tested here is that they are there."""
    few = functools.partial(patient_bootstrap, resamples=50)
    monkeypatch.setattr("pneumoseg.evaluation.scoring.study_tables.patient_bootstrap", few)


@pytest.fixture
def cohort(tmp_path):
    rows = [CohortRow(one.name, one.patient, tmp_path / one.name, one.diseased, one.score, {}) for one in STUDIES]
    return CohortTable(tmp_path / "cohort.csv", tuple(rows))


@pytest.fixture
def table(tmp_path):
    """Predictions as CSV."""
    found = [Guess().of(one) for one in STUDIES]
    columns = {"probability": [one.probability for one in found], "score": [one.score for one in found]}
    pd.DataFrame({"case": [one.name for one in STUDIES], **columns}).to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path / "theirs.csv"


def test_a_table_and_a_folder_give_the_same(cohort, table, tmp_path):
    for one in STUDIES:
        StudyTask().write(tmp_path / "predictions" / f"{one.name}.json", Guess().of(one))
    final = evaluate_studies(cohort, table, output=tmp_path / "out")
    other = evaluate_studies(cohort, tmp_path / "predictions", output=tmp_path / "other")
    pd.testing.assert_frame_equal(final, other)
    again = evaluate_studies(cohort, tmp_path / "out", output=tmp_path / "again")  # by its predictions.csv
    pd.testing.assert_frame_equal(final, again)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("predictions.csv", "classification.csv", "agreement.csv", "categories_off.csv", "accuracy.csv", "figures"),
        *("final.csv", "report.html", "summary.json", "metrics.csv"),
    }
    assert "theirs.csv" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(InputError, match="must be free for results"):
        check_output(tmp_path / "out")
    check_output(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("study03", "study33", "no prediction of study03"),
        ("study03", "study02", "several of study02"),
        ("probability,score", "chance,severity", "columns case and probability or score, found case, chance, severity"),
        ("case,", "name,", "columns case and probability"),
        ("study03,0", "study03,7", "case study03: probability lies between 0 and 1, found 7"),
        ("study03,", "study03,no", "probability lies between 0 and 1, found no"),
    ],
)
def test_wrong_predictions_are_refused_and_nothing_is_written(cohort, table, tmp_path, old, new, reason):
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=reason):
        evaluate_studies(cohort, table, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_too_many_is_refused(cohort, table, tmp_path):
    table.write_text(table.read_text() + "stranger,0.5,10\n")
    with pytest.raises(InputError, match=r"cohort\.csv: .* no study named stranger"):
        evaluate_studies(cohort, table, output=tmp_path / "out")


def test_predictions_of_what_the_table_does_not_say_are_refused(tmp_path):
    rows = [CohortRow(one.name, one.patient, tmp_path / one.name, one.diseased, None, {}) for one in STUDIES]
    pd.DataFrame({"case": [one.name for one in STUDIES], "score": 10.0}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"t.csv: probabilities need labels in .*cohort.csv, predicted scores need"):
        evaluate_studies(CohortTable(tmp_path / "cohort.csv", tuple(rows)), tmp_path / "t.csv", output=tmp_path / "o")
    assert not (tmp_path / "o").exists()
