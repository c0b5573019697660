"""`pneumoseg submit`: a command as a job array of a SLURM cluster, or task by task on this machine."""

import functools
import importlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import HANDING_ON, command, flags_of, run
from pneumoseg.scripts.shared.experiments import experiment_of
from pneumoseg.scripts.shared.options import Json, Output, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json

if TYPE_CHECKING:
    from pneumoseg.evaluation.submission.array_job import ArrayJob
    from pneumoseg.evaluation.submission.resources import Resources
    from pneumoseg.evaluation.submission.submitting import Submission
    from pneumoseg.evaluation.submission.tasks import Tasks

Name = Literal["kfold", "predict", "evaluate", "severity"]
UsageError = typer.BadParameter.__base__
"""What typer raises for arguments that a command does not take, in whichever of its versions."""
OWN = {"resume", "overwrite", "part", "dry_run"}
"""Flags of the commands that a submission gives or that mean nothing in one."""
OWN_OF = {"kfold": {"fold"}, "evaluate": {"scheduler", "workers", "insecure"}}
"""Those of one command: a part of evaluate is scored in one process."""

Cluster = Annotated[
    Literal["slurm", "local"],
    typer.Option("--cluster", help="slurm writes a job array; local runs the same scripts here, one after the other."),
]
Run = Annotated[bool, typer.Option("--run", help="With slurm: submit the jobs, too.")]
TaskCount = Annotated[
    int | None,
    typer.Option(
        "--tasks", min=1, help="Number of parts of the cases; of kfold, each fold is a task.", show_default=False
    ),
]
Gpus = Annotated[int | None, typer.Option("--gpus", min=0, help="Of each task.", show_default=False)]
Cpus = Annotated[int | None, typer.Option("--cpus", min=1, help="Of each task.", show_default=False)]
MemoryGb = Annotated[float | None, typer.Option("--memory-gb", help="Of each task.", show_default=False)]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="H:MM:SS", help="Of each task, as SLURM writes times.", show_default=False),
]
Partition = Annotated[str | None, typer.Option("--partition", help="Of the cluster.", show_default=False)]
Account = Annotated[str | None, typer.Option("--account", help="Who pays for it.", show_default=False)]
MaxRunning = Annotated[
    int | None, typer.Option("--max-running", min=1, help="So many tasks at a time.", show_default=False)
]
ResourcesFile = Annotated[
    Path | None,
    typer.Option("--resources", help="YAML file of these: gpus, memory_gb, time, and so on.", show_default=False),
]


@command
def submit(
    name: Annotated[Name, typer.Argument(metavar="COMMAND", help="kfold, predict, evaluate or severity.")],
    output: Output,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENTS...", help="Of that command, handed on.", show_default=False)
    ] = None,
    cluster: Cluster = "slurm",
    run: Run = False,
    tasks: TaskCount = None,
    gpus: Gpus = None,
    cpus: Cpus = None,
    memory_gb: MemoryGb = None,
    time: Time = None,
    partition: Partition = None,
    account: Account = None,
    max_running: MaxRunning = None,
    resources: ResourcesFile = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Makes a command a job array: a task for each fold of kfold, or for each of so many parts of the cases of predict,
    evaluate and severity, and a finishing job that makes the whole of them.

    Writes OUTPUT/submission/tasks.sh and finish.sh, which with --run are submitted to SLURM; logs go to OUTPUT/logs.
    The same call again submits the tasks without result and the finishing job, and says why there was none. A flag that
    both know is submit's, or after -- the command's.

    Example: pneumoseg submit kfold data/covid -o runs/first --cluster slurm --run --gpus 1 --memory-gb 32
    """
    from pneumoseg.evaluation.submission.resources import read_resources
    from pneumoseg.evaluation.submission.submitting import submit_array

    given = _parsed(name, [*(arguments or ()), "-o", str(output)])
    asked = read_resources(
        resources,
        gpus=gpus,
        cpus=cpus,
        memory_gb=memory_gb,
        time=time,
        partition=partition,
        account=account,
        max_running=max_running,
    )
    job = _job(name, arguments or (), output, given, tasks=tasks, resources=asked)
    if asked.memory_gb is not None and job.estimate_gb is not None and asked.memory_gb < job.estimate_gb:
        log.warning(
            "--memory-gb %g is below the estimate of %.1f GB: tasks may be killed", asked.memory_gb, job.estimate_gb
        )
    done = submit_array(job, cluster, run=run)
    if json:
        print_json(
            {
                "folder": str(output),
                "complete": done.complete,
                "tasks": list(done.tasks),
                "failed": dict(done.failed),
                "jobs": dict(done.jobs),
                "scripts": [str(job.tasks_script), str(job.finish_script)],
                "estimate_gb": job.estimate_gb,
            }
        )
    elif not quiet:
        print("\n".join(_lines(job, done)))
    if done.code:
        raise typer.Exit(1)


def _lines(job: "ArrayJob", done: "Submission") -> list[str]:
    """What the terminal shows."""
    count = f"{len(done.tasks)} of {len(job.tasks.numbers)} tasks"
    if done.jobs:
        return [f"submitted {count}: jobs {' '.join(done.jobs.values())}; logs in {job.log_of('finish').parent}"]
    if done.code:
        return [f"{job.folder}: not complete; see {job.log_of('finish')}, and submit again"]
    if done.complete:
        return [f"{job.folder}: complete, {count} were run"]
    array = f"sbatch {shlex.quote(str(job.tasks_script))}"
    finish = f"sbatch --dependency=afterany:JOB {shlex.quote(str(job.finish_script))}"
    return [f"{count} are to be run; the same call with --run does this:", *([array] * bool(done.tasks)), finish]


def _parsed(name: str, arguments: Sequence[str]) -> Mapping[str, Any]:
    """The arguments of the command by the names of its parameters. Raises InputError for those that it does not take,
    and for those that a submission gives itself."""
    function = getattr(importlib.import_module(f"pneumoseg.scripts.{name}"), name)

    @functools.wraps(function)
    def kept(**given: Any) -> dict[str, Any]:
        return given

    app = typer.Typer(add_completion=False)
    app.command()(kept)
    try:
        given = typer.main.get_command(app).main([*arguments], prog_name=name, standalone_mode=False)
    except UsageError as error:  # type: ignore[misc]
        raise InputError(f"{name}: {error.format_message()}") from error  # type: ignore[attr-defined]
    own = [flags_of(function)[one] for one in sorted(OWN | OWN_OF.get(name, set())) if given.get(one)]
    if own:
        raise InputError(f"a submission decides itself about {', '.join(own)} of {name}; leave it out")
    return given


def _job(
    name: Name,
    arguments: Sequence[str],
    output: Path,
    given: Mapping[str, Any],
    *,
    tasks: int | None,
    resources: "Resources",
) -> "ArrayJob":
    from pneumoseg.data_io.formats.writing import is_label_file
    from pneumoseg.evaluation.submission.array_job import ArrayJob

    if output.is_file() or is_label_file(output):
        raise InputError(f"{output}: the output of many tasks is a folder; name a folder")
    divided, estimate_gb = _folds(given, tasks) if name == "kfold" else (_parts(name, given, tasks), None)
    return ArrayJob(
        program=(sys.executable, "-P", "-m", "pneumoseg.scripts.cli"),
        command=(name, *arguments, "-o", str(output)),
        folder=output,
        workdir=Path.cwd(),
        tasks=divided,
        resources=resources,
        estimate_gb=estimate_gb,
    )


def _folds(given: Mapping[str, Any], tasks: int | None) -> "tuple[Tasks, float | None]":
    """The folds, and the estimated memory of a training in GB; of networks for whole studies there is none."""
    from pneumoseg.evaluation.submission.tasks import fold_tasks
    from pneumoseg.pipeline.settings.schema import Settings

    if tasks is not None:
        raise InputError("each fold of kfold is a task; leave --tasks out, and set evaluation.folds")
    how = {name: given[name] for name in ("seed", "splits", "grid")}
    experiment = experiment_of(given["data"], given["preset"], given["changes"], **how)
    estimate_gb = None
    if isinstance(experiment.settings, Settings):
        from pneumoseg.pipeline.training.cost import memory_gb

        estimate_gb = memory_gb(experiment.settings, [case.read_grid() for case in experiment.dataset])
    return fold_tasks(len(experiment.splits)), estimate_gb


def _parts(name: Name, given: Mapping[str, Any], tasks: int | None) -> "Tasks":
    from pneumoseg.evaluation.submission.tasks import part_tasks

    if tasks is None:
        raise InputError(f"into how many parts the cases of {name} are divided is needed", options=("tasks",))
    if name == "evaluate" and given["reference"].suffix.lower() == ".csv":
        raise InputError("evaluate compares the table of a cohort at once, not in parts; call it itself")
    return part_tasks(name, tasks)


if __name__ == "__main__":
    run(submit, HANDING_ON)
