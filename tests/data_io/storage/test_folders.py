"""Folders are found through links, each once, and named as they were given."""

import os

import pytest

from pneumoseg.data_io.storage.folders import folders_below, visible_name


def test_folders_at_any_depth_but_hidden_ones(tmp_path):
    for name in ("b/c", "a", ".hidden/d", "b/.e"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    assert folders_below(tmp_path) == [tmp_path / "a", tmp_path / "b", tmp_path / "b" / "c"]


def test_links_are_followed_and_each_folder_is_entered_once(tmp_path):
    given, elsewhere = tmp_path / "given", tmp_path / "elsewhere"
    (given / "z" / "deep").mkdir(parents=True)
    (elsewhere / "series").mkdir(parents=True)
    (given / "linked").symlink_to(elsewhere)
    (given / "again").symlink_to(elsewhere / "series")
    (given / "a_second_name").symlink_to(given / "z")
    (given / "z" / "deep" / "up").symlink_to(given)
    (given / "z" / "self").symlink_to("self")
    (given / "dead").symlink_to(tmp_path / "nowhere")
    found = [str(folder.relative_to(given)) for folder in folders_below(given)]
    assert found == ["again", "linked", "z", "z/deep"]


def test_a_folder_that_may_not_be_read_is_not_entered(tmp_path, monkeypatch):
    (tmp_path / "a" / "c").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    scandir = os.scandir

    def denied(path):
        if os.fspath(path) == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert folders_below(tmp_path) == [tmp_path / "a", tmp_path / "b"]


@pytest.mark.parametrize(
    ("given", "name"),
    [(".", "case"), ("", "case"), ("..", "cohort"), ("link", "link"), ("link/", "link"), ("../case/link", "link")],
)
def test_names_are_those_that_were_given(tmp_path, monkeypatch, given, name):
    (tmp_path / "cohort" / "case").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    (tmp_path / "cohort" / "case" / "link").symlink_to(tmp_path / "target")
    monkeypatch.chdir(tmp_path / "cohort" / "case")
    assert visible_name(given) == name
