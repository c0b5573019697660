"""From a path to a Scan or a Volume, whatever the format; new formats plug in here.

A custom reader is a function from a path to a Volume (or to a Scan, which is read slab by slab), registered with
the test that recognises its files:

    def read_npz(path):
        content = numpy.load(path)
        return Volume.from_source(content["hu"], content["affine"])

    register_reader("npz", lambda path: path.suffix == ".npz", read_npz)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.formats import nifti, nrrd_metaimage
from pneumoseg.data_io.formats.declared_labels import names_in
from pneumoseg.data_io.formats.dicom import ct, series
from pneumoseg.data_io.formats.dicom.recognition import is_segmentation
from pneumoseg.data_io.formats.label_names import Names, unlike, values_by_name
from pneumoseg.data_io.formats.label_pictures import read_label_picture, two_classes
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.pictures import is_picture, read_picture
from pneumoseg.data_io.volumes.grid_limits import check_ct_grid
from pneumoseg.data_io.volumes.labels import LabelTable, class_numbers
from pneumoseg.data_io.volumes.lazy_volume import Scan, checked
from pneumoseg.data_io.volumes.volume import Volume

PLAIN_KINDS = "biuf"
"""NumPy's kinds of voxels that are read: truth values, integers, floats."""

RELABEL = "relabel the mask or declare the class"


@dataclass(frozen=True)
class _Choices:
    """What the built-in readers may be asked: `form` for NIfTI, `series` and `allow_gaps` for DICOM, for pictures
    whether they are masks."""

    form: GridForm = "sform"
    series: str | None = None
    allow_gaps: bool = False
    mask: bool = False


_READERS: dict[str, tuple[Callable[[Path], bool], Callable[[Path, _Choices], Volume | Scan]]] = {}
"""By name: whether a path is of this format, and the reader."""


def register_reader(name: str, recognises: Callable[[Path], bool], read: Callable[[Path], Volume | Scan]) -> None:
    """Adds a file format; one registered later is asked first, and one of the same name is replaced.

    What `read` raises over a file becomes an InputError that names the file, as do NaN and infinite voxels.
    """
    _READERS.pop(name, None)
    _READERS[name] = (recognises, lambda path, choices: _checked(read(path), path))


def is_readable(path: str | Path) -> bool:
    """Whether some reader recognises `path` (hidden files never are: they may be half-written)."""
    path = Path(path)
    return not path.name.startswith(".") and any(recognises(path) for recognises, _ in _READERS.values())


def open_scan(
    path: str | Path, *, grid: GridForm = "sform", series: str | None = None, allow_gaps: bool = False
) -> Scan:
    """Opens a CT (HU) or a picture (0..255) by the reader that recognises it.

    `grid`: which form of a NIfTI header counts where both are set (see `formats.nifti_placement`); `series`,
    `allow_gaps`: for DICOM, see `ct.open_dicom`. Raises InputError where no reader recognises the file, where it is
    bad, and for a grid that no CT has (`grid_limits.check_ct_grid`).
    """
    image = _read(Path(path), _Choices(grid, series, allow_gaps))
    return image if isinstance(image, Scan) else Scan.from_volume(image)


def read_volume(path: str | Path, *, grid: GridForm = "sform") -> Volume:
    """Reads a CT volume (HU) or a picture (0..255) by the reader that recognises it; `grid` and errors as `open_scan`.

    Channels, such as a picture's colours, are a fourth axis.
    """
    return _read_whole(Path(path), _Choices(grid))


def read_labels(
    path: str | Path,
    labels: int | LabelTable,
    *,
    values: Sequence[int] | None = None,
    label_names: Names = (),
    merge: Sequence[tuple[int, int]] = (),
    grid: GridForm = "sform",
    remedy: str = RELABEL,
) -> Volume:
    """Reads a mask as uint8 class numbers 0, 1, 2, ... of `labels`, a table or the number of classes.

    `values`: the number in the file of each class, by default its class number. With a table, names in the file
    (`declared_labels.names_in`) and `label_names`, those that its dataset gives, count more than these: a class at
    another number is read from there, with a warning. `merge`: values in the file, each with its class; names do not
    count then, and values that are not among these are read as without. `remedy`: the end of the error about a value of
    no class.

    A picture of two classes that has none of the values in `merge` may also have 0 and 255, see
    `label_pictures.two_classes`.

    Raises InputError for any other value, for names that contradict each other, and for an image of several channels.
    """
    path, classes = Path(path), labels if isinstance(labels, int) else len(labels)
    numbers: Sequence[int | None] = values or range(classes)
    rule = f"0..{classes - 1}"
    if not isinstance(labels, int) and not merge:
        with _named(path):
            numbers = _values_by_name(path, labels.names, values or range(classes), label_names)
        if values or numbers != tuple(range(classes)):
            pairs = zip(numbers, labels.names, strict=True)
            rule = f"among {', '.join(f'{number}={name}' for number, name in pairs if number is not None)}"
    if merge:
        rule += f", or merged ({', '.join(f'{value} to {number}' for value, number in merge)})"
    volume = _read_whole(path, _Choices(grid, mask=True))
    array = volume.array
    if array.ndim > 3:
        raise InputError(f"{path}: a mask has one value a voxel, found {array.shape[3]} channels; save one of them")
    if is_picture(path) and tuple(numbers) == (0, 1) and not np.isin(array, [value for value, _ in merge]).any():
        array = two_classes(array, path)
    rule = f"{path}: labels must be {rule}"
    return volume.with_array(class_numbers(array, numbers, rule, remedy=remedy, merge=merge))


def mask_values(path: str | Path) -> tuple[float, ...]:
    """The values in a mask's file, ascending, whatever they stand for. Raises InputError where it cannot be read."""
    image = _read(Path(path), _Choices(mask=True))
    slabs = image.read_stored() if isinstance(image, Scan) else [image.array]
    values = np.unique(np.concatenate([np.unique(slab) for slab in slabs]))
    return tuple(values.tolist())


def _values_by_name(
    path: Path, names: Sequence[str], values: Sequence[int], label_names: Names
) -> tuple[int | None, ...]:
    declared = (*names_in(path), *label_names)
    numbers = values_by_name(declared, names, values)
    if numbers != tuple(values):
        pairs = zip(numbers, names, strict=True)
        moved = ", ".join(f"{number} is {name}" for number, name in pairs if number is not None)
        log.warning("%s: the labels are numbered otherwise than here; classes are assigned by name: %s", path, moved)
    for number, name, read_as in unlike(declared, names, numbers):
        log.warning("%s: label %d is named %s but read as %s; check the labels", path, number, name, read_as)
    return numbers


def _read(path: Path, choices: _Choices) -> Volume | Scan:
    for recognises, read in reversed(_READERS.values()):
        if recognises(path):
            with _named(path):
                image = read(path, choices)
                check_ct_grid(image.stored_grid)
            return _named_scan(image, path) if isinstance(image, Scan) else image
    raise InputError(f"{path}: no reader for this file; readable formats: {', '.join(_READERS)}")


def _read_whole(path: Path, choices: _Choices) -> Volume:
    image = _read(path, choices)
    if isinstance(image, Volume):
        return image
    with _named(path):
        return image.read()


def _read_segmentation(path: Path) -> Volume:
    from pneumoseg.data_io.formats.dicom.segmentation import read_segmentation  # imports pydicom

    return read_segmentation(path)


def _named_scan(scan: Scan, path: Path) -> Scan:
    def slabs() -> Iterator[np.ndarray]:
        with _named(path):
            yield from scan.read_stored()

    return Scan(scan.stored_grid, slabs)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Makes an InputError that names the file of what a reader raises within."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # a registered reader may use a library with errors of its own classes
        if isinstance(error, InputError) and str(path) in str(error):
            raise
        reason = " ".join(str(error).split())
        if not isinstance(error, InputError):
            reason = f"the file cannot be read ({type(error).__name__}: {reason}); copy it again, or fix its reader"
        raise InputError(f"{path}: {reason}", options=options_of(error)) from error


def _checked(image: Volume | Scan, path: Path) -> Volume | Scan:
    """The image of a registered reader, its voxels checked as the built-in readers check theirs."""
    if isinstance(image, Scan):
        return Scan(image.stored_grid, lambda: _checked_slabs(image, path))
    if isinstance(image, Volume):
        _check_plain(image.array, path)
        return image.with_array(checked(image.array, path))
    raise TypeError(f"a reader returns a Volume or a Scan, found {type(image).__name__}")


def _checked_slabs(scan: Scan, path: Path) -> Iterator[np.ndarray]:
    plane, kind = scan.stored_grid.shape[:2], None
    for slab in scan.read_stored():
        _check_plain(slab, path)
        voxels = checked(slab, path)
        kind = kind or (voxels.shape[3:], voxels.dtype)
        if voxels.shape[:2] != plane or voxels.ndim not in (3, 4) or (voxels.shape[3:], voxels.dtype) != kind:
            expected = ", ".join(str(size) for size in (*plane, "n", *kind[0]))
            raise InputError(
                f"{path}: all slabs of a scan have the shape ({expected}) and one data type ({kind[1]}), "
                f"found {voxels.shape}, {voxels.dtype}; fix its reader"
            )
        yield voxels


def _check_plain(array: np.ndarray, path: Path) -> None:
    if array.dtype.kind not in PLAIN_KINDS:
        raise InputError(f"{path}: voxels must be plain numbers, found {array.dtype}; fix its reader")


_READERS["nifti"] = (nifti.is_nifti, lambda path, choices: nifti.open_nifti(path, choices.form))
_READERS["nrrd or metaimage"] = (nrrd_metaimage.is_itk_image, lambda path, choices: nrrd_metaimage.open_itk_image(path))
_READERS["picture"] = (
    is_picture,
    lambda path, choices: read_label_picture(path) if choices.mask else read_picture(path),
)
_READERS["dicom"] = (
    series.is_dicom,
    lambda path, choices: ct.open_dicom(path, choices.series, choices.allow_gaps),
)
_READERS["dicom segmentation"] = (is_segmentation, lambda path, choices: _read_segmentation(path))
