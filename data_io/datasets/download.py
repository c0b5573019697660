"""The COVID-19-CT-Seg dataset (Ma et al. 2020), fetched from Zenodo record 3757476 and unpacked."""

import hashlib
import http.client
import json
import math
import os
import re
import shutil
import stat
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.volume_layouts import ZENODO_IMAGES, ZENODO_MASKS
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import PARTIAL_PREFIX, folder_aside, replace_folder, restore_replaced

URL_BASE = "https://zenodo.org"
RECORD = "3757476"
ARCHIVES = (ZENODO_IMAGES, ZENODO_MASKS)

BLOCK_BYTES = 1 << 20
LARGEST_RECORD_BYTES = 10_000_000
TIMEOUT_S = 60.0
ATTEMPTS = 5
PAUSE_S = 2.0
MAX_EXPANSION = 100
"""Largest unpacked size of an archive, in multiples of its own: compressed CTs expand by less than 2."""

# Answers after which another attempt makes sense: timeout, too many requests, and every fault of the server (5xx).
WORTH_RETRYING = (408, 429)


def download_dataset(
    folder: str | Path, url_base: str = URL_BASE, *, overwrite: bool = False, pause_s: float = PAUSE_S
) -> Dataset:
    """Fetches both archives into `folder`, checks and unpacks them, and opens the dataset.

    An archive that is there already, as folder or zip, is not fetched again, unless `overwrite`. An interrupted
    transfer goes on where it stopped, also in a later call. Raises InputError for a bad address, a wrong checksum, an
    archive that must not be unpacked, or when the transfer fails for good.
    """
    folder = Path(folder)
    url_base = url_base.rstrip("/")
    if not url_base.startswith(("https://", "http://")):
        raise InputError(f"the address must begin with https:// or http://, found {url_base}")
    names = [name for name in ARCHIVES if overwrite or not (folder / name).exists()]
    for name in sorted(set(ARCHIVES) - set(names)):
        log.info("%s: already there, not fetched again", folder / name)
    checksums = published_md5(url_base) if names else {}
    for name in names:
        archive = folder / f"{name}.zip"
        if archive.exists() and not overwrite:
            log.info("%s: already there, only unpacked", archive)
            unpack_zip(archive, folder / name)
            continue
        fetch(
            f"{url_base}/records/{RECORD}/files/{archive.name}",
            archive,
            md5=checksums.get(archive.name),
            pause_s=pause_s,
        )
        unpack_zip(archive, folder / name, overwrite)
        archive.unlink()
    return open_dataset(folder)


def published_md5(url_base: str = URL_BASE) -> dict[str, str]:
    """MD5 of each file as the record's JSON gives it; empty, after a warning, where it cannot be had."""
    url = f"{url_base}/api/records/{RECORD}"
    try:
        with urllib.request.urlopen(_request(url), timeout=TIMEOUT_S) as response:
            files = json.loads(response.read(LARGEST_RECORD_BYTES))["files"]
            checksums = {file["key"]: file["checksum"] for file in files}
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError) as error:
        log.warning("%s: no published checksums (%s); the transfer cannot be verified", url, error)
        return {}
    return {name: text.removeprefix("md5:") for name, text in checksums.items() if str(text).startswith("md5:")}


def fetch(
    url: str, path: str | Path, *, md5: str | None = None, attempts: int = ATTEMPTS, pause_s: float = PAUSE_S
) -> None:
    """Downloads `url` to `path`, which appears only when the transfer is whole and its MD5 is right.

    What has arrived stays beside it as `.partial-NAME`, and the next attempt (`attempts` in all, with pauses that start
    at `pause_s` seconds and double) or call asks for the rest by an HTTP range; a server that knows no ranges sends all
    of it again. Without `md5` a warning says that nothing was verified.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL_PREFIX}{path.name}")
    for attempt in range(1, attempts + 1):
        try:
            _transfer(url, partial)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code not in WORTH_RETRYING:
                raise InputError(
                    f"{url}: the server answered {error.code} {error.reason}; check the address"
                ) from error
            reason = f"the server answered {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
        if attempt == attempts:
            raise InputError(f"{url}: failed {attempts} times ({reason}); run the command again to go on from here")
        pause = pause_s * 2 ** (attempt - 1)
        log.info("%s: %s; trying again in %g s", url, reason, pause)
        time.sleep(pause)
    if md5 is None:
        log.warning("%s: not verified, for no checksum is known", path)
    else:
        _check_md5(partial, path, md5)
    os.replace(partial, path)


def unpack_zip(path: str | Path, folder: str | Path, overwrite: bool = False) -> None:
    """Unpacks an archive to `folder`, which appears whole or not at all.

    Raises InputError for a damaged archive; for an entry that is absolute, climbs out by "..", is a link, a device or
    encrypted; for contents more than 100 times as large as the archive; and for a folder that exists, unless
    `overwrite`.
    """
    path, folder = Path(path), Path(folder)
    if folder.exists() and not overwrite:
        raise InputError(f"{folder}: exists already; remove it, or ask to overwrite it")
    restore_replaced(folder)
    try:
        with zipfile.ZipFile(path) as archive, folder_aside(folder) as place:
            entries = archive.infolist()
            _check_entries(path, entries)
            aside = place / folder.name
            aside.mkdir()
            for entry in track(entries, f"unpacking {path.name}", total=len(entries)):
                target = aside / entry.filename
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, BLOCK_BYTES)
            replace_folder(aside, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable zip archive ({error}); remove it and download it again") from error


def _transfer(url: str, partial: Path) -> None:
    """Appends to `partial` what it lacks. Raises ConnectionError where the server stops early."""
    have = partial.stat().st_size if partial.exists() else 0
    try:
        response = urllib.request.urlopen(_request(url, have), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # Range Not Satisfiable: all of it is here, or the file has changed
            raise
        error.close()
        if error.headers.get("Content-Range", "") == f"bytes */{have}":
            return
        partial.unlink()
        raise ConnectionError("the partial file does not fit the server's; starting again") from error
    with response:
        if response.status != 206:
            have = 0
        elif _range_start(response) != have:
            partial.unlink()
            raise ConnectionError("the server sent another range than asked for; starting again")
        length = response.headers.get("Content-Length")
        expected = None if length is None else int(length)
        blocks = None if expected is None else math.ceil(expected / BLOCK_BYTES)
        received = 0
        with open(partial, "ab" if have else "wb") as file:
            for block in track(_blocks(response), f"{partial.name.removeprefix(PARTIAL_PREFIX)} (MiB)", total=blocks):
                file.write(block)
                received += len(block)
    if expected is not None and received < expected:
        raise ConnectionError(f"the connection ended after {have + received} of {have + expected} bytes")


def _request(url: str, have: int = 0) -> urllib.request.Request:
    headers = {"User-Agent": "pneumoseg"}
    if have:
        headers["Range"] = f"bytes={have}-"
    return urllib.request.Request(url, headers=headers)


def _range_start(response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _blocks(response) -> Iterator[bytes]:
    while block := response.read(BLOCK_BYTES):
        yield block


def _check_md5(partial: Path, path: Path, md5: str) -> None:
    with open(partial, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != md5.lower():
        partial.unlink()
        raise InputError(f"{path}: the MD5 must be {md5}, found {digest}; the file was removed, download it again")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", entry.filename) or not name.parts:
            raise InputError(f"{path}: entry {entry.filename!r} would be written outside the folder; not unpacked")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{path}: entry {entry.filename!r} is a link or device, not a file; not unpacked")
        if entry.flag_bits & 0x1:
            raise InputError(f"{path}: entry {entry.filename!r} is encrypted; not unpacked")
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > MAX_EXPANSION * packed:
        raise InputError(
            f"{path}: {packed} bytes would unpack to {unpacked}, more than {MAX_EXPANSION} times as much; not unpacked"
        )
