"""Into which tasks a command divides: the folds of a cross-validation, or parts of the cases."""

from dataclasses import dataclass

from pneumoseg.evaluation.runs.parts import FOLDER
from pneumoseg.evaluation.runs.run_marks import METRICS, SUBMISSION

NUMBER = "{}"
"""Stands for the number of a task."""
FINISHED = f"{SUBMISSION}/finished"
"""The folder of what the scripts say is done."""
WHOLE = f"{FINISHED}/whole"
LAST_FILES = {"evaluate": METRICS, "severity": "severity.csv"}
"""What commands that join parts write last."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """`numbers` of the tasks; `flags` that make a command one task, its `name`, and the file in the folder of the
    results whose presence says that it is done, `result`: in these, NUMBER stands for the task's number. `whole`: the
    file that says so of all. `done_codes`: the exit codes of a task that did all that it can."""

    numbers: tuple[int, ...]
    flags: tuple[str, ...]
    name: str
    result: str
    whole: str
    done_codes: tuple[int, ...] = (0,)

    def name_of(self, number: int) -> str:
        """The name of a task.

        >>> part_tasks("evaluate", 8).name_of(2)
        'part_2_of_8'
        """
        return self.name.replace(NUMBER, f"{number}")

    def result_of(self, number: int) -> str:
        """The file that says that a task is done.

        >>> fold_tasks(5).result_of(2)
        'fold_2/metrics.csv'
        """
        return self.result.replace(NUMBER, f"{number}")


def fold_tasks(count: int) -> Tasks:
    """A task for each fold of `kfold`."""
    return Tasks(
        numbers=tuple(range(count)),
        flags=("--fold", NUMBER, "--resume"),
        name=f"fold_{NUMBER}",
        result=f"fold_{NUMBER}/{METRICS}",
        whole="report.html",
    )


def part_tasks(command: str, count: int, *, keep_going: bool = False) -> Tasks:
    """A task for each of `count` parts of the cases of `predict`, `evaluate` or `severity`. `keep_going`: bad cases are
    skipped; the finishing command names them, and makes the whole of the others."""
    name = f"part_{NUMBER}_of_{count}"
    return Tasks(
        numbers=tuple(range(1, count + 1)),
        flags=("--part", f"{NUMBER}/{count}", "--resume"),
        name=name,
        result=f"{FOLDER}/{NUMBER}_of_{count}.json" if command in LAST_FILES else f"{FINISHED}/{name}",
        whole=LAST_FILES.get(command, WHOLE),
        done_codes=(0, 1) if keep_going else (0,),
    )
