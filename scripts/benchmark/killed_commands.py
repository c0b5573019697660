"""The commands that `kill.py` kills, what they read, and how they are started."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TINY = (
    "preprocessing.spacing_mm=[10,10,12]",
    "patches.shape=[16,16,8]",
    "network.filters=[4,8]",
    "training.epochs=2",
    "training.steps_per_epoch=2",
    "training.workers=1",
    "training.deterministic=true",
    "training.precision=float32",
    "evaluation.folds=2",
)
TRAINING = ("--preset", "demo", *(part for change in TINY for part in ("--set", change)))
SLOWEST_S = 600.0


@dataclass(frozen=True)
class Command:
    """A command line for an output, what makes it go on, and what lies in the output before."""

    arguments: Callable[[Path, Path], list]
    again: tuple[str, ...] = ()
    before: Callable[[Path, Path], object] = lambda inputs, output: None


def _copy_of(name: str) -> Callable[[Path, Path], object]:
    return lambda inputs, output: shutil.copytree(inputs / name, output)


COMMANDS: dict[str, Command] = {
    "phantom": Command(lambda _, out: ["phantom", "-o", out, "--cases", 3, "--shape", 32, 32, 24, "--overwrite"]),
    "explore": Command(lambda inputs, out: ["explore", inputs / "data", "-o", out]),
    "severity": Command(lambda inputs, out: ["severity", inputs / "data", "-o", out]),
    "evaluate": Command(
        lambda inputs, out: ["evaluate", "--reference", inputs / "data", "--prediction", inputs / "masks", "-o", out]
    ),
    "compare": Command(lambda inputs, out: ["compare", inputs / "scores_a", inputs / "scores_b", "-o", out]),
    "predict": Command(
        lambda inputs, out: [
            *("predict", inputs / "data", "-o", out, "--model", inputs / "run_a"),
            *("--statistics", "--preview", "--probabilities"),
        ],
        ("--resume",),
    ),
    "kfold": Command(lambda inputs, out: ["kfold", inputs / "data", "-o", out, *TRAINING], ("--resume",)),
    "kfold again": Command(
        lambda inputs, out: ["kfold", inputs / "data", "-o", out, *TRAINING, "--overwrite"], before=_copy_of("run_a")
    ),
    "train": Command(lambda inputs, out: ["train", inputs / "data", "-o", out, *TRAINING], ("--resume",)),
    "vote": Command(
        lambda inputs, out: [
            *("vote", inputs / "data", "-o", out),
            *("--model", inputs / "run_a", "--model", inputs / "run_b"),
        ],
        ("--resume",),
    ),
    "report": Command(lambda inputs, out: ["report", out, inputs / "data"], before=_copy_of("run_a")),
    "bundle": Command(
        lambda inputs, out: [
            *("bundle", inputs / "run_a" / "fold_0" / "model.keras", inputs / "run_a" / "fold_1" / "model.keras"),
            *("-o", out, "--overwrite"),
        ],
        before=_copy_of("bundle"),
    ),
}
FROM_PHANTOMS = ("phantom", "explore", "severity", "evaluate")
"""Commands that read phantoms alone, and "compare" their scores; the others read runs."""


def make_inputs(place: Path, names: Sequence[str] = tuple(COMMANDS)) -> None:
    """Makes what these commands read in `place`/inputs: phantoms and masks, scores, runs and a bundle."""
    inputs = place / "inputs"
    _finish(place, ["phantom", "-o", inputs / "data", "--cases", 4, "--shape", 32, 32, 24, "--seed", 1])
    (inputs / "masks").mkdir()
    for case in sorted((inputs / "data").glob("phantom_*")):
        shutil.copy(case / "segmentation.nii.gz", inputs / "masks" / f"{case.name}.nii.gz")
    for name in ("scores_a", "scores_b") if "compare" in names else ():
        masks = ["--reference", inputs / "data", "--prediction", inputs / "masks"]
        _finish(place, ["evaluate", *masks, "-o", inputs / name])
    if any(name not in (*FROM_PHANTOMS, "compare") for name in names):
        _finish(place, ["kfold", inputs / "data", "-o", inputs / "run_a", *TRAINING])
        splits = ["--splits", inputs / "run_a" / "splits.json"]
        _finish(place, ["kfold", inputs / "data", "-o", inputs / "run_b", *TRAINING, "--seed", 1, *splits])
        _finish(place, ["bundle", inputs / "run_b" / "fold_0" / "model.keras", "-o", inputs / "bundle"])
        (inputs / "bundle" / "README.md").write_text("a model card\n", encoding="utf-8")


def new_work(place: Path, name: str) -> Path:
    """A folder for one round, with what lies in the output before."""
    work = Path(tempfile.mkdtemp(prefix="round-", dir=place))
    COMMANDS[name].before(place / "inputs", work / "out")
    return work


def command_line(place: Path, work: Path, name: str, *, resumes: bool = False) -> list[str]:
    """The arguments of a process that runs the command in `work`; with `resumes`, those that make it go on."""
    command = COMMANDS[name]
    arguments = [*command.arguments(place / "inputs", work / "out"), *(command.again if resumes else ())]
    return [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments)]


def environment(work: Path) -> dict[str, str]:
    """Of processes that keep all but their results within `work`."""
    further = {"PNEUMOSEG_CACHE": str(work / "cache"), "TMPDIR": str(work), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return os.environ | further


def _finish(place: Path, arguments: list) -> None:
    command = [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments), "--quiet"]
    (place / "inputs").mkdir(exist_ok=True)
    subprocess.run(command, env=environment(place), check=True, timeout=SLOWEST_S)
