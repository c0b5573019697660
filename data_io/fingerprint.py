"""What a file or a folder of slices holds, as a number: it changes when the content does."""

import hashlib
from pathlib import Path


def sha256_of(path: str | Path) -> str:
    """SHA-256, in hexadecimal, of a file's bytes; of a folder, that of its files' hashes in the order of names."""
    path = Path(path)
    if path.is_dir():
        parts = (part for part in sorted(path.iterdir()) if part.is_file())
        return hashlib.sha256("".join(sha256_of(part) for part in parts).encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
