"""Into which tasks a command divides: the folds of a cross-validation, or parts of the cases."""

from dataclasses import dataclass

from pneumoseg.evaluation.runs.parts import FOLDER
from pneumoseg.evaluation.runs.run_marks import METRICS, SUBMISSION

NUMBER = "{}"
"""Stands for the number of a task."""
WHOLE = f"{SUBMISSION}/whole"
"""What the finishing script says is done."""
LAST_FILES = {"evaluate": METRICS, "severity": "severity.csv"}
"""What commands that join parts write last."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """`numbers` of the tasks; `flags` that make a command one task, its `name`, and the file in the folder of the
    results whose presence says that it is done, `result`: in these, NUMBER stands for the task's number. `whole`: the
    file that says so of all."""

    numbers: tuple[int, ...]
    flags: tuple[str, ...]
    name: str
    result: str
    whole: str

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


def part_tasks(command: str, count: int) -> Tasks:
    """A task for each of `count` parts of the cases of `predict`, `evaluate` or `severity`."""
    return Tasks(
        numbers=tuple(range(1, count + 1)),
        flags=("--part", f"{NUMBER}/{count}", "--resume"),
        name=f"part_{NUMBER}_of_{count}",
        result=f"{FOLDER}/{NUMBER}_of_{count}.json",
        whole=LAST_FILES.get(command, WHOLE),
    )
