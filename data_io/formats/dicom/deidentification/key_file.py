"""The secret from which pseudonyms, UIDs and shifts of dates follow: the same secret gives the same ones."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.uids import bordered, uid_from

SECRET_BYTES = 32
FORM = re.compile(r"[0-9a-f]{64}\n?", re.ASCII)
PSEUDONYM_LETTERS = 12  # of 5 bits each
SHIFT_DAYS = (365, 3650)


@dataclass(frozen=True)
class Key:
    """A secret, and what follows from it and the parts of an identity (their order and borders count)."""

    secret: bytes = field(repr=False)

    def uid(self, *parts: str | bytes) -> str:
        """A valid UID under 2.25."""
        return uid_from(self._digest("uid", *parts))

    def pseudonym(self, *parts: str | bytes) -> str:
        """Thirteen capital letters and digits, the first of them P."""
        return "P" + base64.b32encode(self._digest("pseudonym", *parts)).decode()[:PSEUDONYM_LETTERS]

    def days(self, *parts: str | bytes) -> int:
        """By how many days dates move into the past: one to ten years."""
        least, most = SHIFT_DAYS
        return least + int.from_bytes(self._digest("days", *parts), "big") % (most - least + 1)

    def _digest(self, *parts: str | bytes) -> bytes:
        return hmac.digest(self.secret, bordered(*parts), hashlib.sha256)


def fresh_key() -> Key:
    """A new random key, which is lost unless it is written."""
    return Key(secrets.token_bytes(SECRET_BYTES))


def read_or_make_key(path: Path) -> tuple[Key, bool]:
    """The key in the file `path`, and whether it was made now: where there is no such file, a new key is written to it,
    readable for its owner alone (mode 0600).

    Raises InputError where the file is no key, or may be read by others.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read(path), False
    except FileNotFoundError as error:
        raise InputError(f"{path}: the folder of a key file must exist, found none; make it") from error
    key = fresh_key()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key, True


def _read(path: Path) -> Key:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: a key is a file, found something else; choose another name")
    if os.name == "posix" and status.st_mode & 0o077:
        raise InputError(
            f"{path}: a key must be readable for its owner alone, found mode {status.st_mode & 0o777:04o}; chmod 600 it"
        )
    with open(path, encoding="ascii", errors="replace") as file:
        text = file.read(2 * SECRET_BYTES + 2)
    if not FORM.fullmatch(text):
        raise InputError(f"{path}: a key is 64 hexadecimal digits, found other text; name a key file, or a new file")
    return Key(bytes.fromhex(text.strip()))
