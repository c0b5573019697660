"""Where the cache lies: as told, in the user's cache folder, or where there is none in a private folder."""

import os
from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage import cache
from pneumoseg.data_io.storage.cache import cache_folder, give_home


@pytest.fixture
def private(tmp_path, monkeypatch) -> Path:
    """The private folder, in a folder for temporary files of its own; no variable says where the cache is."""
    for name in ("PNEUMOSEG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    return tmp_path / "temporary" / f"pneumoseg-{os.getuid()}"


def test_the_users_folders_are_used_where_they_can_be_written(private, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "pneumoseg"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "pneumoseg"
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    give_home()
    assert os.environ["HOME"] == str(tmp_path)
    assert not private.exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_command", [True, False])
def test_a_home_that_cannot_be_written_is_replaced_with_one_warning(private, as_command, capsys):
    if as_command:
        give_home()
        assert os.environ["HOME"] == str(private)
    assert cache_folder() == cache_folder() == private
    assert private.stat().st_mode & 0o777 == 0o700
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_user_without_home_is_no_error(private, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert cache_folder() == private


def of_others(private):
    private.mkdir()
    private.chmod(0o755)


def a_link(private):
    (private.parent / "elsewhere").mkdir(mode=0o700)
    private.symlink_to(private.parent / "elsewhere")


@pytest.mark.parametrize("put", [of_others, a_link])
def test_a_private_folder_that_others_may_see_is_refused(private, put):
    put(private)
    with pytest.raises(InputError, match="must be a folder that belongs to this user"):
        cache_folder()
    with pytest.raises(InputError, match="must be a folder that belongs to this user"):
        give_home()
