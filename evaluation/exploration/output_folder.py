"""The folder of an exploration: figures/cases/CASE.png, exploration.csv, summary.json, figures/*.png, report.html.

Where all cases are pictures or slices, many of them share a file, figures/cases/sheet_001.png and so on."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.storage.atomic import folder_aside, write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.exploration import figures, sheets
from pneumoseg.evaluation.exploration.report import remarkable_cases, write_exploration_report
from pneumoseg.evaluation.exploration.table import describe_case, read_cases, summary
from pneumoseg.evaluation.figures.case_pictures import move_pictures
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.runs.output_guard import check_output_free

TABLE, SUMMARY, FIGURES, REPORT = "exploration.csv", "summary.json", "figures", "report.html"


@dataclass(frozen=True, eq=False)
class Exploration:
    """What a dataset holds: a row per case, as of `table.explore`, and their `table.summary`."""

    table: pd.DataFrame
    summary: dict[str, object]


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where an exploration cannot be written to `output`: a folder that is not empty, unless an
    exploration was ended there before its report, or `overwrite`."""
    check_output_free(
        output, REPORT, marks=(f"{FIGURES}/cases",), written=(FIGURES, TABLE, SUMMARY), overwrite=overwrite
    )


def explore_to_folder(
    dataset: Dataset, output: Path, labels: LabelTable = LUNG_LABELS, *, title: str, overwrite: bool = False
) -> Exploration:
    """Tabulates and draws every case of a dataset and writes the folder `output`, the report last. `title`: of the
    report.

    Nothing is written until every case has been read. Raises InputError as `check_output` and `table.explore`.
    """
    check_output(output, overwrite)
    flat = all(case.is_flat for case in dataset)
    rows, histograms = [], []
    undrawn: list[tuple[str, Volume, Volume | None]] = []
    drawn: list[tuple[str, Path]] = []
    with folder_aside(output / "cases") as aside:
        for case, image, mask in read_cases(dataset, labels):
            values, valid = case.mask_values(), case.read_valid()
            rows.append(describe_case(case, image, mask, labels=labels, mask_values=values, valid=valid))
            histograms.append(figures.count_intensities(case.name, case.source, image))
            undrawn.append((case.name, image, mask))
            if not flat or len(undrawn) == sheets.CASES or len(rows) == len(dataset):
                sheet = f"sheet_{len(drawn) + 1:03d}" if flat else case.name
                caption = case.name if len(undrawn) == 1 else f"{undrawn[0][0]} to {case.name}"
                drawn.append((caption, output / FIGURES / "cases" / f"{sheet}.png"))
                figure = (
                    sheets.sheet(undrawn, labels) if flat else figures.montage(image, mask, labels, title=case.name)
                )
                save_figure(figure, aside / f"{sheet}.png")
                undrawn.clear()
        move_pictures(aside, output / FIGURES / "cases")
    exploration = Exploration(table := pd.DataFrame(rows), summary(table, labels))
    write_table(table, output / TABLE, digits=None)
    write_json(output / SUMMARY, exploration.summary)
    write_exploration_report(
        output / REPORT,
        title,
        table,
        summary=exploration.summary,
        figures=_draw_overviews(exploration, histograms, output / FIGURES, labels=labels),
        thumbnails=drawn,
        warnings=remarkable_cases(table, labels),
        labels=labels,
    )
    return exploration


def _draw_overviews(
    exploration: Exploration, histograms: list[figures.IntensityHistogram], folder: Path, *, labels: LabelTable
) -> list[tuple[str, Path]]:
    """Draws the figures of the whole dataset; their captions and paths."""
    table = exploration.table
    drawn = [
        ("shapes_and_spacings", figures.shapes_and_spacings(table), "Sizes of each case"),
        ("intensities", figures.intensity_histograms(histograms), "Intensities of each case"),
    ]
    if exploration.summary["annotated_cases"]:
        caption = "Share of the voxels per class: mean, and each case"
        drawn.append(("class_frequencies", figures.class_frequencies(table, labels), caption))
    for name, figure, _ in drawn:
        save_figure(figure, folder / f"{name}.png")
    return [(caption, folder / f"{name}.png") for name, _, caption in drawn]
