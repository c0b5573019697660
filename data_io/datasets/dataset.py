"""A dataset: cases with an image, perhaps a mask, and the patient they come from."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.datasets import case_files
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.partial_labels import classes_denied, hidden_classes
from pneumoseg.data_io.volumes.single_slice import single_slice, slice_grid
from pneumoseg.data_io.volumes.volume import Grid, Volume, on_grid_of

VALID_VALUES = "write 1 where a voxel counts and 0 where it does not"


@dataclass(frozen=True)
class SliceOf:
    """A slice of a volume: its `index` across `axis` (0..2 of RAS+). `volume`: the name of the volume."""

    volume: str
    axis: int
    index: int


@dataclass(frozen=True)
class Case:
    """One scan, or one slice of it. `patient`: scans that share it must never be split between training and test;
    `source`: where it came from, for stratified splits; `mask` is None where the case has no annotation. `grid`: which
    form of NIfTI headers counts where both are set. `label_names`: those that the dataset gives the numbers in its
    masks. `further`: the files of the channels after the first. `slice`: the part of the files that is the case, None
    for all. `merge`: the class of values in the mask's file. `valid`: the file that says which voxels count, None where
    all do. `labelled`: the names of the classes that the mask labels, none for all."""

    name: str
    image: Path
    mask: Path | None
    patient: str
    source: str = ""
    grid: GridForm = "sform"
    label_names: Names = ()
    further: tuple[Path, ...] = ()
    slice: SliceOf | None = None
    merge: tuple[tuple[int, int], ...] = ()
    valid: Path | None = None
    labelled: tuple[str, ...] = ()

    def read_image(self) -> Volume:
        """The image, RAS+: (x, y, z), or (x, y, z, channels) of several channels or colours. A slice has one voxel
        along its axis.

        Raises InputError where it cannot be read, where its channels differ in shape or place, and for a slice that
        the volume does not have.
        """
        with named(self.name):
            if self.slice is None:
                return case_files.read_channels((self.image, *self.further), self.grid)
            volume = case_files.read_channels_once((self.image, *self.further), self.grid)
            return _part_of(volume, self.slice, self.image)

    @property
    def is_flat(self) -> bool:
        """Whether the case is a picture, or a slice of a volume."""
        return self.slice is not None or is_picture(self.image)

    def read_grid(self) -> Grid:
        """The grid of the image, RAS+, from the header where the format has one. Raises InputError as `read_image`."""
        with named(self.name):
            grid = reading.open_scan(self.image, grid=self.grid).grid
            if self.slice is None:
                return grid
            _check_slice(grid, self.slice, self.image)
            return slice_grid(grid, self.slice.axis, self.slice.index)

    def mask_values(self) -> tuple[float, ...]:
        """The values in the mask's file, ascending, before they are classes; of a slice those of the whole file. Empty
        without a mask. Raises InputError where it cannot be read."""
        if self.mask is None:
            return ()
        with named(self.name):
            return case_files.mask_values_once(self.mask)

    def read_mask(self, labels: int | LabelTable) -> Volume:
        """The mask as uint8 class numbers of `labels`, (x, y, z), RAS+; a table's names are compared with those of the
        mask.

        Raises InputError where the case has none or its labels are wrong; with a table also where `labelled` has other
        classes or one of a mirror pair, and for a mask that holds a class which is not among them.
        """
        if self.mask is None:
            raise InputError(f"case {self.name}: a mask is needed, but the case has none beside {self.image}")
        with named(self.name):
            if not isinstance(labels, int):
                hidden_classes(labels, self.labelled)  # raises where they are wrong, before the file is read
            read = reading.read_labels if self.slice is None else case_files.read_labels_once
            mask = read(self.mask, labels, label_names=self.label_names, grid=self.grid, merge=self.merge)
            mask = mask if self.slice is None else _part_of(mask, self.slice, self.mask)
            if not isinstance(labels, int):
                check_labelled(mask.array, labels, self.labelled, self.mask)
            return mask

    def read_valid(self) -> Volume | None:
        """Which voxels count, (x, y, z), uint8, 1 or 0 where one does not, on the image's grid; None where all count.

        Raises InputError where the file cannot be read, has other values than 0 and 1 or no 1, and where it has another
        shape than the image or lies elsewhere.
        """
        if self.valid is None:
            return None
        with named(self.name):
            scan = reading.open_scan(self.image, grid=self.grid)
            read = reading.read_labels if self.slice is None else case_files.read_labels_once
            valid = read(self.valid, 2, label_names=(), grid=self.grid, merge=(), remedy=VALID_VALUES)
            if not valid.array.any():
                raise InputError(f"{self.valid}: no voxel counts, found 0 everywhere; correct or remove the file")
            image = Volume(np.broadcast_to(np.uint8(0), scan.grid.shape), scan.grid, scan.stored_grid)
            valid = on_grid_of(image, valid, f"image {self.image} and {self.valid}")
            return valid if self.slice is None else _part_of(valid, self.slice, self.valid)

    def read_pair(self, labels: int | LabelTable) -> tuple[Volume, Volume]:
        """Image and mask, the mask turned to the image's grid. Raises InputError where they lie in different places."""
        image, mask = self.read_image(), self.read_mask(labels)
        with named(self.name):
            return image, on_grid_of(image, mask, f"image {self.image} and mask {self.mask}")

    def fingerprint(self) -> str:
        """SHA-256 of the content of image, mask and `valid`, be they files or folders of slices, and of how they are
        read."""
        content = sha256_of if self.slice is None else case_files.sha256_once
        hashes = [content(path) for path in (self.image, *self.further, self.mask) if path is not None]
        hashes += [] if self.grid == "sform" else [self.grid]
        hashes += [repr(self.label_names)] if self.label_names else []
        hashes += [f"slice {self.slice.index} across {self.slice.axis}"] if self.slice else []
        hashes += [f"merge {self.merge!r}"] if self.merge else []
        hashes += [f"valid {content(self.valid)}"] if self.valid else []
        hashes += [f"labelled {sorted(self.labelled)!r}"] if self.labelled else []
        return hashlib.sha256("".join(hashes).encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """The cases found under `root`, ordered by name. `layout`: how they are laid out there."""

    root: Path
    cases: tuple[Case, ...]
    layout: str

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def case(self, name: str) -> Case:
        """The case of that name. Raises InputError where there is none."""
        return self.select([name]).cases[0]

    def select(self, names: Iterable[str]) -> "Dataset":
        """The named cases, in the order given. Raises InputError for an unknown name."""
        names = list(names)
        known = {case.name: case for case in self.cases}
        missing = [name for name in names if name not in known]
        if missing:
            raise InputError(f"{self.root}: no case named {', '.join(missing)}; there are {', '.join(known)}")
        return Dataset(self.root, tuple(known[name] for name in names), self.layout)


def scan_of(case: Case) -> str:
    """The name of the case, or of the volume that it is a slice of."""
    return case.name if case.slice is None else case.slice.volume


def names_its_patient(case: Case) -> bool:
    """Whether the case stands for a patient of its own, as where no one says whose it is: the patient has its name, or
    that before its source was put before it."""
    return case.patient in (case.name, case.name.removeprefix(f"{case.source}-"))


@contextmanager
def named(case: str) -> Iterator[None]:
    """Puts "case NAME: " before the InputError of what is done within."""
    try:
        yield
    except InputError as error:
        raise InputError(f"case {case}: {error}", options=error.options) from error


def check_labelled(mask: np.ndarray, table: LabelTable, labelled: tuple[str, ...], path: Path) -> None:
    """Raises InputError where the mask of class numbers (x, y, z), read from `path`, holds a class that is not among
    the `labelled`; none of these stand for all."""
    if not labelled:
        return
    planes = (mask[:, :, z] for z in range(mask.shape[2]))  # counting turns what it counts into int64
    counts = np.sum([np.bincount(plane.ravel(), minlength=len(table)) for plane in planes], axis=0)
    if denied := classes_denied(counts.tolist(), table, labelled):
        found = ", ".join(f"{count} of {name}" for name, count in denied.items())
        raise InputError(
            f"{path}: labels_present denies voxels of other classes than {', '.join(labelled)}, found {found}; correct "
            "patients.csv or the mask"
        )


def _part_of(volume: Volume, part: SliceOf, path: Path) -> Volume:
    _check_slice(volume.grid, part, path)
    return single_slice(volume, part.axis, part.index)


def _check_slice(grid: Grid, part: SliceOf, path: Path) -> None:
    count = grid.shape[part.axis]
    if not 0 <= part.index < count:
        raise InputError(
            f"{path}: slice {part.index} across axis {part.axis} is needed, counted from 0, found {count} slices; give "
            "image and mask of the same slices"
        )
