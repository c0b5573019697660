"""Results of parts of the cases, which several machines share: OUTPUT/parts/I_of_N.json for part I/N, each written last
by its machine, so that its presence says that the part is done. One call makes the whole from them.

Each file holds the settings that the part was made with, and of each case the SHA-256 of its masks and its results as
plain values, None in place of NaN. Of a prediction it holds no settings and which CTs failed: the rest is in manifests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoseg.data_io.datasets.inputs import part_numbers
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json

FOLDER = "parts"
LARGEST_BYTES = 1_000_000_000
"""Of a part of some ten thousand cases."""
KINDS = {"masks": dict, "results": dict}
"""What a part holds of each case."""


@dataclass(frozen=True)
class PartCase:
    """What a part holds of a case. `masks`: SHA-256 of its masks by what they are; `results`: plain values for JSON."""

    masks: Mapping[str, str]
    results: Mapping[str, Any]


def part_file(output: Path, part: str) -> Path:
    """The file of part "I/N" of the results in `output`. Raises InputError as `part_numbers`.

    >>> part_file(Path("scores"), "2/3").as_posix()
    'scores/parts/2_of_3.json'
    """
    index, count = part_numbers(part)
    return output / FOLDER / f"{index}_of_{count}.json"


def check_part_free(file: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises InputError where a part's file is there that is neither to be kept nor replaced."""
    if file.exists() and not (resume or overwrite):
        raise InputError(f"{file}: exists already; resume it or overwrite it", options=("resume", "overwrite"))


def write_part(file: Path, settings: Mapping[str, object], cases: Mapping[str, PartCase]) -> None:
    """Writes what was found of the part's cases, made with `settings`: whole or not at all."""
    held = {name: {"masks": dict(case.masks), "results": dict(case.results)} for name, case in cases.items()}
    write_json(file, {"settings": dict(settings), "cases": held})


def write_predicted_part(output: Path, part: str, failed: Mapping[str, bool]) -> None:
    """Says that part "I/N" of a prediction into the folder `output` is done, and of each CT, by name, whether it
    failed."""
    write_part(part_file(output, part), {}, {name: PartCase({}, {"failed": one}) for name, one in failed.items()})


def read_parts(
    output: Path, settings: Mapping[str, object], *, parts: Sequence[str] | None = None
) -> dict[str, PartCase]:
    """The cases of all parts in `output`, or of those of the given "I/N" that are there, by name.

    Raises InputError for a file that is no part, and for one that was made with other settings.
    """
    cases: dict[str, PartCase] = {}
    files = [part_file(output, part) for part in parts] if parts is not None else (output / FOLDER).glob("*_of_*.json")
    for file in sorted(file for file in files if file.is_file()):
        content = read_json(file, "a part of the results", dict, largest_bytes=LARGEST_BYTES)
        made_with, held = content.get("settings"), content.get("cases")
        if not (isinstance(made_with, dict) and isinstance(held, dict) and all(map(_is_case, held.values()))):
            raise InputError(f"{file}: no part of results; remove it and make the part again")
        if changed := sorted(key for key in {**made_with, **settings} if made_with.get(key, ...) != settings.get(key)):
            message = (
                f"{file}: the part was made with other settings ({', '.join(changed)}); make it again, or overwrite it"
            )
            raise InputError(message, options=("overwrite",))
        cases |= {name: PartCase(one["masks"], one["results"]) for name, one in held.items()}
    return cases


def same_masks(case: str, held: PartCase, masks: Mapping[str, str]) -> None:
    """Raises InputError where the results of a case are of other masks than those of the SHA-256 `masks`."""
    if changed := [what for what in masks if held.masks.get(what) != masks[what]]:
        message = f"case {case}: its {' and '.join(changed)} changed since its part was made; make the part again"
        raise InputError(message, options=("overwrite",))


def _is_case(one: object) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in KINDS.items())
