"""`pneumoseg verify`: is a dataset fit for training?"""

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    Classes,
    DataFolders,
    Grid,
    Json,
    Masks,
    Merge,
    Quiet,
    Verbose,
    explored_dataset,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def verify(
    data: DataFolders,
    classes: Classes = None,
    masks: Masks = "masks",
    merge: Merge = None,
    grid: Grid = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check every case of a dataset: geometry, voxels, labels, units. Exit code 1 where an error is found.

    Example: pneumoseg verify data/
    """
    from dataclasses import asdict

    from pneumoseg.data_io.datasets.verification import verify_dataset

    dataset, count = explored_dataset(data, classes, grid=grid, masks=masks, merge=merge)
    findings = verify_dataset(dataset, count)
    errors = sum(finding.level == "error" for finding in findings)
    counts = {"cases": len(dataset), "errors": errors, "warnings": len(findings) - errors}
    if json:
        print_json({"layout": dataset.layout, **counts, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.level:<7} {finding.case}: {finding.message}")
        if not quiet:
            print(", ".join(f"{count} {name}" for name, count in counts.items()) + f" ({dataset.layout})")
    if errors:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(verify)
