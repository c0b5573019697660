"""From a path to a Scan or a Volume, whatever the format; new formats plug in here.

A reader of your own is a function from a path to a Volume (or to a Scan, which is read slab by slab), registered with
the test that recognises its files:

    def read_npz(path):
        content = numpy.load(path)
        return Volume.from_source(content["hu"], content["affine"])

    register_reader("npz", lambda path: path.suffix == ".npz", read_npz)
"""

from collections.abc import Callable
from pathlib import Path

from data_io import dicom, dicom_series, itk_images, nifti
from data_io.errors import InputError
from data_io.scan import Scan
from data_io.volume import Volume

_READERS: dict[str, tuple[Callable[[Path], bool], Callable[[Path], Volume | Scan]]] = {}


def register_reader(name: str, recognises: Callable[[Path], bool], read: Callable[[Path], Volume | Scan]) -> None:
    """Adds a file format; one registered later is asked first, and one of the same name is replaced."""
    _READERS.pop(name, None)
    _READERS[name] = (recognises, read)


def is_readable(path: str | Path) -> bool:
    """Whether some reader recognises `path` (hidden files never are: they may be half-written)."""
    path = Path(path)
    return not path.name.startswith(".") and any(recognises(path) for recognises, _ in _READERS.values())


def open_scan(path: str | Path) -> Scan:
    """Opens a CT (HU) by the reader that recognises it. Raises InputError where none does or the file is bad."""
    found = _read(Path(path))
    return found if isinstance(found, Scan) else Scan.from_volume(found)


def read_volume(path: str | Path) -> Volume:
    """Reads a CT volume (HU) by the reader that recognises it. Raises InputError where none does or the file is bad."""
    found = _read(Path(path))
    return found.read() if isinstance(found, Scan) else found


def read_labels(path: str | Path, classes: int) -> Volume:
    """Reads a mask as uint8 class numbers 0 .. classes - 1. Raises InputError for any other value."""
    return nifti.as_labels(read_volume(path), path, classes)


def _read(path: Path) -> Volume | Scan:
    for recognises, read in reversed(_READERS.values()):
        if recognises(path):
            return read(path)
    raise InputError(f"{path}: no reader for this file; readable formats: {', '.join(_READERS)}")


register_reader("nifti", nifti.is_nifti, nifti.open_nifti)
register_reader("nrrd or metaimage", itk_images.is_itk_image, itk_images.open_itk_image)
register_reader("dicom", dicom_series.is_dicom, dicom.open_dicom)
