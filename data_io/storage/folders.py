"""Listing folders: hidden ones are skipped, links are followed once."""

import os
from pathlib import Path


def visible_name(path: str | Path) -> str:
    """The name of a file or folder as it was given, links not followed; of "." and "..", that of the folder meant."""
    return Path(os.path.abspath(path)).name


def folders_in(folder: str | Path) -> list[Path]:
    """The folders directly in a folder, and links to folders, by name; hidden ones left out.

    None are listed where the folder may not be read, or was removed meanwhile.
    """
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(Path(folder, entry.name) for entry in visible if _is_folder(entry))


def folders_below(folder: str | Path) -> list[Path]:
    """All folders in the folder, at any depth, in order; hidden ones are not entered.

    Links to folders are followed, but each folder is entered once, by its name without links where it has one.
    """
    entered: set[tuple[int, int]] = set()
    folders: list[Path] = []
    linked = [Path(folder)]
    while linked:
        # What is reached without links comes first; the links met on the way wait.
        pending, linked = linked[::-1], []
        while pending:
            place = pending.pop()
            status = place.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            folders.append(place)
            for below in folders_in(place):
                (linked if below.is_symlink() else pending).append(below)
    return sorted(folders[1:])


def _is_folder(entry: os.DirEntry) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
