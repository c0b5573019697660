"""Cross-validation of a method that predicts numbers, not masks."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.run_comparison import compare_runs
from pneumoseg.evaluation.experiments.task import Task
from pneumoseg.evaluation.runs.splits import k_fold
from pneumoseg.evaluation.scoring.comparison import compare, readable
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS as OF_MASKS
from pneumoseg.evaluation.scoring.tables import read_detailed, result_lines
from tests.evaluation.mean_value import COLUMNS, MeanOfImage, MeanTask


def test_a_number_per_case_goes_all_the_way_to_the_report(dataset, tmp_path):
    task = MeanTask({case.name: float(case.read_image().array.mean()) for case in dataset})
    tables = {}
    for name, bias in (("exact", 0.0), ("biased", 2.0)):
        method = MeanOfImage(bias)
        results = cross_validate(dataset, k_fold(dataset, 2, seed=0), method, output=tmp_path / name, task=task)
        assert results.complete
        tables[name] = read_detailed(tmp_path / name / "cv_results.detailed.csv", COLUMNS)
        assert tables[name]["error_hu"].tolist() == pytest.approx([bias] * 6, abs=1e-4)
    run = tmp_path / "biased"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["classes"]["mean"]["error_hu"]["mean"] == pytest.approx(2.0)
    assert (run / "cv_results.final.csv").read_text().startswith("fold,class,cases,error_hu_mean,error_hu_sd")
    assert "2.000 ± 0.000" in result_lines(results.final, COLUMNS)
    comparison = compare(tables, columns=COLUMNS)
    (row,) = comparison.summary.to_dict("records")
    assert (row["better"], row["worse"], row["mean_difference"]) == (0, 6, pytest.approx(2.0, abs=1e-4))
    assert "error_hu" in readable(comparison)
    report = (run / "report.html").read_text()
    assert "absolute error (HU)" in report
    assert "Dice" not in report
    files = [path for path in run.rglob("*") if path.is_file()]
    assert not [
        path for path in files if path.name.endswith(".nii.gz") or path.name in ("lesions.csv", "confusion.csv")
    ]
    columns = set((run / "fold_0" / "metrics.csv").read_text().splitlines()[0].split(","))
    assert columns == {"fold", "case", "class", "error_hu", "predicted_hu"}
    assert not columns & (set(OF_MASKS) - {"fold", "case", "class"})


def test_a_method_without_labels_needs_a_task(dataset, tmp_path):
    with pytest.raises(InputError, match="MeanOfImage"):
        cross_validate(dataset, k_fold(dataset, 2, seed=0), MeanOfImage(), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class WithTable(MeanTask):
    """Keeps a further table of its own."""

    further_files = ("roc.csv",)

    def write_further(self, folder, scored):
        (folder / "roc.csv").write_text("threshold\n0.5\n")

    def merge_further(self, folders, target):
        (target / "roc.csv").write_text("threshold\n" + "0.5\n" * len(folders))


def test_a_run_with_tables_of_its_task_can_be_overwritten(dataset, tmp_path):
    task = WithTable({case.name: 0.0 for case in dataset})
    splits, output = k_fold(dataset, 2, seed=0), tmp_path / "run"
    cross_validate(dataset, splits, MeanOfImage(), output=output, task=task)
    assert (output / "roc.csv").read_text().count("0.5") == 2
    again = cross_validate(dataset, splits, MeanOfImage(1.0), output=output, task=task, overwrite=True)
    assert again.complete
    (output / "notes.csv").write_text("")
    with pytest.raises(InputError, match=r"found other things in it: notes\.csv"):
        cross_validate(dataset, splits, MeanOfImage(), output=output, task=task, overwrite=True)


def test_predictions_of_an_interrupted_fold_are_not_taken_for_those_of_another_model(dataset, tmp_path):
    task = MeanTask({case.name: 0.0 for case in dataset})
    splits, output = k_fold(dataset, 2, seed=0), tmp_path / "run"
    cross_validate(dataset, splits, MeanOfImage(), output=output, task=task, folds=[0])
    (output / "fold_0" / "metrics.csv").unlink()  # as after a kill before the last file
    with pytest.raises(InputError, match="fold_0: the fold was begun") as refused:
        cross_validate(dataset, splits, MeanOfImage(), output=output, task=task, folds=[0])
    assert refused.value.options == ("resume", "overwrite")
    assert cross_validate(dataset, splits, MeanOfImage(), output=output, task=task, resume=True).complete


def test_a_task_without_columns_is_refused_before_anything_is_written(dataset, tmp_path):
    with pytest.raises(InputError, match="found none in Task"):
        cross_validate(dataset, k_fold(dataset, 2, seed=0), MeanOfImage(), output=tmp_path / "run", task=Task())
    assert not (tmp_path / "run").exists()


def test_runs_of_numbers_are_compared_by_their_folders(dataset, tmp_path):
    task = MeanTask({case.name: float(case.read_image().array.mean()) for case in dataset})
    for name, bias in (("exact", 0.0), ("biased", 2.0)):
        splits = k_fold(dataset, 2, seed=0)
        cross_validate(dataset, splits, MeanOfImage(bias), output=tmp_path / name, task=task)
    runs = {name: tmp_path / name for name in ("exact", "biased")}
    assert compare_runs(runs, columns=COLUMNS).summary["mean_difference"].tolist() == [pytest.approx(2.0, abs=1e-4)]
