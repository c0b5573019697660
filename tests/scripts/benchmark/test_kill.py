"""A few kills of the kind that the benchmark makes many of, and what it takes for a fault."""

import json
from pathlib import Path

import pytest

from pneumoseg.scripts.benchmark import whole_files
from pneumoseg.scripts.benchmark.kill import figures, kill_commands
from pneumoseg.scripts.benchmark.killed_commands import make_inputs


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_commands_may_be_killed_at_any_moment(tmp_path):
    names = ("phantom", "severity", "phantom")
    make_inputs(tmp_path, names)
    counts = figures(kill_commands(tmp_path, names, rounds=3, seed=3))
    assert counts["rounds"] == 3
    assert counts["killed"] >= 2
    assert counts["faulty_rounds"] == []


def test_files_that_are_cut_short_are_found(tmp_path):
    (tmp_path / "whole.json").write_text("{}")
    (tmp_path / ".partial-1-a.json").write_text("{")
    assert whole_files.damaged_files(tmp_path) == []
    assert whole_files.left_behind(tmp_path) == [".partial-1-a.json"]
    for name, content in (
        ("a.json", b'{"a": '),
        ("b.csv", b"case,dice\na,0."),
        ("c.nii.gz", b"\x1f\x8b\x08"),
        ("d.png", b"\x89PNG\r\n\x1a\n"),
        ("e.keras", b"PK\x03\x04"),
        ("f.html", b"<html><body>"),
        ("events.out.tfevents.1.0", b"\x18\x00\x00\x00\x00\x00\x00\x00abcd"),
    ):
        (tmp_path / name).write_bytes(content)
    assert [line.partition(":")[0] for line in whole_files.damaged_files(tmp_path)] == [
        *("a.json", "b.csv", "c.nii.gz", "d.png", "e.keras", "events.out.tfevents.1.0", "f.html"),
    ]


def test_times_are_no_difference(tmp_path):
    for folder, seconds in (("one", 1.0), ("other", 2.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mask.json").write_text(json.dumps({"model": "abc", "seconds": {"read": seconds}}))
        (tmp_path / folder / "history.csv").write_text(f"epoch,loss,seconds\n0,0.5,{seconds}\n")
        (tmp_path / folder / "log.txt").write_text(f"{seconds}")
    assert whole_files.contents(tmp_path / "one") == whole_files.contents(tmp_path / "other")
    (tmp_path / "other" / "history.csv").write_text("epoch,loss,seconds\n0,0.25,1.0\n")
    assert whole_files.contents(tmp_path / "one") != whole_files.contents(tmp_path / "other")
