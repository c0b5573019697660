"""What commands print on standard output: JSON for other programs, and the scores of a cross-validation."""

import json as json_format
from collections.abc import Sequence
from pathlib import Path


def print_json(content: object, *, lines: bool = False) -> None:
    """Prints `content` on standard output, for other programs, with `lines` as one of many lines; undefined numbers
    (NaN) are refused."""
    print(json_format.dumps(content, indent=None if lines else 2, allow_nan=False), flush=lines)


def print_part(output: Path, part: str, cases: Sequence[str], *, quiet: bool, json: bool) -> None:
    """Prints which cases a part had, and how the whole is made of all parts."""
    if json:
        print_json({"part": part, "cases": list(cases)})
    elif not quiet:
        print(f"{output}: part {part} of {len(cases)} cases is done; the same call with --resume, without --part,")
        print("makes the whole of all parts")


def print_results(results, *, quiet: bool, json: bool, task=None) -> None:
    """Prints the scores of the folds finished so far, and where the rest lies. `task`: of the run, where it has more to
    show than scores of masks."""
    from pneumoseg.evaluation.report.page import summarise
    from pneumoseg.evaluation.scoring.sources import source_lines
    from pneumoseg.evaluation.scoring.tables import result_lines, rows_of

    root = results.run.root
    if json:
        content = {"run": str(root), "complete": results.complete, "summary": summarise(results.final, results.columns)}
        if results.by_source is not None:
            content["by_source"] = rows_of(results.by_source)
        if task is not None and results.complete:
            content |= task.content(root)
        print_json(content)
    elif not quiet:
        print(result_lines(results.final, results.columns))
        if results.by_source is not None:
            print(f"\n{source_lines(results.by_source)}")
        if task is not None and results.complete and (lines := task.lines(root)):
            print(f"\n{lines}")
        if results.complete:
            print(f"report: {root / 'report.html'}\nscores: {root / 'cv_results.detailed.csv'}")
        else:
            print(f"{root}: other folds are still to be run; the last one writes the cv_results")
