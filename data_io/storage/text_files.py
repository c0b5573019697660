"""Untrusted text files, read within limits."""

from pathlib import Path

from pneumoseg.data_io.errors import InputError

LARGEST_BYTES = 64_000_000


def read_text(path: str | Path, what: str, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a UTF-8 file. `what` it is, for errors, such as "a file of splits".

    Raises InputError where there is no such file, it is larger than `largest_bytes`, or it is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {what} is needed there")
    with open(path, "rb") as file:
        data = file.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        raise InputError(f"{path}: {what} has at most {largest_bytes / 1e6:g} MB, found more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: {what} is text in UTF-8, found other bytes at {error.start}; store it as UTF-8"
        ) from error


def nested_too_deeply(content: object, deepest: int) -> bool:
    """Whether lists and dictionaries lie more than `deepest` levels within each other."""
    level = [content]
    for _ in range(deepest + 1):
        level = [part for one in level if isinstance(one, dict | list) for part in _parts(one)]
        if not level:
            return False
    return True


def _parts(content: dict | list) -> list:
    values = content.values() if isinstance(content, dict) else content
    return [part for part in values if isinstance(part, dict | list)]
