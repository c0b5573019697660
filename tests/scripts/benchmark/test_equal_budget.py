import subprocess
import sys

import pandas as pd
import pytest

from pneumoseg.scripts.benchmark.equal_budget import measure, seconds_of_epoch

# Stands for a training: what it says of its epochs goes to the log of its run folder, and it lasts.
TRAINING = """
import pathlib, sys, time
run = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
run.mkdir()
(run / "log.txt").write_text("INFO epoch 1/2  loss 2  seconds 9.5\\nINFO epoch 2/2  loss 1  seconds 4.25  dice 1\\n")
time.sleep(60)
"""


def test_a_trial_is_stopped_after_its_second_epoch(tmp_path):
    assert seconds_of_epoch([sys.executable, "-c", TRAINING], tmp_path / "trial") == 4.25


def test_a_trial_that_fails_is_told(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        seconds_of_epoch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "trial")


def test_a_run_is_measured_by_its_history_and_scores(tmp_path):
    (tmp_path / "fold_1").mkdir()
    (tmp_path / "settings.yaml").write_text("training: {steps_per_epoch: 7}\n")
    pd.DataFrame({"epoch": [0, 1], "seconds": [90, 60]}).to_csv(tmp_path / "fold_1" / "history.csv")
    names = ["lung_left", "lung_right", "lungs", "infection"]
    rows = [{"case": case, "class": name, "dice": dice} for case, dice in (("a", 0.5), ("b", 0.75)) for name in names]
    pd.DataFrame(rows).to_csv(tmp_path / "fold_1" / "metrics.csv")
    found = measure(tmp_path, 1)
    assert (found["steps"], found["minutes"], found["infection_dice"]) == (14, 2.5, 0.625)
