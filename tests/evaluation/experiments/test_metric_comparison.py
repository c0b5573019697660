"""Runs under every metric: the table of trainings, scores by class, the folder that is written."""

import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.metric_comparison import (
    check_output,
    compare_metrics,
    kept_epoch,
    split_rule,
    write_metric_comparison,
)
from pneumoseg.evaluation.figures.fitting_curves import read_history
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.pipeline.settings.loading import load_settings
from tests.evaluation.finished_runs import write_run

METRICS = "training.metrics=[accuracy, iou, dice]"
VALIDATION = "training.monitor=validation"


@pytest.fixture
def runs(tmp_path):
    """As in a published comparison: two by binary cross-entropy, one by soft Dice; the last by patients, two folds."""
    return {
        "accuracy": write_run(
            tmp_path / "runs" / "accuracy", METRICS, VALIDATION, "training.best=accuracy", "loss.name=crossentropy",
            "evaluation.splits=slices:0.7,0.2,0.1",
        ),
        "dice": write_run(
            tmp_path / "runs" / "dice", METRICS, VALIDATION, "training.best=dice", "loss.name=dice", folds=2
        ),
    }  # fmt: skip


def test_one_row_per_run(runs):
    comparison = compare_metrics(runs)
    accuracy, dice = comparison.trainings.to_dict("records")
    assert (accuracy["run"], accuracy["loss"], accuracy["monitored"]) == (
        "accuracy",
        "crossentropy",
        "validation accuracy",
    )
    assert accuracy["splits"] == "slice-wise (slices:0.7,0.2,0.1)"
    assert (accuracy["minutes"], accuracy["epochs"], accuracy["folds"]) == (2, 4, 1)
    # The third of four epochs has the best validation: 0.92 in training, 0.87 in validation.
    assert (accuracy["training"], accuracy["validation"]) == pytest.approx((0.92, 0.87))
    assert (accuracy["test_score"], accuracy["class"]) == ("accuracy", "infection")
    assert (accuracy["test_mean"], accuracy["test_pooled"]) == pytest.approx(((0.98 + 0.99) / 2, 197 / 200))
    assert (dice["score"], dice["splits"], dice["folds"], dice["minutes"]) == ("dice", "patient-wise (kfold)", 2, 2)
    assert dice["test_mean"] == pytest.approx((16 / 18 + 2 / 3) / 2, abs=1e-5)
    assert dice["test_pooled"] == pytest.approx(18 / 21, abs=1e-5)
    assert comparison.choices["dice"] == "the epoch with the best score"


def test_every_run_under_every_metric(runs):
    scores = compare_metrics(runs).scores.set_index(["run", "class"])
    assert list(scores.index) == [("accuracy", "infection"), ("dice", "infection")]
    one = scores.loc[("accuracy", "infection")]
    assert one["cases"] == 2
    assert one["precision_mean"] == pytest.approx((8 / 10 + 1) / 2)
    assert one["precision_pooled"] == pytest.approx(9 / 11, abs=1e-5)
    assert one["sensitivity_mean"] == pytest.approx((1 + 1 / 2) / 2)
    assert one["iou_pooled"] == pytest.approx(9 / 12)
    assert one["jaccard_distance_pooled"] == pytest.approx(3 / 12)


def test_the_epoch_that_was_kept(tmp_path):
    history = read_history(write_run(tmp_path / "run") / "fold_0" / "history.csv")
    expected = {
        ("validation", "loss"): 2, ("validation", "accuracy"): 2, ("training", "loss"): 3, ("training", "dice"): 3,
        ("none", "loss"): 3,
    }  # fmt: skip
    for (monitor, best), epoch in expected.items():
        changes = [METRICS, f"training.monitor={monitor}", f"training.best={best}", "training.early_stop_patience=null"]
        settings = load_settings("demo", [*changes, "training.schedule=constant"])
        assert kept_epoch(history, settings) == epoch, (monitor, best)
    settings = load_settings("demo", [METRICS, VALIDATION, "training.best=iou"])
    assert kept_epoch(history.drop(columns="val_iou"), settings) is None
    changes = ["training.metrics=[auc, soft-dice]", VALIDATION]
    for best in ("auc", "soft-dice"):  # the larger the better, though no score of test cases has the name
        settings = load_settings("demo", [*changes, f"training.best={best}"])
        scores = history.assign(val_auc=[0.5, 0.9, 0.7, 0.6], val_soft_dice=[0.5, 0.9, 0.7, 0.6])
        assert kept_epoch(scores, settings) == 1


def test_a_loss_that_is_monitored_has_the_dice_of_the_test_beside_it(tmp_path):
    run = write_run(tmp_path / "run", VALIDATION, "training.metrics=[soft-dice]")
    (row,) = compare_metrics({"run": run}).trainings.to_dict("records")
    assert (row["score"], row["test_score"]) == ("loss", "dice")
    assert (row["training"], row["validation"]) == pytest.approx((0.7, 0.8))


def test_how_cases_were_split():
    def rule(*changes):
        return split_rule(load_settings("demo", list(changes)).evaluation)

    assert rule("evaluation.splits=hold-out:0.4") == "patient-wise (hold-out:0.4)"
    assert rule("evaluation.groups=content") == "patient-wise, look-alikes together (kfold)"
    assert rule("evaluation.splits=published") == "published"


def test_the_folder_of_a_comparison(runs, tmp_path):
    output = tmp_path / "metrics"
    write_metric_comparison(compare_metrics(runs), output)
    assert sorted(path.relative_to(output).as_posix() for path in output.rglob("*.*")) == [
        "figures/training_curves.png", "metric_comparison.csv", "metric_comparison.html", "scores.csv",
    ]  # fmt: skip
    page = (output / "metric_comparison.html").read_text(encoding="utf-8")
    assert '<a href="../runs/accuracy/report.html">accuracy</a>' in page
    assert str(tmp_path) not in page
    assert list(pd.read_csv(output / "metric_comparison.csv")["run"]) == ["accuracy", "dice"]
    with pytest.raises(InputError, match="must be free for results"):
        write_metric_comparison(compare_metrics(runs), output)
    (output / "metric_comparison.csv").unlink()  # as if killed before the last file
    check_output(output)
    with pytest.raises(InputError, match="this is a run folder"):
        check_output(runs["dice"], overwrite=True)


def test_a_report_far_away_is_not_linked(runs, tmp_path):
    output = tmp_path / "one" / "two" / "metrics"
    write_metric_comparison(compare_metrics(runs), output)
    assert "report.html" not in (output / "metric_comparison.html").read_text(encoding="utf-8")


def test_runs_without_training_and_without_pooled_scores(tmp_path):
    run = write_run(tmp_path / "vote", history=False)
    (run / "pooled.csv").unlink()
    comparison = compare_metrics({"vote": run})
    row = comparison.trainings.iloc[0]
    assert row[["minutes", "training", "validation", "test_pooled"]].isna().all()
    write_metric_comparison(comparison, tmp_path / "out")
    assert not (tmp_path / "out" / "figures" / "training_curves.png").exists()


def test_what_is_no_finished_run_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="at least one run"):
        compare_metrics({})
    with pytest.raises(InputError, match="no such run folder"):
        compare_metrics({"x": tmp_path / "nowhere"})
    (runs["dice"] / "cv_results.detailed.csv").unlink()
    with pytest.raises(InputError, match="finish the run first"):
        compare_metrics(runs)
    RunFolder(runs["accuracy"]).fold(0).joinpath("history.csv").write_text("epoch,loss\n0,x\n")
    with pytest.raises(InputError, match="columns must hold numbers"):
        compare_metrics(runs)
