"""The results of a whole run: cv_results.*.csv, summary.json, figures and report.html from what the folds left."""

from collections.abc import Sequence

import pandas as pd

from data_io.atomic import write_json
from evaluation import tables
from evaluation.figures.box_plots import TITLES, box_plots
from evaluation.figures.saving import save_figure
from evaluation.report import summarise, write_report
from evaluation.run_folder import RunFolder
from evaluation.splits import Split


def write_results(
    run: RunFolder, splits: Sequence[Split], detailed: pd.DataFrame, final: pd.DataFrame, model_choice: str
) -> None:
    """Writes the tables, the summary, the box plots and the report of a run whose folds are finished.

    `model_choice`: how the method chose each fold's model, in words.
    """
    tables.write_csv(detailed, run.root / "cv_results.detailed.csv")
    tables.write_csv(final, run.root / "cv_results.final.csv")
    summary = {"model choice": model_choice, **summarise(final)}
    write_json(run.root / "summary.json", summary)
    figures = []
    for score in ("dice", "nsd", "hd95_mm", "iou", "sensitivity", "precision"):
        path = run.root / "figures" / f"{score}.png"
        save_figure(box_plots(detailed, score), path)
        title = TITLES.get(score, score.capitalize())
        figures.append((f"{title[0].upper()}{title[1:]} per class: every case, over the folds", path))
    for fold in range(len(splits)):
        curve = run.fold(fold) / "fitting_curve.png"
        if curve.is_file():
            figures.append((f"Fold {fold}: training", curve))
    for fold, split in enumerate(splits):
        figures += [
            (f"{case}, fold {fold}: CT, reference, prediction", run.fold(fold) / "figures" / f"{case}.png")
            for case in split.test
        ]
    write_report(
        run.root / "report.html",
        f"Cross-validation: {run.root.name}",
        summary,
        run.settings_yaml,
        splits,
        detailed,
        final,
        figures,
        _warnings(run),
        run.environment,
    )


def _warnings(run: RunFolder) -> list[str]:
    """What was warned of during the run, each once, from its log."""
    path = run.root / "log.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    marked = (line.partition(" WARNING ")[2] for line in lines)
    return list(dict.fromkeys(warning for warning in marked if warning))
