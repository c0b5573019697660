"""Whether files are whole, and what they hold, for comparing what two runs of a command left."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

NEVER_ALIKE = re.compile(r"log\.txt|.*tfevents.*|report\.html|bundle\.json")
"""Names of files that tell of the times or interruptions of a run, or hold hashes of files with times in them."""
HIDDEN_LEFT = (".partial-*", ".replaced-*")


def left_behind(folder: Path) -> list[str]:
    """Hidden files and folders that a finished command should have removed."""
    return sorted(str(path.relative_to(folder)) for pattern in HIDDEN_LEFT for path in folder.rglob(pattern))


def visible_files(folder: Path) -> dict[str, Path]:
    """All files that are neither hidden nor in a hidden folder, by their path within `folder`."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if not any(part.startswith(".") for part in Path(name).parts)}


def damaged_files(folder: Path) -> list[str]:
    """The visible files that cannot be read to their end, each with the reason."""
    damaged = []
    for name, path in visible_files(folder).items():
        try:
            content(path)
        except Exception as error:  # noqa: BLE001  (whatever a reader raises for a broken file)
            damaged.append(f"{name}: {type(error).__name__} {str(error)[:80]}")
    return damaged


def contents(folder: Path) -> dict[str, str]:
    """What each visible file holds, by its path within `folder`; "" for files that are never alike."""
    return {
        name: "" if NEVER_ALIKE.fullmatch(path.name) else content(path)
        for name, path in visible_files(folder).items()
        if "tfevents" not in name
    }


def content(path: Path) -> str:
    """SHA-256 of what a file says, without times. Raises whatever its reader raises where it is not whole."""
    kind = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
    read = _events if "tfevents" in path.name else _READERS.get(kind, Path.read_bytes)
    said = read(path)
    return hashlib.sha256(said).hexdigest()


def _json(path: Path) -> bytes:
    return json.dumps(_timeless(json.loads(path.read_text(encoding="utf-8")))).encode()


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key != "seconds"}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _csv(path: Path) -> bytes:
    import pandas as pd

    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    return pd.read_csv(path, dtype=str).drop(columns="seconds", errors="ignore").to_csv().encode()


def _nifti(path: Path) -> bytes:
    import nibabel as nib
    import numpy as np

    image = nib.Nifti1Image.from_filename(path)
    return image.affine.tobytes() + np.asanyarray(image.dataobj).tobytes()


def _picture(path: Path) -> bytes:
    from PIL import Image, ImageSequence

    with Image.open(path) as picture:
        return b"".join(frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(picture))


def _model(path: Path) -> bytes:
    import h5py

    with zipfile.ZipFile(path) as archive:
        if (bad := archive.testzip()) is not None:
            raise ValueError(f"{bad} is damaged")
        said = [archive.read("pneumoseg.json")]
        with archive.open("model.weights.h5") as stored, h5py.File(stored, "r") as file:
            file.visititems(
                lambda name, item: said.append(item[()].tobytes()) if isinstance(item, h5py.Dataset) else None
            )
    return b"".join(said)


def _page(path: Path) -> bytes:
    text = path.read_text(encoding="utf-8")
    if not text.rstrip().endswith("</html>"):
        raise ValueError("the page has no end")
    return text.encode()


def _events(path: Path) -> bytes:
    """The records of a file of TensorBoard: each its length (8 bytes), 4 bytes, itself, 4 bytes."""
    data = path.read_bytes()
    place = 0
    while place < len(data):
        place += 16 + int.from_bytes(data[place : place + 8], "little")
    if place != len(data):
        raise ValueError("the last record is cut short")
    return data


_READERS = {
    ".json": _json,
    ".csv": _csv,
    ".nii.gz": _nifti,
    ".png": _picture,
    ".gif": _picture,
    ".webp": _picture,
    ".keras": _model,
    ".html": _page,
}
