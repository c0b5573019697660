"""An array of three parts whose program is a few lines of shell, so that tests need not wait for imports."""

from dataclasses import replace
from pathlib import Path

from pneumoseg.evaluation.submission.array_job import ArrayJob
from pneumoseg.evaluation.submission.resources import Resources
from pneumoseg.evaluation.submission.tasks import part_tasks

PROGRAM = """
echo "$@" >>"$FOLDER/calls.txt"
for last; do part=$previous; previous=$last; done
mkdir -p "$FOLDER/parts"
case $part in
    1/3) ;;
    */3) SLOW ;;
    *) : >"$FOLDER/whole.csv"; exit ;;
esac
: >"$FOLDER/parts/${part%/3}_of_3.json"
"""


def stub_job(root: Path, *, slow: str = ":", resources: Resources | None = None, name: str = "out") -> ArrayJob:
    """The job in the folder `root`/`name`. `slow`: what the tasks 2 and 3 do before they end."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    program = folder / "program.sh"
    program.write_text(PROGRAM.replace("SLOW", slow).replace("$FOLDER", str(folder)))
    return ArrayJob(
        program=("bash", str(program)),
        command=("evaluate", "it's one", "-o", name),
        folder=Path(name),
        workdir=root,
        tasks=replace(part_tasks("evaluate", 3), whole="whole.csv"),
        resources=resources or Resources(),
        estimate_gb=6.25,
    )


def calls(job: ArrayJob) -> list[str]:
    """The arguments of each start of the program, the common ones left out."""
    text = (job.workdir / job.folder / "calls.txt").read_text()
    return [line.removeprefix("evaluate it's one -o out ") for line in text.splitlines()]
