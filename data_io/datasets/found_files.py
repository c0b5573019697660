"""The files of a dataset by case, as a layout finds them, before they are checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.reading import is_readable
from pneumoseg.data_io.formats.writing import case_name


@dataclass(frozen=True)
class FoundFiles:
    """The files of each case name: images and masks, any number of each until they are checked. `no_cases`: folders
    beside those of the cases. `label_names`: of the masks' numbers, where the dataset gives them. `further`: the files
    of the channels after the first. `stacks`: whether the files are stacks of slices, each slice a case. `valid`: the
    files that say which voxels count."""

    layout: str
    images: dict[str, list[Path]]
    masks: dict[str, list[Path]]
    no_cases: tuple[str, ...] = ()
    label_names: Names = ()
    further: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    stacks: bool = False
    valid: Mapping[str, list[Path]] = field(default_factory=dict)


def visible(folder: Path) -> list[Path]:
    """What is in a folder by name, without hidden files and folders."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def readable_files(folder: Path, ending: str = "") -> list[Path]:
    """The files with that ending in a folder that a reader knows; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return [path for path in visible(folder) if path.name.endswith(ending) and is_readable(path)]


def by_name(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder that a reader knows, by case name."""
    files: dict[str, list[Path]] = {}
    for path in readable_files(folder):
        files.setdefault(case_name(path), []).append(path)
    return files
