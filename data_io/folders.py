"""Folders as a person sees them: below one another, through the links that were placed there, and by name."""

import os
from pathlib import Path


def visible_name(path: str | Path) -> str:
    """The name of a file or folder as it was given, links not followed; of "." and "..", that of the folder meant."""
    return Path(os.path.abspath(path)).name


def folders_below(folder: str | Path) -> list[Path]:
    """All folders in the folder, at any depth, in order; hidden ones are not entered.

    Links to folders are followed, but each folder is entered once, by its name without links where it has one.
    """
    entered: set[tuple[int, int]] = set()
    found: list[Path] = []
    linked = [Path(folder)]
    while linked:
        # What is reached without links comes first; the links met on the way wait.
        pending, linked = linked, []
        while pending:
            place = pending.pop()
            try:
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in entered:
                    continue
                entered.add((status.st_dev, status.st_ino))
                with os.scandir(place) as entries:
                    below = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
            except OSError:  # it may not be read, or was removed meanwhile
                continue
            found.append(place)
            pending += [place / entry.name for entry in below if not entry.is_symlink()]
            linked += sorted((place / entry.name for entry in below if entry.is_symlink()), reverse=True)
    return sorted(found[1:])
