"""May a command write its results to a folder? Results are not replaced unasked, and those of a run never."""

from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs.run_marks import is_fold, is_run, visible_names


def check_output_free(
    output: Path,
    last_file: str,
    *,
    others: Sequence[str] = (),
    marks: Sequence[str] = (),
    written: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Raises InputError where results lie in `output` that are not to be replaced (`overwrite`), and where it is a
    file, a run or a fold of one, whose results are never replaced by those of another command.

    `last_file`: the result that is written last, so that its presence says that all the rest is there. `others`:
    further files that say that there are results, of this command or of another. `marks`: patterns of all that an
    unfinished call of the same command leaves, which is no obstacle. `written`: the names that the command writes
    before `last_file`, for one whose folder must otherwise be empty.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: the output is a folder, found a file; choose another name")
    if is_run(output) or is_fold(output):
        raise InputError(f"{output}: this is a run folder with results; choose another folder")
    visible = visible_names(output)
    results = sorted(visible) if written else [name for name in (*others, last_file) if name in visible]
    if not results or overwrite:
        return
    begun = bool(marks) and all(any(output.glob(pattern)) for pattern in marks)
    unfinished = begun and last_file not in visible
    if unfinished and (not written or visible <= set(written)):
        return
    message = f"{output}: must be free for results, found {listed(results)}; choose another folder or overwrite it"
    raise InputError(message, options=("overwrite",))
