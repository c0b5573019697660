"""The folder for what can be made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """PNEUMOSEG_CACHE where it is set, else `pneumoseg` in the user's cache folder."""
    named = os.environ.get("PNEUMOSEG_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pneumoseg"
