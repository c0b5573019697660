"""A command as an array of tasks and a finishing command, and the two scripts that run them.

FOLDER/submission/tasks.sh runs the task whose number is in SLURM_ARRAY_TASK_ID, FOLDER/submission/finish.sh makes the
whole once all tasks have ended, or says which left no result. They are the same on a cluster and here. What is done is
known from the folder alone, so that submitting again runs the rest.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.evaluation.runs.run_marks import LOGS, SUBMISSION
from pneumoseg.evaluation.submission.resources import Resources
from pneumoseg.evaluation.submission.tasks import NUMBER, WHOLE, Tasks

FINISH = "finish"
"""The name of the finishing job."""
KILLED = 137
"""The exit code of a program that signal 9 ended: 128 + SIGKILL."""


@dataclass(frozen=True, kw_only=True)
class ArrayJob:
    """`program`: the words that start this program; `command`: its command and arguments, as for all cases at once;
    `folder`: of its results; `workdir`: where relative paths of the command begin; `tasks`: into which it divides;
    `estimate_gb`: of the memory of a task, where there is one.
    """

    program: tuple[str, ...]
    command: tuple[str, ...]
    folder: Path
    workdir: Path
    tasks: Tasks
    resources: Resources = field(default_factory=Resources)
    estimate_gb: float | None = None

    @property
    def place(self) -> Path:
        """The folder of the scripts and of what is known of the tasks."""
        return self.folder / SUBMISSION

    def log_of(self, name: str) -> Path:
        """The log of a task, or of FINISH, by its name."""
        return self.folder / LOGS / f"{name}.log"

    @property
    def tasks_script(self) -> Path:
        """The script of one task."""
        return self.place / "tasks.sh"

    @property
    def finish_script(self) -> Path:
        """The script of the finishing job."""
        return self.place / "finish.sh"

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The numbers of the tasks that have no result yet."""
        tasks = self.tasks
        return tuple(number for number in tasks.numbers if not (self.folder / tasks.result_of(number)).exists())

    @property
    def is_whole(self) -> bool:
        """Whether all tasks and the finishing command are done."""
        return not self.unfinished and (self.folder / self.tasks.whole).exists()


def write_scripts(job: ArrayJob, *, tasks_header: Sequence[str] = (), finish_header: Sequence[str] = ()) -> None:
    """Writes both scripts, and makes the folders that they need. The headers are lines for the cluster."""
    (job.place / "failed").mkdir(parents=True, exist_ok=True)
    (job.folder / LOGS).mkdir(exist_ok=True)
    write_text(job.tasks_script, _script(job, tasks_header, _task_lines(job)))
    write_text(job.finish_script, _script(job, finish_header, _finish_lines(job)))


def _script(job: ArrayJob, header: Iterable[str], lines: Iterable[str]) -> str:
    start = [
        "# Written by pneumoseg submit, anew each time. Its paths are those of whoever submits.",
        f"cd -- {shlex.quote(str(job.workdir))} || exit",
        f"folder={shlex.quote(str(job.folder))}",
    ]
    return "\n".join(["#!/usr/bin/env bash", *header, *start, *lines]) + "\n"


def _task_lines(job: ArrayJob) -> list[str]:
    limit_gb, estimate_gb = job.resources.memory_gb, job.estimate_gb
    known = [f"limit {limit_gb:g} GB" if limit_gb else "", f"estimate {estimate_gb:.1f} GB" if estimate_gb else ""]
    facts = f" ({', '.join(filter(None, known))})" if any(known) else ""
    return [
        "number=${SLURM_ARRAY_TASK_ID:?the number of the task}",
        f"name={_of_number(job.tasks.name)}",
        'rm -f -- "$folder/submission/failed/$name"',
        f"{shlex.join((*job.program, *job.command))} {' '.join(map(_of_number, job.tasks.flags))}",
        "status=$?",
        '[ $status -eq 0 ] || echo $status >"$folder/submission/failed/$name"',
        f"if [ $status -eq {KILLED} ]; then",
        f'    echo "$name was killed by signal 9, as where memory runs out"{shlex.quote(facts)} >&2',
        "fi",
        "exit $status",
    ]


def _finish_lines(job: ArrayJob) -> list[str]:
    """The finishing command after a look at all results: what is missing is to be computed by tasks of its own."""
    return [
        "missing=()",
        f"for number in {' '.join(map(str, job.tasks.numbers))}; do",
        f'    [ -e "$folder"/{_of_number(job.tasks.result)} ] || missing+=({_of_number(job.tasks.name)})',
        "done",
        "if [ ${#missing[@]} -gt 0 ]; then",
        '    echo "without result: ${missing[*]}; submit again: it says why, and runs these" >&2',
        "    exit 1",
        "fi",
        f"{shlex.join((*job.program, *job.command, '--resume'))} || exit",
        f'touch -- "$folder"/{shlex.quote(WHOLE)}',
    ]


def _of_number(text: str) -> str:
    """The text for a shell, with its variable `number` in the place of NUMBER."""
    return '"${number}"'.join(shlex.quote(part) if part else "" for part in text.split(NUMBER))
