"""The COVID-19-CT-Seg dataset (Ma et al. 2020), fetched from Zenodo record 3757476 and unpacked."""

import hashlib
import http.client
import json
import math
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.volume_layouts import ZENODO_IMAGES, ZENODO_MASKS
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import PARTIAL_PREFIX
from pneumoseg.data_io.storage.zip_files import unpack_zip

URL_BASE = "https://zenodo.org"
RECORD = "3757476"
ARCHIVES = (ZENODO_IMAGES, ZENODO_MASKS)

BLOCK_BYTES = 1 << 20
LARGEST_RECORD_BYTES = 10_000_000
TIMEOUT_S = 60.0
ATTEMPTS = 5
PAUSE_S = 2.0

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
