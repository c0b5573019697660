"""`pneumoseg report`: tables, figures and report of a run, made again from its predictions."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, refuse_flags, run
from pneumoseg.scripts.shared.experiments import is_cohort
from pneumoseg.scripts.shared.options import DataFolders, Json, Quiet, Tolerances, Verbose, dataset_of, tolerances_of
from pneumoseg.scripts.shared.printing import print_results


@command
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run of kfold, miscnn or vote.")],
    data: DataFolders,
    tolerance: Tolerances = None,
    hide_cases: Annotated[
        bool, typer.Option("--hide-cases", help="No pictures of CTs in report.html, for publishing it.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Scores the predictions of a finished run again and replaces its tables, figures and report; trains nothing.

    For runs of an earlier version, and for other tolerances of masks. The dataset must be that of the run.

    Example: pneumoseg report runs/first data/covid-19-ct-seg
    """
    from pneumoseg.data_io.datasets.studies import open_cohort
    from pneumoseg.evaluation.experiments.mask_task import MaskTask
    from pneumoseg.evaluation.experiments.rescoring import score_again
    from pneumoseg.evaluation.experiments.study_task import StudyTask
    from pneumoseg.evaluation.experiments.task import Task
    from pneumoseg.evaluation.runs.run_folder import check_same_data, open_finished
    from pneumoseg.evaluation.runs.splits import from_file
    from pneumoseg.pipeline.settings.loading import load_settings, load_study_settings
    from pneumoseg.pipeline.settings.schema import Settings
    from pneumoseg.pipeline.settings.studies import StudySettings

    of_studies = is_cohort(data)
    if of_studies:
        refuse_flags("tolerances are of the surfaces of masks, and whole studies have none", tolerance=tolerance)
    finished = open_finished(run_folder)
    file = str(run_folder / "settings.yaml")
    if of_studies:
        settings: Settings | StudySettings = load_study_settings(file)
        dataset = open_cohort(data[0])
        task: Task = StudyTask()
    else:
        settings = how = load_settings(file)
        dataset = dataset_of(how, data)
        tolerances_mm = dict(how.evaluation.tolerances_mm) | tolerances_of(tolerance)
        task = MaskTask(how.labels.table, tolerances_mm, how.evaluation.positive_ml)
    check_same_data(finished, dataset)
    folds = from_file(run_folder / "splits.json", dataset)
    trained_here = any(run_folder.glob("fold_*/model.keras"))  # ensembles and MIScnn leave other files
    choice = finished.summary.get("model choice", settings.model_choice if trained_here else "not recorded")
    results = score_again(finished, dataset, folds, task=task, model_choice=choice, show_cases=not hide_cases)
    print_results(results, quiet=quiet, json=json, task=task)


if __name__ == "__main__":
    run(report)
