"""Kills commands at any moment and looks at what they leave: SIGKILL, as a system short of memory sends it.

    python scripts/benchmark/kill.py --rounds 60 --json kill.json [--command kfold ...] [--seed 0]

Each round starts a command on tiny phantoms, kills it when its folder has changed for the n-th time (n drawn evenly, so
that the moments of writing are hit) or after a time drawn evenly, and then demands: every visible file can be read to
its end; no process is left after five seconds; the same command again (with --resume where it has that) ends well,
leaves no hidden file behind, and files that equal those of a run that was never killed.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.killed_commands import COMMANDS, command_line, environment, make_inputs, new_work
from pneumoseg.scripts.benchmark.machine import report
from pneumoseg.scripts.benchmark.watched_process import changes, end_orphans, start
from pneumoseg.scripts.benchmark.whole_files import contents, damaged_files, left_behind


@dataclass(frozen=True)
class Whole:
    """A run that was left alone: what it left, how often its folder changed on the way, and seconds."""

    contents: dict[str, str]
    events: int
    seconds: float


@dataclass(frozen=True)
class Round:
    """One kill: what was killed and when, and what was wrong after it, by kind. `finished_before`: or all was written,
    and the process about to end."""

    command: str
    moment: str
    finished_before: bool
    faults: dict[str, list[str]]


def benchmark(
    rounds: Annotated[int, typer.Option("--rounds", min=1)] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    command: Annotated[list[str] | None, typer.Option("--command", help="Only these commands.")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Kills commands and prints how often something was wrong afterwards."""
    names = command or list(COMMANDS)
    with tempfile.TemporaryDirectory() as place:
        make_inputs(Path(place), names)
        made = kill_commands(Path(place), names, rounds, seed=seed)
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


def kill_commands(place: Path, names: Sequence[str], rounds: int, *, seed: int = 0) -> list[Round]:
    """Kills the commands by turns, each after a first run that is left alone."""
    rng = random.Random(seed)
    whole: dict[str, Whole] = {}
    made = []
    for number in range(rounds):
        name = names[number % len(names)]
        if name not in whole:
            whole[name] = _left_alone(place, name)
        made.append(_kill_once(place, name, rng, whole=whole[name]))
        outcome = made[-1].faults or ("finished before" if made[-1].finished_before else "well")
        print(f"{number + 1}/{rounds} {name}, {made[-1].moment}: {outcome}", file=sys.stderr, flush=True)
    return made


def _left_alone(place: Path, name: str) -> Whole:
    work = new_work(place, name)
    started = time.monotonic()
    process = start(command_line(place, work, name), work, environment(work))
    events = sum(changes(process, work))
    if process.wait() != 0:
        raise SystemExit(f"{name} fails without being killed; see {work / 'output.txt'}")
    whole = Whole(contents(work / "out"), events, time.monotonic() - started)
    shutil.rmtree(work)
    return whole


def _kill_once(place: Path, name: str, rng: random.Random, *, whole: Whole) -> Round:
    work = new_work(place, name)
    aimed = rng.random() < 0.7
    target, after_s = rng.randint(1, max(whole.events, 1)), rng.uniform(0.3, 1.0) * whole.seconds
    moment = f"change {target} of {whole.events}" if aimed else f"after {after_s:.1f} of {whole.seconds:.1f} s"
    started, seen = time.monotonic(), 0
    process = start(command_line(place, work, name), work, environment(work))
    for changed in changes(process, work):
        seen += changed
        if (aimed and seen >= target) or (not aimed and time.monotonic() - started > after_s):
            break
    finished = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    faults = {"partial": damaged_files(work / "out"), "orphans": end_orphans(process.pid)}
    finished = finished or not (faults["partial"] or left_behind(work) or contents(work / "out") != whole.contents)
    if not finished:
        faults |= _run_again(place, work, name, whole=whole)
    shutil.rmtree(work)
    return Round(name, moment, finished, {kind: every[:5] for kind, every in faults.items() if every})


def _run_again(place: Path, work: Path, name: str, *, whole: Whole) -> dict[str, list[str]]:
    """Faults of the same command, called again after the kill."""
    line = command_line(place, work, name, resumes=True)
    again = subprocess.run(line, capture_output=True, text=True, env=environment(work), check=False)
    if again.returncode != 0:
        return {"blocked": [(again.stdout + again.stderr)[-300:]]}
    return {
        "leftovers": [*left_behind(work), *left_behind(place / "inputs")],
        "different": _differences(whole.contents, contents(work / "out")),
    }


def _differences(expected: dict[str, str], written: dict[str, str]) -> list[str]:
    absent = [f"{name}: absent" for name in expected.keys() - written.keys()]
    new = [f"{name}: new" for name in written.keys() - expected.keys()]
    both = expected.keys() & written.keys()
    return sorted([*absent, *new, *(f"{name}: other content" for name in both if expected[name] != written[name])])


if __name__ == "__main__":
    typer.run(benchmark)
