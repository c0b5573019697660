"""Which experiment the data ask for, and a cohort through all commands."""

import functools
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from pneumoseg.data_io.datasets.cohort_file import CohortEntry, write_cohort
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.study_task import StudyTask
from pneumoseg.evaluation.measures.resampling import patient_bootstrap
from pneumoseg.evaluation.scoring import study_comparison, study_tables
from pneumoseg.pipeline.methods.segmenter import Segmenter
from pneumoseg.pipeline.methods.study_method import StudyMethod
from pneumoseg.pipeline.preprocessing import study_preparation
from pneumoseg.pipeline.settings.preparation import PreparationSettings
from pneumoseg.scripts.cli import app
from pneumoseg.scripts.shared.experiments import experiment_of, is_cohort, start_model
from tests.blank_figures import savefig

SHAPE = (4, 4, 4)


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def cohort(tmp_path):
    entries = [
        CohortEntry(
            name=f"s{index}", patient=f"p{index}", diseased=index % 2 == 1, score=None, content=f"{index:064x}",
            source=f"{index:064x}", lung_ml=4000.0, lung_mean_hu=-800.0, slices=100, spacing_mm=(3.0, 3.0, 5.0),
        )
        for index in range(6)
    ]  # fmt: skip
    arrays = ((np.full(SHAPE, -800, np.int16), np.ones(SHAPE, np.uint8)) for _ in entries)
    how = PreparationSettings(shape=SHAPE).model_dump(mode="json")
    write_cohort(tmp_path / "cohort.h5", entries, arrays, shape=SHAPE, preparation=how)
    return tmp_path / "cohort.h5"


def test_a_dataset_is_segmented(phantoms):
    experiment = experiment_of([phantoms], "demo", ["evaluation.folds=2"], seed=3)
    assert isinstance(experiment.method, Segmenter)
    assert experiment.task is None
    assert (len(experiment.dataset), len(experiment.splits), experiment.settings.seed) == (4, 2, 3)
    assert experiment_of([phantoms], "demo", None, seed=None, split=False).splits == ()


def test_a_cohort_file_is_classified(cohort):
    experiment = experiment_of([cohort], "hrct-classifier", None, seed=None, splits="hold-out:0.34")
    assert isinstance(experiment.method, StudyMethod)
    assert isinstance(experiment.task, StudyTask)
    ((train, test),) = [(split.train, split.test) for split in experiment.splits]
    assert (len(train), len(test)) == (4, 2)
    assert {study.diseased for study in experiment.dataset.select(test)} == {True, False}
    assert experiment_of([cohort], None, None, seed=None, split=False).settings.network.heads == ("label", "score")


def test_the_kind_of_data_is_told_by_the_files(cohort, phantoms, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("patient,path,label\n")
    assert is_cohort([cohort])
    assert not is_cohort([phantoms])
    with pytest.raises(InputError, match="a table of studies is prepared first: pneumoseg prepare"):
        is_cohort([table])
    with pytest.raises(InputError, match="one cohort file is needed, found 2 datasets"):
        is_cohort([cohort, phantoms])
    with pytest.raises(InputError, match="were read by prepare; leave out"):
        experiment_of([cohort], None, None, seed=None, grid="qform")


def test_presets_of_the_other_kind_are_refused(cohort, phantoms):
    with pytest.raises(InputError, match="demo: no such preset"):
        experiment_of([cohort], "demo", None, seed=None)
    with pytest.raises(InputError, match="hrct-joint: no such preset"):
        experiment_of([phantoms], "hrct-joint", None, seed=None)


def test_a_start_model_may_be_of_either_kind(cohort, tmp_path):
    from pneumoseg.pipeline.models.study_model import StudyModel, save_study_model
    from pneumoseg.pipeline.networks.study_networks import build_study_network

    changes = ["input.shape=[4, 4, 4]", "network.filters=[2]"]
    experiment = experiment_of([cohort], "hrct-classifier", changes, seed=None, split=False)
    assert start_model(None, experiment, False) is None
    model = StudyModel(build_study_network(experiment.settings), experiment.settings, {})
    save_study_model(tmp_path / "model.keras", model)
    assert isinstance(start_model(tmp_path / "model.keras", experiment, False), StudyModel)


@pytest.fixture
def quick_cohorts(monkeypatch):
    """Lungs are found on a coarser grid, and intervals from fewer resamples."""
    fine, few = study_preparation._mask_grid, functools.partial(patient_bootstrap, resamples=50)
    monkeypatch.setattr(study_preparation, "_mask_grid", lambda grid, spacing_mm: fine(grid, 2 * spacing_mm))
    for module in (study_tables, study_comparison):
        monkeypatch.setattr(module, "patient_bootstrap", few)


@pytest.mark.usefixtures("quick_cohorts")
def test_a_cohort_from_its_table_to_scores(tmp_path, monkeypatch):
    """Generated studies are prepared, learnt in two folds, predicted, evaluated and compared; the run's figures, and
    those of one fold, are really drawn."""
    studies, cohort, run = tmp_path / "studies", tmp_path / "cohort.h5", tmp_path / "run"
    table = studies / "cohort.csv"
    flags = [
        part
        for change in ("input.shape=[8, 16, 16]", "network.filters=[4, 4]", "training.epochs=1", "evaluation.folds=2")
        for part in ("--set", change)
    ]
    for arguments in (
        ("phantom", "--kind", "cohort", "-o", studies, "--cases", "6", "--shape", "32", "32", "24", "--seed", "2"),
        ("prepare", table, "-o", cohort, "--shape", "8", "16", "16"),
        ("kfold", cohort, "-o", run, "--preset", "hrct-joint-cpu", *flags, "--fold", "1"),
    ):
        code, output = invoke(*arguments)
        assert code == 0, output
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        code, output = invoke("kfold", cohort, "-o", run, "--preset", "hrct-joint-cpu", *flags, "--resume", "--json")
    assert code == 0, output
    answer, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])
    assert sum(row["studies"] for row in answer["categories_off"]) == 6
    assert len(pd.read_csv(run / "predictions.csv")) == 6
    assert len(list((run / "fold_0" / "predictions").glob("*.score.nii.gz"))) == 3
    assert "Grad-CAM of the score" in (run / "report.html").read_text()
    before = (run / "classification.csv").read_text()
    for arguments in (
        ("report", run, cohort, "--quiet"),
        ("predict", studies, "-o", tmp_path / "found", "--model", run, "--json"),
        ("evaluate", "--reference", table, "--prediction", tmp_path / "found", "-o", tmp_path / "scores"),
        ("compare", run, tmp_path / "scores", "-o", tmp_path / "comparison"),
        ("kfold", cohort, "-o", tmp_path / "other", "--preset", "hrct-joint", *flags, "--dry-run"),
    ):
        code, output = invoke(*arguments)
        assert code == 0, output
    assert "6 studies, 2 trainings, network of" in output
    assert (run / "classification.csv").read_text() == before
    assert (tmp_path / "comparison" / "comparison.csv").is_file()
    code, output = invoke("predict", studies, "-o", tmp_path / "masks", "--model", run, "--statistics", "--tta")
    assert code == 2
    assert "leave out what is not for these data (--tta, --statistics)" in " ".join(output.split())
    code, output = invoke("train", cohort, "-o", tmp_path / "final", "--preset", "hrct-joint-cpu", *flags, "--quiet")
    assert code == 0, output
    assert (tmp_path / "final" / "model.keras").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["report", "run", "cohort.h5", "--tolerance", "infection=3"],
            "of the surfaces of masks (--tolerance)",
        ),
        (
            [
                "evaluate",
                "--reference",
                "t.csv",
                "--prediction",
                "p",
                "-o",
                "s",
                "--tolerance",
                "a=1",
                "--grid",
                "qform",
            ],
            "compared with labels and scores, not with masks (--tolerance, --grid)",
        ),
        (["kfold", "cohort.h5", "-o", "run", "--grid", "qform"], "were read by prepare (--grid)"),
        (["train", "cohort.h5", "-o", "run", "--grid", "qform"], "were read by prepare (--grid)"),
    ],
)
def test_flags_that_mean_nothing_for_whole_studies_are_refused(arguments, words):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    told, _, flags = words.rpartition(" (")
    output = " ".join(result.output.split())
    assert told in output and f"({flags}" in output
