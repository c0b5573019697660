"""Prepared cases on disk, memory-mapped: each is preprocessed once, whatever the number of folds and workers.

An entry is found by what went into it: the content of image and mask and the preprocessing settings. A changed file or
setting means another entry, so that a stale one cannot be used.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.datasets.dataset import Case, named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import folder_aside, remove_folder
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.partial_labels import IGNORED, Hidden, hidden_classes
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.settings import plugins

FORMAT = 6
FOREGROUND_VOXELS = 20_000
FACTS = {"mean", "sd", "spacing_mm", "windowed", "extremes", "air", "slices", "warnings", "voxels", "ignored", "hidden"}


@dataclass(frozen=True)
class StoredCase:
    """One prepared case in `folder`. Arrays are memory-mapped and read-only; it travels to workers as a path.

    `weight`: how often patches of it are drawn at random, relative to other cases. `equalised`: the same case with
    equalised slices, where there is one to draw patches from.
    """

    name: str
    folder: Path
    weight: float = 1.0
    equalised: "StoredCase | None" = None

    @cached_property
    def image(self) -> np.ndarray:
        """float16 (x, y, z, channels) in 0..1, the ends of the window."""
        return np.load(self.folder / "image.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def labels(self) -> np.ndarray:
        """uint8 (x, y, z) class numbers; IGNORED where a voxel does not count."""
        return np.load(self.folder / "labels.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def facts(self) -> dict:
        """mean and sd of each channel in 0..1 (0 and 1 without normalisation); air in each on the same scale; extremes
        of the source's values, HU or, where `windowed`, 0..255; spacing_mm of image and labels; slices of the source;
        warnings of the readers; voxels per class, and of those that do not count; hidden classes, see
        `partial_labels.hidden_classes`."""
        return read_json(self.folder / "case.json", "the facts of a prepared case", dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return self.labels.shape

    @property
    def air(self) -> list[float]:
        """The value of air in each channel of the image: what lies outside it."""
        return self.facts["air"]

    def foreground(self, label: int) -> np.ndarray:
        """Up to 20,000 voxels (n, 3) of a class but the background, evenly drawn; empty where the class is absent."""
        return np.load(self.folder / f"foreground_{label}.npy", mmap_mode="r", allow_pickle=False)

    def __getstate__(self):
        fields = ("name", "folder", "weight", "equalised")
        return {name: getattr(self, name) for name in fields}  # without the arrays


@dataclass(frozen=True)
class CaseStore:
    """Prepared cases under `folder`, made by `preprocessor`, with masks of the classes of `labels`."""

    folder: Path
    preprocessor: Preprocessor
    labels: LabelTable

    def get(self, case: Case) -> StoredCase:
        """The prepared case; preprocesses it if it is not there yet. Safe when several processes ask at once."""
        entry = self.folder / "cases" / self._key(case)
        if entry.is_dir() and not self._is_whole(entry):
            with FileLock(entry.parent / ".lock"):
                if entry.is_dir() and not self._is_whole(entry):  # else another process has removed it
                    remove_folder(entry)  # entries appear whole: this one was damaged later, as by a cache cleaner
        if not entry.is_dir():
            self._make(case, entry)
        return StoredCase(case.name, entry)

    def _is_whole(self, entry: Path) -> bool:
        """Whether all files are there at their full length."""
        stored = StoredCase("", entry)
        try:
            if not stored.facts.keys() >= FACTS or len(stored.facts["voxels"]) != len(self.labels):
                return False
            for name in ("image", "labels", *(f"foreground_{label}" for label in range(1, len(self.labels)))):
                np.load(stored.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, TypeError, EOFError):
            return False
        return True

    def _key(self, case: Case) -> str:
        settings = self.preprocessor.settings.model_dump_json(exclude={"statistics"})
        steps = [plugins.source_hash(name) for name in self.preprocessor.settings.steps]
        content = f"{FORMAT} {self.labels.names} {settings} {steps} {case.fingerprint()}"
        content += f" {self._hidden(case)}" if case.labelled else ""
        return f"{case.name}-{hashlib.sha256(content.encode()).hexdigest()[:24]}"

    def _hidden(self, case: Case) -> Hidden:
        with named(case.name):
            return hidden_classes(self.labels, case.labelled)

    def _make(self, case: Case, entry: Path) -> None:
        with warnings_of_this_thread(hold_back=True) as warnings:  # kept, as the files are not read the next time
            image, mask = case.read_pair(self.labels)
            valid = case.read_valid()
            with named(case.name):
                # An entry serves every fold: its mean and sd are its own, not those of a model's training cases.
                own = self.preprocessor.settings.model_copy(update={"statistics": None})
                if valid is not None:
                    mask = mask.with_array(np.where(valid.array > 0, mask.array, np.uint8(IGNORED)))
                prepared = Preprocessor(own).apply(image, mask)
        if prepared.labels is None:
            raise InputError(f"case {case.name}: training needs a mask")
        ignored = int(np.count_nonzero(prepared.labels == IGNORED))
        if ignored == prepared.labels.size:
            raise InputError(
                f"case {case.name}: {case.valid}: on the network's grid no voxel counts; leave the case out, or lower "
                "preprocessing.spacing_mm"
            )
        entry.parent.mkdir(parents=True, exist_ok=True)
        with folder_aside(entry) as place:
            aside = place / entry.name
            aside.mkdir()
            np.save(aside / "image.npy", prepared.image.astype(np.float16))
            np.save(aside / "labels.npy", prepared.labels)
            counts = []
            for label in range(1, len(self.labels)):
                voxels = np.argwhere(prepared.labels == label)
                counts.append(len(voxels))
                step = max(1, -(-len(voxels) // FOREGROUND_VOXELS))
                np.save(aside / f"foreground_{label}.npy", voxels[::step].astype(np.int16))
            facts = {
                "mean": prepared.mean,
                "sd": prepared.sd,
                "spacing_mm": prepared.grid.spacing_mm,
                "windowed": prepared.windowed,
                "extremes": prepared.extremes,
                "air": prepared.air,
                "slices": image.array.shape[2],
                "warnings": warnings,
                "voxels": [prepared.labels.size - sum(counts) - ignored, *counts],
                "ignored": ignored,
                "hidden": self._hidden(case),
            }
            (aside / "case.json").write_text(json.dumps(facts), encoding="utf-8")
            try:
                aside.rename(entry)
            except OSError:
                # Another process was first: its entry is the same.
                if not (entry / "case.json").is_file():
                    raise
