"""Kills commands at any moment and looks at what they leave: SIGKILL, as a system short of memory sends it.

    python scripts/benchmark/kill.py --rounds 60 --json kill.json [--command kfold ...] [--seed 0]

Each round starts a command on tiny phantoms, kills it when its folder has changed for the n-th time (n drawn evenly, so
that the moments of writing are hit) or after a time drawn evenly, and then demands: every visible file can be read to
its end; no process is left after five seconds; the same command again (with --resume where it has that) ends well,
leaves no hidden file behind, and files that equal those of a run that was never killed.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.machine import report
from pneumoseg.scripts.benchmark.whole_files import contents, damaged_files, left_behind

TINY = (
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
ORPHANS_END_WITHIN_S = 5.0
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
    "phantom": Command(lambda _, out: ["phantom", out, "--cases", 3, "--shape", 32, 32, 24, "--overwrite"]),
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


@dataclass
class Round:
    """One kill: what was killed and when, and what was wrong after it, by kind."""

    command: str
    moment: str
    finished_before: bool = False
    faults: dict[str, list[str]] = field(default_factory=dict)


def benchmark(
    rounds: Annotated[int, typer.Option("--rounds", min=1)] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    command: Annotated[list[str] | None, typer.Option("--command", help="Only these commands.")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Kills commands and prints how often something was wrong afterwards."""
    chosen = command or list(COMMANDS)
    with tempfile.TemporaryDirectory() as place:
        make_inputs(Path(place), chosen)
        made = kill_commands(Path(place), chosen, rounds, seed=seed)
    report(figures(made), json_file)
    if any(one.faults for one in made):
        raise SystemExit(1)


def figures(made: list[Round]) -> dict:
    """Rounds per command, faults by kind, and each faulty round."""
    print(f"{'command':12} {'rounds':>6} {'killed':>6} {'faulty':>6}", file=sys.stderr)
    for name in dict.fromkeys(one.command for one in made):
        same = [one for one in made if one.command == name]
        killed, faulty = sum(not one.finished_before for one in same), sum(bool(one.faults) for one in same)
        print(f"{name:12} {len(same):6} {killed:6} {faulty:6}", file=sys.stderr)
    return {
        "rounds": len(made),
        "killed": sum(not one.finished_before for one in made),
        "by_command": dict(Counter(one.command for one in made)),
        "faults": dict(Counter(kind for one in made for kind in one.faults)),
        "faulty_rounds": [{"command": one.command, "moment": one.moment, **one.faults} for one in made if one.faults],
    }


def make_inputs(place: Path, names: Sequence[str] = tuple(COMMANDS)) -> None:
    """Makes what these commands read in `place`/inputs: phantoms and masks, scores, runs and a bundle."""
    inputs = place / "inputs"
    _finish(place, ["phantom", inputs / "data", "--cases", 4, "--shape", 32, 32, 24, "--seed", 1])
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


def kill_commands(place: Path, names: Sequence[str], rounds: int, *, seed: int = 0) -> list[Round]:
    """Kills the commands by turns, each after a first run that is left alone."""
    rng = random.Random(seed)
    expected: dict[str, tuple[dict[str, str], int, float]] = {}
    made = []
    for number in range(rounds):
        name = names[number % len(names)]
        if name not in expected:
            expected[name] = _left_alone(place, name)
        made.append(_kill_once(place, name, rng, *expected[name]))
        outcome = made[-1].faults or ("finished before" if made[-1].finished_before else "well")
        print(f"{number + 1}/{rounds} {name}, {made[-1].moment}: {outcome}", file=sys.stderr, flush=True)
    return made


def _left_alone(place: Path, name: str) -> tuple[dict[str, str], int, float]:
    """What the command leaves, how often its folder changed on the way, and seconds."""
    work = _new_work(place, name)
    started = time.monotonic()
    process, events = _start(place, work, name), 0
    for changed in _changes(process, work):
        events += changed
    if process.wait() != 0:
        raise SystemExit(f"{name} fails without being killed; see {work / 'output.txt'}")
    written = contents(work / "out")
    shutil.rmtree(work)
    return written, events, time.monotonic() - started


def _kill_once(place: Path, name: str, rng: random.Random, expected: dict, events: int, seconds: float) -> Round:
    work = _new_work(place, name)
    aimed = rng.random() < 0.7
    target, after_s = rng.randint(1, max(events, 1)), rng.uniform(0.3, 1.0) * seconds
    made = Round(name, f"change {target} of {events}" if aimed else f"after {after_s:.1f} of {seconds:.1f} s")
    started, seen = time.monotonic(), 0
    process = _start(place, work, name)
    for changed in _changes(process, work):
        seen += changed
        if (aimed and seen >= target) or (not aimed and time.monotonic() - started > after_s):
            break
    made.finished_before = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    _note(made, "partial", damaged := damaged_files(work / "out"))
    _note(made, "orphans", _orphans(process.pid))
    if made.finished_before or not (damaged or left_behind(work) or contents(work / "out") != expected):
        made.finished_before = True  # or all was written, and the process about to end
        shutil.rmtree(work)
        return made
    again = subprocess.run(
        _line(place, work, name, resumes=True), capture_output=True, text=True, env=_environment(work), check=False
    )
    if again.returncode != 0:
        _note(made, "blocked", [(again.stdout + again.stderr)[-300:]])
    else:
        _note(made, "leftovers", [*left_behind(work), *left_behind(place / "inputs")])
        _note(made, "different", _differences(expected, contents(work / "out")))
    shutil.rmtree(work)
    return made


def _note(made: Round, kind: str, faults: list[str]) -> None:
    if faults:
        made.faults[kind] = faults[:5]


def _differences(expected: dict[str, str], written: dict[str, str]) -> list[str]:
    absent = [f"{name}: absent" for name in expected.keys() - written.keys()]
    new = [f"{name}: new" for name in written.keys() - expected.keys()]
    both = expected.keys() & written.keys()
    return sorted([*absent, *new, *(f"{name}: other content" for name in both if expected[name] != written[name])])


def _new_work(place: Path, name: str) -> Path:
    work = Path(tempfile.mkdtemp(prefix="round-", dir=place))
    COMMANDS[name].before(place / "inputs", work / "out")
    return work


def _line(place: Path, work: Path, name: str, resumes: bool = False) -> list[str]:
    command = COMMANDS[name]
    arguments = [*command.arguments(place / "inputs", work / "out"), *(command.again if resumes else ())]
    return [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments)]


def _environment(work: Path) -> dict[str, str]:
    further = {"PNEUMOSEG_CACHE": str(work / "cache"), "TMPDIR": str(work), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return os.environ | further


def _start(place: Path, work: Path, name: str) -> subprocess.Popen:
    """Starts the command in a session of its own, by which the processes are found that it starts."""
    with open(work / "output.txt", "wb") as output:
        return subprocess.Popen(
            _line(place, work, name),
            env=_environment(work),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=work,
        )


def _changes(process: subprocess.Popen, work: Path) -> Iterator[bool]:
    """While the process lives, every few milliseconds: whether files came or went in `work` since the last time."""
    before = _names(work)
    while process.poll() is None:
        now = _names(work)
        yield now != before
        before = now
        time.sleep(0.002)


def _names(folder: Path) -> set[str]:
    return {os.path.join(place, name) for place, _, names in os.walk(folder) for name in names}


def _orphans(session: int) -> list[str]:
    """Processes of a session that are still there after five seconds; they are ended."""
    until = time.monotonic() + ORPHANS_END_WITHIN_S
    while (left := _of_session(session)) and time.monotonic() < until:
        time.sleep(0.1)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return [f"process {process}" for process in left]


def _of_session(session: int) -> list[int]:
    processes = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if entry.name.isdecimal() and fields[3] == str(session) and fields[0] != "Z":
            processes.append(int(entry.name))
    return processes


def _finish(place: Path, arguments: list) -> None:
    command = [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments), "--quiet"]
    (place / "inputs").mkdir(exist_ok=True)
    subprocess.run(command, env=_environment(place), check=True, timeout=SLOWEST_S)


if __name__ == "__main__":
    typer.run(benchmark)
