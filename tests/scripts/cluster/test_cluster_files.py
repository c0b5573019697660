"""What the files for clusters start, with programs in the place of ssh and pneumoseg."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

import pneumoseg

FILES = Path(pneumoseg.__file__).parent / "scripts" / "cluster"


@pytest.fixture
def programs(tmp_path):
    """An environment in which pneumoseg writes down its arguments, and ssh runs the command here; not on `broken`."""
    for name, text in (
        ("pneumoseg", 'printf "%s|" "$@" >>"$OLDPWD/calls.txt"; echo >>"$OLDPWD/calls.txt"'),
        ("ssh", '[ "$2" = broken ] && exit 255; cd / && bash -c "$3"'),
    ):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n".replace("$OLDPWD", str(tmp_path)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def calls(folder: Path) -> list[list[str]]:
    return sorted(line.rstrip("|").split("|") for line in (folder / "calls.txt").read_text().splitlines())


def test_a_pod_of_kubernetes_has_a_part(tmp_path, programs):
    job = yaml.safe_load((FILES / "kubernetes.yaml").read_text())
    assert (job["kind"], job["spec"]["completionMode"], job["spec"]["completions"]) == ("Job", "Indexed", 8)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    words = [*container["command"], *container["args"]]
    for index in ("0", "7"):
        subprocess.run(words, env={**programs, "JOB_COMPLETION_INDEX": index}, cwd=tmp_path, check=True)
    first = ["predict", "/data/cts", "-o", "/data/masks", "--statistics", "--resume", "--part", "1/8"]
    assert calls(tmp_path) == [first, [*first[:-1], "8/8"]]


def test_each_host_has_a_part_and_this_machine_makes_the_whole(tmp_path, programs):
    words = ["bash", str(FILES / "ssh.sh"), "one two", "the cts", "masks", "--set", "seed=1"]
    subprocess.run(words, env=programs, cwd=tmp_path, check=True)
    whole = ["predict", "the cts", "-o", "masks", "--set", "seed=1", "--resume"]
    assert calls(tmp_path) == [whole, [*whole, "--part", "1/2"], [*whole, "--part", "2/2"]]
    assert sorted(path.name for path in (tmp_path / "masks" / "logs").iterdir()) == [
        *("part_1_of_2.log", "part_2_of_2.log"),
    ]


def test_a_host_that_fails_is_named_and_the_whole_waits(tmp_path, programs):
    words = ["bash", str(FILES / "ssh.sh"), "one broken", "cts", "masks"]
    done = subprocess.run(words, env=programs, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "broken: failed, see its log; run this again\n")
    assert len(calls(tmp_path)) == 1
