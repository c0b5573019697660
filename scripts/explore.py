"""`pneumoseg explore`: what does a dataset hold?"""

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    Classes,
    DataFolders,
    Grid,
    Json,
    Masks,
    Merge,
    Output,
    Overwrite,
    Quiet,
    Verbose,
    explored_dataset,
    numbered_labels,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def explore(
    data: DataFolders,
    output: Output,
    classes: Classes = None,
    masks: Masks = "masks",
    merge: Merge = None,
    grid: Grid = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Tabulate and draw every case: shapes, spacings, intensities, values of the masks, class frequencies.

    Writes report.html (one page with everything), exploration.csv, summary.json, figures/*.png and
    figures/cases/CASE.png, of pictures and slices sheets of many, once every case has been read. Four classes have the
    names of COVID-19-CT-Seg's, another number of them the names class_1, class_2 and so on.

    Example: pneumoseg explore data/ -o exploration/
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.storage.folders import visible_name
    from pneumoseg.evaluation.exploration.output_folder import explore_to_folder
    from pneumoseg.evaluation.exploration.table import readable, readable_summary
    from pneumoseg.evaluation.scoring.tables import rows_of

    dataset, count = explored_dataset(data, classes, grid=grid, masks=masks, merge=merge)
    labels = numbered_labels(count)
    title = f"Dataset: {' and '.join(map(visible_name, data))}"
    exploration = explore_to_folder(dataset, output, labels, title=title, overwrite=overwrite)
    log.info("written to %s", output)
    table = exploration.table
    if json:
        print_json({"summary": exploration.summary, "cases": rows_of(table)})
    elif not quiet:
        print(readable(table, labels))
        print(readable_summary(exploration.summary))


if __name__ == "__main__":
    run(explore)
