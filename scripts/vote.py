"""`pneumoseg vote`: an ensemble of runs, measured by cross-validation."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    DataFolders,
    Folds,
    Json,
    Output,
    Overwrite,
    Quiet,
    Resume,
    Set,
    Threads,
    TrustPlugins,
    Verbose,
    dataset_of,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_results


@command
def vote(
    data: DataFolders,
    output: Output,
    model: Annotated[list[Path], typer.Option("--model", help="A run folder of `kfold`; give two or more.")],
    changes: Set = None,
    fold: Folds = None,
    trust_plugins: TrustPlugins = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measures the ensemble of several runs, fold by fold, and writes the same run folder as `kfold`; trains nothing.

    The folds of the runs need the same test cases (`kfold --splits FIRST/splits.json`); all else may differ, such as
    network, spacing and training cases.
    For masks of new CTs: `pneumoseg predict --model FIRST --model SECOND`.

    Example: pneumoseg vote data/covid-19-ct-seg -o runs/both --model runs/first --model runs/second
    """
    use_device("auto", threads)
    from pneumoseg.evaluation.experiments.cross_validation import check_folds, cross_validate
    from pneumoseg.evaluation.runs.ensemble_splits import splits_of_runs
    from pneumoseg.pipeline.methods.voting import Voting

    method = Voting(tuple(model), tuple(changes or ()), trust_plugins, threads)
    dataset = dataset_of(method.settings, data)
    folds = splits_of_runs(model, dataset)
    check_folds(fold, len(folds))
    numbers = range(len(folds)) if fold is None else fold
    method.check_trained(numbers)
    method.check_unchanged(output, except_folds=numbers if overwrite else ())
    results = cross_validate(
        dataset,
        folds,
        method,
        output=output,
        folds=fold,
        resume=resume,
        overwrite=overwrite,
    )
    print_results(results, quiet=quiet, json=json)


if __name__ == "__main__":
    run(vote)
