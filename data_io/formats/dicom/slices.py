"""One slice of a DICOM series: the values of its header, and how its pixels are stored."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the pixels of one file are stored.

    `start`: the first byte of PixelData's value, in the inflated file where the transfer syntax is the deflated one.
    `length`: its bytes by its header; None where it is encapsulated, that is compressed. `available`: the bytes from
    `start` to the end of the file. `little_endian`, `words`: the order of bytes; words are of two bytes. `signed` is
    None where PixelRepresentation is missing. `syntax`: the UID of the transfer syntax, or "".
    """

    start: int
    length: int | None
    available: int
    little_endian: bool
    words: bool
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool | None
    syntax: str


@dataclass(frozen=True, slots=True)
class Slice:
    """What the header of one file says; None where a value is missing or not a number.

    `position_mm`: ImagePositionPatient, the centre of the first pixel (LPS). `cosines`: ImageOrientationPatient, the
    direction (LPS) in which columns count up, then that of rows. `spacing_mm`: PixelSpacing, between rows, then
    between columns. `thickness_mm`: SpacingBetweenSlices, else SliceThickness. `slope`, `intercept`: from stored
    value to HU; `has_table`: a lookup table takes their place. `padding_hu`: PixelPaddingValue in HU. `frames`: images
    in the file. `photometric`: MONOCHROME2 in a CT. `rows` and `columns` are 0 where the file holds no image (a
    report, a structure set). `patient`: PatientID as a hash, "" where it is empty. `study_date`: StudyDate, YYYYMMDD,
    "" where it is missing or no date.
    """

    file: Path
    uid: str
    number: int | None
    description: str
    modality: str
    localizer: bool
    rows: int
    columns: int
    position_mm: tuple[float, ...] | None
    cosines: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    slope: float | None
    intercept: float | None
    has_table: bool
    padding_hu: float | None
    frames: int
    photometric: str
    pixels: Pixels | None
    patient: str = field(repr=False)
    study_date: str = field(repr=False)

    @property
    def has_geometry(self) -> bool:
        """Whether the header gives position, orientation and spacing."""
        return None not in (self.position_mm, self.cosines, self.spacing_mm)

    @property
    def is_plain_ct(self) -> bool:
        """Whether it is a CT slice of grey pixels, alone in its file, with its geometry."""
        grey = self.photometric.startswith("MONOCHROME")
        return self.modality == "CT" and self.has_geometry and self.frames == 1 and grey

    @property
    def normal(self) -> np.ndarray:
        """The direction (LPS) in which slices count up: columns' direction x rows' direction, (3,)."""
        if self.cosines is None:
            raise ValueError(f"{self.file}: no orientation")
        return np.cross(self.cosines[:3], self.cosines[3:])
