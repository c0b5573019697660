"""One DICOM file de-identified: its header cleaned, its pixels passed through byte by byte."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deflated import data_stream
from pneumoseg.data_io.formats.dicom.deidentification.elements import Rules, cleaned, replaced_uid
from pneumoseg.data_io.formats.dicom.deidentification.encoding import Element, encoded, file_start, text_element
from pneumoseg.data_io.formats.dicom.deidentification.identities import identities_of
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.patient import (
    PATIENT_ID,
    PATIENT_NAME,
    SERIES_UID,
    STUDY_UID,
    FileIdentity,
    file_identity,
)
from pneumoseg.data_io.formats.dicom.deidentification.pixel_stream import (
    BLOCK_BYTES,
    CutError,
    pixel_blocks,
    pixel_length,
)
from pneumoseg.data_io.formats.dicom.deidentification.pixels_at_risk import (
    CT_CLASSES,
    NO_PIXELS,
    RELEASABLE,
    SEGMENTATIONS,
    is_enhanced,
    kind_at_risk,
)
from pneumoseg.data_io.formats.dicom.deidentification.profile import TEXT
from pneumoseg.data_io.formats.dicom.deidentification.raw_values import (
    read_bytes,
    read_short,
    read_text,
    tags_of,
    type_of,
)
from pneumoseg.data_io.formats.dicom.header import damage, lenient
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SOP_CLASS, SOP_INSTANCE, FRAME_UID, INSTANCE_NUMBER = 0x00080016, 0x00080018, 0x00200052, 0x00200013
PIXEL_SIZES = (0x00280010, 0x00280011, 0x00280002, 0x00280100)  # Rows, Columns, SamplesPerPixel, BitsAllocated
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
UNCOMPRESSED = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}
LONGEST_PATTERN = 256
DAMAGED = "the file is damaged, or cut"
UNKNOWN_SYNTAX = "the transfer syntax is unknown"
FOUND = "a value that names the patient was found in the result"


class HeldBackError(Exception):
    """A file that is not released; the message is the reason, and names nothing of the file."""


@dataclass(frozen=True)
class Released:
    """Where a file belongs, and what was done: `patient` (pseudonym), `study` and `series` (UIDs as released), `number`
    (InstanceNumber, 0 where there is none), `counts` of attributes."""

    patient: str
    study: str
    series: str
    number: int
    counts: Mapping[str, int]


def deidentify_instance(source: BinaryIO, place: str, target: Path, *, key: Key, options: Options) -> Released:
    """Writes the DICOM file `source`, de-identified, to `target`. `place`: its folder, which tells patients and series
    apart where their IDs and UIDs are missing. Raises HeldBackError where it is not to be released, or is damaged."""
    try:
        with lenient():
            return _deidentified(source, place, target, key=key, options=options)
    except (InputError, CutError, RecursionError, MemoryError) as error:
        raise HeldBackError(DAMAGED) from error
    except damage() as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, such as a full disk
            raise
        raise HeldBackError(DAMAGED) from error


def _deidentified(source: BinaryIO, place: str, target: Path, *, key: Key, options: Options) -> Released:
    from pydicom import dcmread

    stream = data_stream(Path("source"), source, source.read(HEAD_BYTES))
    stream.seek(0)
    dataset = dcmread(stream, stop_before_pixels=True, force=True)
    sop_class = _class_of(dataset)
    risk = kind_at_risk(dataset, sop_class)
    if risk is not None and risk not in options.release:
        raise HeldBackError(RELEASABLE.get(risk, risk))
    implicit, little = dataset.original_encoding
    encoding = (bool(implicit), bool(little))
    length = pixel_length(stream, encoding)
    if length is None and sop_class in CT_CLASSES | SEGMENTATIONS:
        raise HeldBackError(NO_PIXELS)

    who = file_identity(dataset, place)
    identities = identities_of(dataset, with_uids=not options.uids)
    syntax = _syntax_of(dataset, encoding, compressed=length == -1)
    enclosed = length is not None and length != -1 and length <= _bytes_of_pixels(dataset, encoding[1])
    rules = Rules(key, options, key.days(*who.patient), is_enhanced(dataset), identities)
    pseudonym = key.pseudonym(*who.patient)
    at = stream.tell()
    number = read_text(dataset, INSTANCE_NUMBER)
    kept = {one.tag: one for one in cleaned(dataset, rules)}
    uids = _uids(dataset, who, rules, lambda: _content_hash(source))
    marks = {one.tag: one for one in (*_marks(options), *_names(pseudonym))}
    kept |= marks | {tag: text_element(tag, "UI", uid) for tag, uid in uids.items()}
    kept[SOP_CLASS] = text_element(SOP_CLASS, "UI", sop_class)
    if FRAME_UID in kept and not kept[FRAME_UID].value:
        kept[FRAME_UID] = text_element(FRAME_UID, "UI", key.uid("frame", uids[SERIES_UID]))
    header = file_start(sop_class, uids[SOP_INSTANCE], syntax) + encoded([kept[tag] for tag in sorted(kept)], encoding)
    stream.seek(at)
    with open(target, "wb") as file:
        file.write(header)
        for block in pixel_blocks(stream, encoding) if length is not None else ():
            file.write(block)
    _check_written(target, len(header), list(marks.values()), rules=rules, enclosed=enclosed)
    whole = number.isascii() and number.isdigit() and len(number) <= 9
    return Released(pseudonym, uids[STUDY_UID], uids[SERIES_UID], int(number) if whole else 0, dict(rules.counts))


def _class_of(dataset: "Dataset") -> str:
    """The SOP class; of a CT without a known one, CT Image Storage."""
    from pydicom.uid import UID_dictionary

    sop_class = read_text(dataset, SOP_CLASS)
    is_ct = read_text(dataset, 0x00080060).upper() == "CT" and read_text(dataset, 0x00280008) in ("", "1")
    return CT_IMAGE if sop_class not in UID_dictionary and is_ct else sop_class


def _syntax_of(dataset: "Dataset", encoding: tuple[bool, bool], *, compressed: bool) -> str:
    from pydicom.uid import UID, UID_dictionary

    named = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "") or "")
    if not compressed:
        is_other = named in UID_dictionary and UID(named).is_transfer_syntax and UID(named).is_compressed
        if encoding not in UNCOMPRESSED or is_other:
            raise HeldBackError(UNKNOWN_SYNTAX)
        return UNCOMPRESSED[encoding]
    known = named in UID_dictionary and UID(named).is_transfer_syntax and UID(named).is_compressed
    if not known or encoding != (False, True):
        raise HeldBackError(UNKNOWN_SYNTAX)
    return named


def _bytes_of_pixels(dataset: "Dataset", little: bool) -> int:
    """How many bytes the pixels take by the header, padding included; 0 where it does not say."""
    rows, columns, samples, bits = (read_short(dataset, tag, little) for tag in PIXEL_SIZES)
    frames = read_text(dataset, 0x00280008) or "1"
    count = (rows * columns * samples * bits * int(frames) + 7) // 8 if frames.isascii() and frames.isdigit() else 0
    return count + count % 2


def _uids(dataset: "Dataset", who: FileIdentity, rules: Rules, content: Callable[[], str]) -> dict[int, str]:
    """The UIDs of study, series and image: what the source has, replaced; where that is empty, from what the files of
    one study or series have in common, and of the image from its content."""
    study, series, image = (read_text(dataset, tag) for tag in (STUDY_UID, SERIES_UID, SOP_INSTANCE))
    return {
        STUDY_UID: replaced_uid(study, rules) if study else rules.key.uid(*who.study),
        SERIES_UID: replaced_uid(series, rules) if series else rules.key.uid(*who.series),
        SOP_INSTANCE: replaced_uid(image, rules) if image else rules.key.uid("image", content()),
    }


def _content_hash(source: BinaryIO) -> str:
    source.seek(0)
    digest = hashlib.sha256()
    while block := source.read(BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _names(pseudonym: str) -> list[Element]:
    return [text_element(PATIENT_NAME, "PN", pseudonym), text_element(PATIENT_ID, "LO", pseudonym)]


def _marks(options: Options) -> list[Element]:
    codes = [
        [
            text_element(0x00080100, "SH", value),
            text_element(0x00080102, "SH", "DCM"),
            text_element(0x00080104, "LO", meaning),
        ]
        for value, meaning in options.codes
    ]
    return [
        text_element(0x00120062, "CS", "YES"),
        text_element(0x00120063, "LO", options.method),
        Element(0x00120064, "SQ", codes),
        text_element(0x00280303, "CS", options.longitudinal),
    ]


def _check_written(target: Path, header: int, marks: list[Element], *, rules: Rules, enclosed: bool) -> None:
    """Searches what was written, read from the disk again, for the values that name the patient; the pixels too, unless
    they are `enclosed`: uncompressed and no more than the header says, so that no comment hides there. Raises
    HeldBackError."""
    from pydicom import dcmread

    identities = rules.identities
    with open(target, "rb") as file:
        content = file.read(header)
        for one in marks:
            for encoding in UNCOMPRESSED:
                content = content.replace(encoded([one], encoding), b"\n" * 8)
        if identities.in_bytes(content):
            raise HeldBackError(FOUND)
        before = b""
        while not enclosed and (block := file.read(BLOCK_BYTES)):
            if identities.in_pixels(before + block):
                raise HeldBackError(FOUND)
            before = block[-LONGEST_PATTERN:]
    if identities.short_numbers:
        written = dcmread(target, stop_before_pixels=True)
        texts = (read_bytes(written, tag) for tag in tags_of(written) if type_of(written, tag) in (*TEXT, "CS"))
        if any(identities.in_text(text) for text in texts):
            raise HeldBackError(FOUND)
