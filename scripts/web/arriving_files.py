"""Uploaded bytes as files under names of the server's: a whole body, or the files of a form."""

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from pneumoseg.scripts.web.refusals import Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
RAW = "application/octet-stream"
FIELD = "file"
LONGEST_HEADERS = 8 * 1024

logging.getLogger("python_multipart.multipart").setLevel(logging.CRITICAL)  # its warnings hold what was sent


class ArrivingFiles(Protocol):
    """Files in the making. `write` and `close` may block; both raise Refusal."""

    def write(self, piece: bytes) -> None:
        """Takes the next bytes of the body."""

    def close(self) -> list[str]:
        """Ends the files, which are then on the disk; the names that the sender gave them."""

    def abandon(self) -> None:
        """Closes what is open; the files are of no use."""


def arriving_files(content_type: str, folder: Path, *, name: str, most_files: int) -> ArrivingFiles:
    """Files in `folder` of a body of that Content-Type: raw, with `name`, or a form.

    Raises Refusal for other types.
    """
    kind, options = parse_options_header(content_type)
    if kind == RAW.encode():
        return WholeBody(folder, name)
    if kind != FORM.encode():
        raise Refusal(415, f"An upload is sent as {RAW}, or as {FORM} with a part {FIELD} for each file.")
    if b"boundary" not in options:
        raise Refusal(400, "The form has no boundary.")
    return FormFiles(folder, options[b"boundary"], most_files)


class WholeBody:
    """A body that is one file."""

    def __init__(self, folder: Path, name: str) -> None:
        self._names = [name]
        self._file = open_new(folder, 0)

    def write(self, piece: bytes) -> None:
        """Appends to the file."""
        self._file.write(piece)

    def close(self) -> list[str]:
        """Ends the file."""
        close_whole(self._file)
        return self._names

    def abandon(self) -> None:
        """Closes the file."""
        close_anyhow(self._file)


class FormFiles:
    """The parts `file` of a form, a file each. Raises Refusal for other parts, damaged forms, and too many files."""

    def __init__(self, folder: Path, boundary: bytes, most_files: int) -> None:
        self._folder, self._most_files = folder, most_files
        self._names: list[str] = []
        self._file: BinaryIO | None = None
        self._headers: dict[str, bytearray] = {}
        self._name, self._value = bytearray(), bytearray()
        self._ended = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks(), max_header_size=LONGEST_HEADERS)
        except FormParserError as error:
            raise Refusal(400, "The boundary of the form is too long.") from error

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_file,
            "on_part_data": self._append,
            "on_part_end": self._end_file,
            "on_end": self._end_form,
        }

    def write(self, piece: bytes) -> None:
        """Reads on in the form."""
        if self._ended:
            return
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise Refusal(400, "The form is damaged.") from error

    def close(self) -> list[str]:
        """Ends the last file."""
        if not self._ended:
            raise Refusal(400, "The form ends before its last boundary.")
        if not self._names:
            raise Refusal(400, f"The form has no part {FIELD}.")
        return self._names

    def abandon(self) -> None:
        """Closes the file that is open, if one is."""
        if self._file is not None:
            close_anyhow(self._file)

    def _end_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value
        self._name, self._value = bytearray(), bytearray()

    def _begin_file(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", bytearray()).decode("latin-1"))
        self._headers = {}
        if options.get(b"name") != FIELD.encode():
            raise Refusal(400, f"The form has a part that is not {FIELD}; other values go into the address.")
        if len(self._names) == self._most_files:
            raise Refusal(413, f"The form has more than {self._most_files} files; send them as one zip.")
        self._file = open_new(self._folder, len(self._names))
        self._names.append(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _append(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _end_file(self) -> None:
        if self._file is not None:
            close_whole(self._file)

    def _end_form(self) -> None:
        self._ended = True


def open_new(folder: Path, number: int) -> BinaryIO:
    """A new file, for this user alone."""
    descriptor = os.open(folder / f"{number:04d}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "wb")


def close_whole(file: BinaryIO) -> None:
    """Closes the file when the disk has all of it."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def close_anyhow(file: BinaryIO) -> None:
    """Closes a file whose content does not count."""
    with contextlib.suppress(OSError):  # on a full disk the last bytes cannot be written, and need not be
        file.close()
