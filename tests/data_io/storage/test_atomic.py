"""Files appear whole or not at all."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.data_io.storage import atomic
from pneumoseg.data_io.storage.atomic import (
    folder_aside,
    remove_leftovers,
    replace_folder,
    restore_replaced,
    write_aside,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_takes_its_name_when_written(tmp_path):
    with write_aside(tmp_path / "new" / "a.nii.gz") as aside:
        aside.write_bytes(b"voxels")
        assert aside.name == "a.nii.gz"
        assert aside.parent.name.startswith(".partial-")
        assert not (tmp_path / "new" / "a.nii.gz").exists()
    assert (tmp_path / "new" / "a.nii.gz").read_bytes() == b"voxels"
    assert names(tmp_path / "new") == ["a.nii.gz"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OSError, match="disk full"), write_aside(tmp_path / "a.csv") as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert (tmp_path / "a.csv").read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_failed_rename_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "taken", "text")
    assert names(tmp_path) == ["taken"]


def test_json_round_trip_and_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"dice": 0.5, "name": "Zürich"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"dice": 0.5, "name": "Zürich"}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", {"dice": float("nan")})
    assert names(tmp_path) == ["a.json"]


def killed_while(code: str, folder) -> None:
    """Runs `code` in a process that kills itself (SIGKILL) where the code says `die()`."""
    begin = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom pneumoseg.data_io.storage import atomic\n"
        "folder = Path(sys.argv[1])\n"
    )
    die = "def die():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + die + code, folder], check=False, cwd=Path(pneumoseg.__file__).parent
    )
    assert done.returncode == -signal.SIGKILL


def test_the_next_writer_of_a_name_removes_what_a_killed_one_left(tmp_path):
    for name in ("a.csv", "b.csv"):
        killed_while(f"with atomic.write_aside(folder / '{name}') as aside: aside.write_text('half'); die()", tmp_path)
    killed_while("with atomic.folder_aside(folder / 'c') as aside: (aside / 'x').write_text('half'); die()", tmp_path)
    assert sorted(name.rpartition("-")[2] for name in names(tmp_path)) == ["a.csv", "b.csv", "c"]
    assert all(name.startswith(".partial-") for name in names(tmp_path))
    write_text(tmp_path / "a.csv", "whole")
    assert [name for name in names(tmp_path) if name.endswith("a.csv")] == ["a.csv"]
    assert len([name for name in names(tmp_path) if name.endswith("b.csv")]) == 1  # another file's, left for its writer
    with folder_aside(tmp_path / "c"):
        assert len([name for name in names(tmp_path) if name.endswith("-c")]) == 1
    write_text(tmp_path / "b.csv", "whole")
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_what_a_living_process_is_making_stays(tmp_path):
    code = (
        "import sys\nfrom pneumoseg.data_io.storage.atomic import *\n"
        "with write_aside(sys.argv[1]) as aside, folder_aside(sys.argv[1]):\n"
        "    aside.write_text('slow'); print('begun', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "a"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(pneumoseg.__file__).parent,
    )
    with other:
        assert other.stdout.readline() == b"begun\n"
        with write_aside(tmp_path / "a") as one, write_aside(tmp_path / "a") as another:
            assert one != another
            one.write_text("one")
            another.write_text("another")
        assert len([name for name in names(tmp_path) if name.startswith(".partial-")]) == 2
    assert (tmp_path / "a").read_text() == "slow"
    assert names(tmp_path) == ["a"]


def test_old_leftovers_go_where_the_file_system_has_no_locks(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    for name in (".partial-1-a", ".partial-2-a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("half")
    os.utime(tmp_path / ".partial-1-a", (0, 0))
    write_text(tmp_path / "a", "whole")
    assert names(tmp_path) == [".partial-2-a", "a"]


def test_downloads_that_go_on_and_strangers_are_no_leftovers(tmp_path):
    for name in (".partial-a.zip", ".partial-x1-a.zip", ".partial-1-b-a.zip", "partial-1-a.zip", ".partial-1-a.zip"):
        (tmp_path / name).write_text("kept")
    write_text(tmp_path / "a.zip", "whole")
    assert len(names(tmp_path)) == 6
    os.utime(tmp_path / ".partial-1-a.zip", (0, 0))  # a file without lock, as earlier versions left them
    write_text(tmp_path / "a.zip", "whole")
    assert len(names(tmp_path)) == 5


def test_a_temporary_path_is_written_straight(tmp_path):
    with write_aside(tmp_path / "mask.nii.gz") as aside:
        with write_aside(aside) as same:
            same.write_text("voxels")
        assert same == aside
    assert names(tmp_path) == ["mask.nii.gz"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a").write_text("new")
    replace_folder(tmp_path / "new", tmp_path / "there")
    assert names(tmp_path) == ["there"]
    (tmp_path / "newer").mkdir()
    replace_folder(tmp_path / "newer", tmp_path / "there")
    assert names(tmp_path / "there") == []
    assert (tmp_path / "newer" / "a").read_text() == "new"
    assert names(tmp_path) == ["newer", "there"]


@pytest.mark.parametrize("renames", [1, 2, 3])
def test_a_kill_while_a_folder_is_replaced_costs_neither_content(tmp_path, renames):
    """Without an exchange of names: after `renames` of the three renames, restored is the one or the other whole."""
    for name in ("made", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    code = (
        "atomic._exchange = lambda one, other: False\nrename, left = os.rename, [%d]\n"
        "def counted(*paths):\n    rename(*paths); left[0] -= 1\n    left[0] or die()\n"
        "os.rename = counted\natomic.replace_folder(folder / 'made', folder / 'there')"
    )
    killed_while(code % renames, tmp_path)
    restore_replaced(tmp_path / "there")
    assert (tmp_path / "there" / "a").read_text() == ("there" if renames == 1 else "made")
    assert ".replaced-there" not in names(tmp_path)


def test_a_removed_folder_is_gone_at_once(tmp_path):
    (tmp_path / "run").mkdir()
    for number in range(3):
        (tmp_path / "run" / f"{number}.csv").write_text("x")
    killed_while("import shutil\nshutil.rmtree = lambda *a, **k: die()\natomic.remove_folder(folder / 'run')", tmp_path)
    assert [name for name in names(tmp_path) if not name.startswith(".partial-")] == []
    remove_leftovers(tmp_path / "run")
    assert names(tmp_path) == []
