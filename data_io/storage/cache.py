"""The folder for what can be made again, also for a user without a home folder, as in a container."""

import contextlib
import getpass
import os
import stat
import tempfile
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError


def cache_folder() -> Path:
    """PNEUMOSEG_CACHE where it is set, else `pneumoseg` in the user's cache folder.

    Where that cannot be written it is `private_folder`, with a warning, and PNEUMOSEG_CACHE is set to that, so that
    worker processes need no warning of their own.
    """
    if named := os.environ.get("PNEUMOSEG_CACHE"):
        return Path(named)
    usual = os.environ.get("XDG_CACHE_HOME")
    home = home_folder()
    folder = Path(usual) if usual else home and home / ".cache"
    if folder and can_be_written(folder / "pneumoseg") and (usual or home != _private_path()):
        return folder / "pneumoseg"
    folder = private_folder()
    log.warning(
        "the user's cache folder cannot be written; prepared cases and converted networks are kept in %s "
        "(PNEUMOSEG_CACHE may name another folder)",
        folder,
    )
    os.environ["PNEUMOSEG_CACHE"] = str(folder)
    return folder


def home_folder() -> Path | None:
    """The user's home folder by HOME or the system's list of users; None where neither names one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def give_home() -> None:
    """Sets HOME to `private_folder` where the user has no home folder that can be written, for the libraries that keep
    files of their own there."""
    home = home_folder()
    if home is None or not can_be_written(home):
        with contextlib.suppress(OSError):  # whoever needs a folder for temporary files fails there, with its reason
            os.environ["HOME"] = str(private_folder())


def can_be_written(folder: Path) -> bool:
    """Whether files can be written to the folder, or it can be made."""
    existing = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def private_folder() -> Path:
    """A folder under the system's folder for temporary files that only this user can read; made where it is not there.

    Raises InputError where another user has put something else in its place.
    """
    folder = _private_path()
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    mine = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o077)
    if not (stat.S_ISDIR(status.st_mode) and mine):
        raise InputError(
            f"{folder}: must be a folder that belongs to this user, without rights of others; remove it, or set HOME "
            "and PNEUMOSEG_CACHE to folders that can be written"
        )
    return folder


def _private_path() -> Path:
    return Path(tempfile.gettempdir()) / f"pneumoseg-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
