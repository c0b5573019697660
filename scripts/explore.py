"""`pneumoseg explore`: what does a dataset hold?"""

from pathlib import Path

from pneumoseg.scripts.shared.command_line import (
    Classes,
    DataFolder,
    Grid,
    Json,
    Output,
    Overwrite,
    Quiet,
    Verbose,
    command,
    print_json,
    run,
)


@command
def explore(
    data: DataFolder,
    output: Output,
    classes: Classes = 4,
    grid: Grid = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Tabulate and draw every case: shapes, spacings, intensities, class frequencies.

    Writes report.html (one page with everything), table.csv, summary.json, figures/*.png and
    figures/cases/CASE.png, once every case has been read. Four classes bear the names of COVID-19-CT-Seg's, another
    number of them the names class_1, class_2 and so on.

    Example: pneumoseg explore data/ -o exploration/
    """
    import os

    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.datasets.layouts import open_dataset
    from pneumoseg.data_io.errors import InputError
    from pneumoseg.data_io.formats.label_mapping import parse_labels
    from pneumoseg.data_io.formats.nifti_placement import grid_form
    from pneumoseg.data_io.storage.atomic import folder_aside, write_json
    from pneumoseg.data_io.storage.csv_files import write_table
    from pneumoseg.data_io.storage.folders import visible_name
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    from pneumoseg.evaluation.exploration import figures
    from pneumoseg.evaluation.exploration.report import remarkable_cases, write_exploration_report
    from pneumoseg.evaluation.exploration.table import explore as tabulate
    from pneumoseg.evaluation.exploration.table import readable
    from pneumoseg.evaluation.exploration.table import summary as summarise
    from pneumoseg.evaluation.figures.saving import save_figure

    if not (overwrite or _is_free(output)):
        raise InputError(f"{output}: exists already and is not an empty folder; choose another, or add --overwrite")
    labels = LUNG_LABELS
    if classes != len(LUNG_LABELS):
        labels = parse_labels([f"{number}=class_{number}" for number in range(1, classes)]).table
    histograms, sheets, overviews = [], [], []

    def overview(figure, name, caption):
        overviews.append((caption, output / "figures" / f"{name}.png"))
        save_figure(figure, overviews[-1][1])

    with folder_aside(output / "cases") as drawn:

        def draw(case, image, mask):
            histograms.append(figures.count_intensities(case.name, case.source, image))
            sheets.append((case.name, output / "figures" / "cases" / f"{case.name}.png"))
            save_figure(figures.montage(image, mask, labels, title=case.name), drawn / f"{case.name}.png")

        table = tabulate(open_dataset(data, need_masks=False, grid=grid_form(grid)), labels, draw)
        (output / "figures" / "cases").mkdir(parents=True, exist_ok=True)
        for _, sheet in sheets:
            os.replace(drawn / sheet.name, sheet)
    summary = summarise(table, labels)
    write_table(table, output / "exploration.csv", digits=None)
    write_json(output / "summary.json", summary)
    overview(figures.shapes_and_spacings(table), "shapes_and_spacings", "Voxels, spacing and extent of each case")
    overview(figures.intensity_histograms(histograms), "intensities", "Intensities of each case")
    if summary["annotated_cases"]:
        figure = figures.class_frequencies(table, labels)
        overview(figure, "class_frequencies", "Share of the voxels per class: mean, and each case")
    write_exploration_report(
        output / "report.html",
        f"Dataset: {visible_name(data)}",
        table,
        summary=summary,
        figures=overviews,
        thumbnails=sheets,
        warnings=remarkable_cases(table, labels),
        labels=labels,
    )
    log.info("written to %s", output)
    if json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json({"summary": summary, "cases": rows})
    elif not quiet:
        print(readable(table, labels))
        for name, content in summary.items():
            values = content.items() if isinstance(content, dict) else [("", content)]
            print(f"{name}:", ", ".join(f"{key} {value:.6g}".strip() for key, value in values if value is not None))


def _is_free(output: Path) -> bool:
    """Whether nothing lies there but hidden files, or what an exploration leaves that was killed before its report."""
    if not output.is_dir():
        return not output.exists()
    visible = {path.name for path in output.iterdir() if not path.name.startswith(".")}
    begun = (output / "figures" / "cases").is_dir() and visible <= {"figures", "exploration.csv", "summary.json"}
    return begun or not visible


if __name__ == "__main__":
    run(explore)
