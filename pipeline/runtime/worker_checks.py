"""What a worker on another machine must share with the program that sends it work: version, files, folder."""

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from pneumoseg.data_io.errors import InputError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

HASHED_BYTES = 1 << 20
"""Of a file: its size and the hash of so many bytes tell whether a worker sees the same one."""
COMPARED_INPUTS = 5
PROBE = "probe"

_one_at_a_time = threading.Lock()
_checked: set["Agreement"] = set()


class ClusterError(InputError):
    """The cluster is lost, or a worker has another version of the program or sees other files: it ends the work, not
    one case alone."""


class WorkerLost(InputError):
    """A piece of work whose workers ended while they did it."""


@dataclass(frozen=True)
class Agreement:
    """What every worker must share. `versions`: as of `version_reader`; `folder`: a folder of this run in the shared
    storage, with a file `probe` that holds `token`; `inputs`: the marks of a few inputs by their paths."""

    versions: tuple[tuple[str, str], ...]
    folder: str
    token: str
    inputs: tuple[tuple[str, str], ...] = ()


def version_reader() -> Callable[[], dict[str, str]]:
    """A function that tells the versions where it runs: of this program, with the hash of its source, of Python and of
    Dask. It stands on the standard library alone and is sent as it is: a worker may lack the program, or have another
    one."""

    def versions() -> dict[str, str]:
        import hashlib
        import importlib.metadata
        import importlib.util
        import platform
        from pathlib import Path

        def installed(name: str) -> str:
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                return "absent"

        found = importlib.util.find_spec("pneumoseg")
        content = hashlib.sha256()
        for root in (found.submodule_search_locations or ()) if found else ():
            for room in ("data_io", "evaluation", "pipeline"):
                for file in sorted((Path(root) / room).rglob("*.py")):
                    content.update(file.read_bytes())
        source = f" (source {content.hexdigest()[:12]})" if found else ""
        return {
            "pneumoseg": installed("pneumoseg") + source,
            "Python": ".".join(platform.python_version_tuple()[:2]),
            "distributed": installed("distributed"),
        }

    return versions


def agreement(folder: Path, versions: Mapping[str, str], inputs: Sequence[Path]) -> Agreement:
    """What workers must share with this process; writes the probe into `folder`, which is of this run alone."""
    token = secrets.token_hex(16)
    (folder / PROBE).write_text(token, encoding="ascii")
    step = max(1, len(inputs) // COMPARED_INPUTS)
    compared = [Path(os.path.abspath(path)) for path in inputs[::step][:COMPARED_INPUTS]]
    marks = tuple((str(path), content_mark(path)) for path in compared)
    return Agreement(tuple(versions.items()), os.path.abspath(folder), token, marks)


def content_mark(path: Path) -> str:
    """Tells two files, or folders by the names and sizes of their files, apart; reads little of large ones. "absent"
    where there is nothing."""
    if path.is_dir():
        listing = [(file.name, file.stat().st_size) for file in sorted(path.iterdir()) if file.is_file()]
        return hashlib.sha256(repr(listing).encode("utf-8", "surrogatepass")).hexdigest()
    if not path.is_file():
        return "absent"
    with open(path, "rb") as file:
        return f"{path.stat().st_size}:{hashlib.sha256(file.read(HASHED_BYTES)).hexdigest()}"


def differing_versions(expected: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """How versions differ from those expected, in words; None where they do not."""
    differing = [name for name in expected if found.get(name, "absent") != expected[name]]
    if not differing:
        return None
    return "; ".join(f"{name} is {found.get(name, 'absent')} there and {expected[name]} here" for name in differing)


def differing_files(agreed: Agreement) -> str | None:
    """Where this process sees other files than those agreed, in words; None where it sees the same and can write."""
    folder = Path(agreed.folder)
    try:
        if (folder / PROBE).read_text(encoding="ascii") != agreed.token:
            return f"{folder.parent} is another folder there"
        answer = folder / f"answer-{secrets.token_hex(8)}"
        answer.write_text(agreed.token, encoding="ascii")
        answer.unlink()
    except (OSError, ValueError) as error:
        return f"{folder.parent} cannot be read and written there ({getattr(error, 'strerror', None) or error})"
    for path, mark in agreed.inputs:
        try:
            found = content_mark(Path(path))
        except OSError:
            found = "absent"
        if found != mark:
            return f"{path} is absent there" if found == "absent" else f"{path} has another content there"
    return None


def do_agreed(
    agreed: Agreement, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
) -> Result:
    """The function's result, computed by a worker: after the checks, which are done once in each process, as workers
    may join late; and one at a time, as networks use what threads share. Raises ClusterError where a check fails."""
    with _one_at_a_time:
        if agreed not in _checked:
            words = differing_versions(dict(agreed.versions), version_reader()()) or differing_files(agreed)
            if words:
                raise ClusterError(f"a worker that joined late does not fit: {words}")
            _checked.add(agreed)
        return function(*arguments, **options)
