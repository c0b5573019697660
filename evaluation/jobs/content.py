"""What an uploaded file is, by its first bytes: names and suffixes are not believed."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES, is_head

Form = Literal["nifti.gz", "nifti", "nrrd", "metaimage", "dicom", "zip", "png", "jpeg"]

SUFFIXES: dict[Form, str] = {
    "nifti.gz": ".nii.gz", "nifti": ".nii", "nrrd": ".nrrd", "metaimage": ".mha", "dicom": ".dcm", "zip": ".zip",
    "png": ".png", "jpeg": ".jpg",
}  # fmt: skip
PICTURES: tuple[Form, ...] = ("png", "jpeg")
VOLUMES: tuple[Form, ...] = ("nifti.gz", "nifti", "nrrd", "metaimage")
ACCEPTED = "NIfTI, NRRD, MetaImage, DICOM (slices, or a zip archive of them), PNG or JPEG"

STARTS: tuple[tuple[bytes, Form], ...] = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"),
    (b"NRRD000", "nrrd"),
)  # fmt: skip
GZIP = b"\x1f\x8b"
NIFTI_SIZES = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}
"""By the length of the header: where the letters stand that say that the voxels follow, and these letters."""
METAIMAGE_FIELDS = (b"NDims", b"ElementType")


class UnknownContentError(InputError):
    """A file of no form that is accepted."""


def form_of(path: Path) -> Form | None:
    """The form of a file; None for another one, and for an empty file."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(GZIP):
            file.seek(0)
            return "nifti.gz" if _is_nifti(_unpacked_head(file)) else None
    if form := next((form for start, form in STARTS if head.startswith(start)), None):
        return form
    if _is_nifti(head):
        return "nifti"
    if is_dicom_head(head):
        return "dicom"
    return "metaimage" if all(field in head for field in METAIMAGE_FIELDS) else None


def is_dicom_head(head: bytes) -> bool:
    """Whether a file that begins so is DICOM: an image, or an object of another kind."""
    return head[128:132] == b"DICM" or is_head(head)


def _unpacked_head(file: BinaryIO) -> bytes:
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            return unpacked.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_nifti(head: bytes) -> bool:
    for order in "<>":
        size = struct.unpack(f"{order}i", head[:4])[0] if len(head) >= 4 else 0
        if size in NIFTI_SIZES:
            at, letters = NIFTI_SIZES[size]
            return head[at : at + 4] == letters
    return False
