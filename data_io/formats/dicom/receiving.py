"""A DICOM storage service (PS3.4 B): CT slices that others send, each series in a folder of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.header import damage
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.storage.atomic import write_aside

if TYPE_CHECKING:
    from pynetdicom.events import Event

CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2",)
"""UIDs of the kinds of objects that are accepted: CT Image Storage."""
SUCCESS, NOT_STORED, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
"""Answers to C-STORE (PS3.4 table B.2-1): stored, out of resources, cannot understand."""
MOST_ASSOCIATIONS = 10
IDLE_S = 60
LONGEST_TITLE = 16


@contextmanager
def receiver(
    folder: str | Path,
    *,
    address: str = "127.0.0.1",
    port: int = 11112,
    title: str = "PNEUMOSEG",
    callers: Sequence[str] = (),
) -> Iterator[int]:
    """Receives CT slices while the context lasts, into `folder`/SERIES/INSTANCE.dcm, named by their UIDs; yields the
    port (0 asks for a free one). A slice that is there already is replaced.

    `title`: the application entity title that callers must call; `callers`: the titles of those that may, none for all.
    Titles are no proof of identity: the address decides who reaches this. Echo (verification) is answered. Raises
    InputError where pynetdicom is not installed, for a missing folder, bad titles, and an address that cannot be used.
    """
    try:
        from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
    except ImportError as error:
        raise InputError("receiving needs pynetdicom; install pneumoseg[dicom-node]") from error
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make the folder that slices are to be stored in")
    for one in (title, *callers):
        if not (one.isascii() and one.isprintable() and one.strip() and len(one) <= LONGEST_TITLE and "\\" not in one):
            raise InputError(f"an application entity title has 1 to {LONGEST_TITLE} ASCII characters, found {one!r}")
    entity = AE(ae_title=title)
    entity.add_supported_context(Verification)
    for kind in CT_IMAGES:
        entity.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
    entity.require_called_aet = True
    entity.require_calling_aet = list(callers)
    entity.maximum_associations = MOST_ASSOCIATIONS
    entity.network_timeout = IDLE_S
    try:
        server: Any = entity.start_server(
            (address, port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: _store(event, folder))]
        )
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{address}:{port} cannot be listened on ({reason}); choose another port or address"
        ) from error
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def _store(event: "Event", folder: Path) -> int:
    """Stores one slice; the answer to its sender."""
    request: Any = event.request
    instance = str(request.AffectedSOPInstanceUID or "")
    try:
        series = str(event.dataset.get("SeriesInstanceUID") or "")
        named = str(event.dataset.get("SOPInstanceUID") or "")
    except damage() as error:
        log.warning("a slice was refused: its header cannot be read (%s)", type(error).__name__)
        return NOT_UNDERSTOOD
    if not (is_valid_uid(instance) and is_valid_uid(series) and named == instance):
        log.warning(
            "a slice was refused: SOPInstanceUID or SeriesInstanceUID is missing, invalid or contradicts the request"
        )
        return NOT_UNDERSTOOD
    try:
        with write_aside(folder / series / f"{instance}.dcm") as aside:
            aside.write_bytes(event.encoded_dataset())
    except OSError as error:
        log.error("a slice could not be stored: %s", error.strerror or error)
        return NOT_STORED
    return SUCCESS
