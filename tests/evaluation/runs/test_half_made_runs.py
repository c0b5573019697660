"""What a killed process leaves of a run folder is no obstacle, and a stranger's folder is never taken for that."""

import os
import re
from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs import run_folder
from pneumoseg.evaluation.runs.run_folder import RunFolder, clear, open_run
from pneumoseg.evaluation.runs.run_marks import MARKS


class Killed(BaseException):
    """As a kill: nothing catches it."""


def everything_in(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def opened(root, **flags):
    return open_run(root, "seed: 0\n", [], fingerprints={"a": "abc"}, seed=0, **flags).root


def is_new(root) -> bool:
    """Whether a run lies there of which nothing has been done yet."""
    return {path.name for path in root.iterdir()} == {".lock", *MARKS}


@pytest.fixture
def begun(tmp_path):
    """A run with two folds, one of them finished, and results."""
    root = opened(tmp_path / "run")
    for name in (
        "fold_0/metrics.csv",
        "fold_0/.lock",
        "fold_1/model.keras",
        "figures/dice.png",
        "report.html",
        "log.txt",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("of the earlier run")
    return root


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_death_while_the_run_is_made_blocks_nothing(tmp_path, monkeypatch, written, flag):
    for name in ("write_json", "write_text"):
        write = getattr(run_folder, name)
        monkeypatch.setattr(
            run_folder, name, lambda path, *content, write=write: _die_at(path, content, write, written)
        )
    with pytest.raises(Killed):
        opened(tmp_path / "run")
    monkeypatch.undo()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", *MARKS[:written]}
    if written:
        with pytest.raises(InputError, match="resume it or overwrite it"):
            opened(tmp_path / "run")
    assert is_new(opened(tmp_path / "run", **{flag: True}))


def _die_at(path, content, write, written):
    if path.name == MARKS[written]:
        raise Killed
    write(path, *content)


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
def test_a_death_while_an_earlier_run_is_removed_blocks_nothing(begun, monkeypatch, flag):
    def dies(folder, *arguments, **options):
        for path in sorted(folder.rglob("*"))[:3]:
            path.unlink() if path.is_file() else None
        raise Killed

    monkeypatch.setattr("pneumoseg.data_io.storage.atomic.shutil.rmtree", dies)
    with pytest.raises(Killed):
        opened(begun, overwrite=True)
    monkeypatch.undo()
    assert not begun.exists()
    assert is_new(opened(begun, **{flag: True}))
    assert [path.name for path in begun.parent.iterdir()] == ["run"]


def at_a_mount_point(monkeypatch, root):
    """The run's own folder cannot be renamed."""
    rename = os.rename

    def busy(source, target):
        if str(source) == str(root):
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(os, "rename", busy)


def test_a_run_at_a_mount_point_is_overwritten_too(begun, monkeypatch):
    at_a_mount_point(monkeypatch, begun)
    assert is_new(opened(begun, overwrite=True))


@pytest.mark.parametrize("moves", range(1, 9))
def test_a_death_while_a_mount_point_is_emptied_blocks_nothing(begun, monkeypatch, moves):
    """The eight entries beside the lock are moved one by one: what is left is always known for a run's."""
    at_a_mount_point(monkeypatch, begun)
    rename, left = os.rename, [moves]

    def dies(source, target):
        rename(source, target)
        left[0] -= str(source).startswith(str(begun))
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(os, "rename", dies)
    with pytest.raises(Killed):
        opened(begun, overwrite=True)
    monkeypatch.undo()
    assert is_new(opened(begun, overwrite=True))


@pytest.mark.parametrize("lost", [("settings.yaml",), ("environment.json", "settings.yaml"), ("splits.json",)])
def test_what_is_left_of_a_run_may_be_overwritten_not_resumed(begun, lost):
    for name in lost:
        (begun / name).unlink()
    with pytest.raises(InputError, match=rf"an incomplete run folder, missing .*{lost[-1]}.*overwrite it"):
        opened(begun, resume=True)
    assert is_new(opened(begun, overwrite=True))


STRANGERS = {
    "a thesis": {"chapter.txt": "years of work", "settings.yaml": "mine"},
    "settings alone": {"settings.yaml": "mine"},
    "splits without the lock": {"splits.json": "[]"},
    "splits and something else": {".lock": "", "splits.json": "[]", "notes.txt": "mine"},
    "a lock and settings": {".lock": "", "settings.yaml": "mine"},
    "figures": {".lock": "", "figures/a.png": "mine", "report.html": "mine"},
    "folds of another program": {".lock": "", "fold_0/weights.bin": "mine"},
    "hidden files alone": {".git/config": "mine"},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_s_folder_is_never_emptied(tmp_path, name):
    folder = tmp_path / "theirs"
    for path, text in STRANGERS[name].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    before = everything_in(folder)
    if name == "hidden files alone":
        opened(folder, overwrite=True)
        assert everything_in(folder).items() >= before.items()
        return
    for arguments in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="not a run folder"):
            opened(folder, **arguments)
    assert everything_in(folder) == before


def test_a_fold_that_is_overwritten_is_gone_at_once(begun, monkeypatch):
    def dies(*arguments, **options):
        raise Killed

    monkeypatch.setattr("pneumoseg.data_io.storage.atomic.shutil.rmtree", dies)
    with pytest.raises(Killed):
        clear(begun / "fold_0")
    monkeypatch.undo()
    assert not (begun / "fold_0").exists()
    assert (begun / "fold_1" / "model.keras").is_file()
    with RunFolder(begun).writing(0):
        assert not list(begun.glob(".partial-*"))


@pytest.mark.parametrize("other", ["thesis.tex", ".git/HEAD", "inner/settings.yaml"])
def test_other_things_in_a_run_folder_are_never_removed(begun, other):
    (begun / other).parent.mkdir(exist_ok=True)
    (begun / other).write_text("mine")
    before = everything_in(begun)
    with pytest.raises(InputError, match=rf"found other things in it: {re.escape(other.partition('/')[0])}; move them"):
        opened(begun, overwrite=True)
    assert everything_in(begun) == before


def test_a_link_to_a_run_stays_a_link(begun, tmp_path):
    (tmp_path / "link").symlink_to(begun)
    opened(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert is_new(begun)


def test_the_folder_that_one_is_in_may_be_overwritten(begun, monkeypatch):
    monkeypatch.chdir(begun)
    opened(Path(), overwrite=True)
    assert {path.name for path in begun.iterdir() if not path.name.startswith(".")} == set(MARKS)
