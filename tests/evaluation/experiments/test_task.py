"""Cross-validation of a method that predicts numbers, not masks."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
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
