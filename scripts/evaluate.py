"""pneumoseg evaluate: scores of masks against reference masks."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.cluster_options import Insecure, Scheduler, Workers, cluster_of
from pneumoseg.scripts.shared.command import command, refuse_flags, run, value_of
from pneumoseg.scripts.shared.options import (
    Grid,
    Json,
    Output,
    Overwrite,
    Part,
    Quiet,
    Resume,
    Tolerances,
    Verbose,
    tolerances_of,
)
from pneumoseg.scripts.shared.printing import print_json, print_part

Reference = Annotated[
    Path,
    typer.Option(
        "--reference",
        help="Folder of reference masks (CASE.nii.gz, .nii, .seg.nrrd, .nrrd, .nhdr, .mha, .mhd), or of a dataset; or "
        "the table of a cohort (CSV).",
        show_default=False,
    ),
]
Prediction = Annotated[
    Path, typer.Option("--prediction", help="Folder of predicted masks, as the reference's.", show_default=False)
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        metavar="NUMBER=NAME",
        help="Classes of the masks; may be repeated. By default 1=lung_left,2=lung_right,3=infection. Names that a "
        "mask's file (.seg.nrrd, NIfTI with a label table) or dataset.json gives count more.",
        show_default=False,
    ),
]
Probabilities = Annotated[
    Path | None,
    typer.Option(
        "--probabilities",
        help="Folder of maps CASE.CLASS.nii.gz, as predict --probabilities writes them: adds the AUC.",
        show_default=False,
    ),
]


@command
def evaluate(
    reference: Reference,
    prediction: Prediction,
    output: Output,
    labels: Labels = None,
    tolerance: Tolerances = None,
    probabilities: Probabilities = None,
    grid: Grid = None,
    part: Part = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    insecure: Insecure = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Scores predicted masks against reference masks of the same names; any classes, from any program.

    Writes metrics.csv (overlap, surface distances, volumes and lesions, one row per case and class), final.csv (means
    over cases with intervals), final.by_source.csv (cases with and without lesions apart, where there are any),
    lesions.csv, confusion.csv, summary.json, figures/ and report.html. Where the reference is a dataset, its CTs are
    shown with both masks.

    With the table of a cohort as reference, the predictions of networks for whole studies are scored:
    classification.csv, agreement.csv, categories_off.csv, predictions.csv, figures/ and report.html.

    With --part I/N, scores these masks alone: parts/I_of_N.json, and their pictures. With --resume, masks of such parts
    are not scored again, so that the last call makes the whole of all parts.

    Example: pneumoseg evaluate --reference data/covid --prediction masks -o scores
    """
    from dataclasses import replace

    from pneumoseg.data_io.console import log

    if reference.suffix.lower() == ".csv":
        refuse_flags(
            "the table of a cohort is compared with labels and scores, not with masks",
            labels=labels,
            tolerance=tolerance,
            probabilities=probabilities,
            grid=grid,
            part=part,
            resume=resume,
            scheduler=scheduler,
            workers=workers,
            insecure=insecure,
        )
        _evaluate_cohort(reference, prediction, output, overwrite=overwrite, quiet=quiet, json=json)
        return
    from pneumoseg.data_io.datasets.inputs import part_numbers
    from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING, parse_labels
    from pneumoseg.evaluation.experiments.mask_evaluation import evaluate_masks, evaluate_part
    from pneumoseg.evaluation.report.page import summarise
    from pneumoseg.evaluation.scoring.tables import result_lines

    with value_of("--labels"):
        mapping = parse_labels(labels) if labels else LUNG_MAPPING
    if part is not None:
        refuse_flags("a part is scored in one process", scheduler=scheduler, workers=workers, insecure=insecure)
        with value_of("--part"):
            part_numbers(part)
        cases = evaluate_part(
            reference,
            prediction,
            part,
            replace(mapping, grid=grid or "sform"),
            output=output,
            tolerances_mm=tolerances_of(tolerance),
            probabilities=probabilities,
            resume=resume,
            overwrite=overwrite,
        )
        print_part(output, part, cases, quiet=quiet, json=json)
        return
    if scheduler is not None or workers is not None:
        reference, prediction, output = reference.absolute(), prediction.absolute(), output.absolute()
        probabilities = probabilities and probabilities.absolute()
    with cluster_of(scheduler, workers, insecure, shared=output, inputs=[reference, prediction]) as cluster:
        final = evaluate_masks(
            reference,
            prediction,
            replace(mapping, grid=grid or "sform"),
            output=output,
            tolerances_mm=tolerances_of(tolerance),
            probabilities=probabilities,
            resume=resume,
            overwrite=overwrite,
            executor=cluster,
        )
    if json:
        print_json(summarise(final))
    elif not quiet:
        print(result_lines(final))
    log.info("Written to %s", output)


def _evaluate_cohort(table: Path, prediction: Path, output: Path, *, overwrite: bool, quiet: bool, json: bool) -> None:
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
    from pneumoseg.evaluation.experiments.study_evaluation import evaluate_studies
    from pneumoseg.evaluation.scoring.study_tables import study_content, study_lines

    evaluate_studies(read_cohort_table(table), prediction, output=output, overwrite=overwrite)
    if json:
        print_json(study_content(output))
    elif not quiet:
        print(study_lines(output))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(evaluate)
