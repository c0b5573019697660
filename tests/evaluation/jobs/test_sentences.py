"""Reasons in one sentence."""

from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.sentences import DISK_FULL, LONGEST, NO_MEMORY, failure, sentence

JOB = Path("/srv/data/jobs/abc")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{JOB}/input/ct.nii.gz: voxels must be numbers\nin rows", "Voxels must be numbers in rows."),
        (f"{JOB}/input/.partial-000000001-ct/ct: the file is cut", "The file is cut."),
        (f"{JOB}/.partial-000000001-input/work/ct.nii: the file is cut", "The file is cut."),
        (f"{JOB}/work-1f/reference.nii.gz: the file is cut", "The file is cut."),
        (f"{JOB}/upload/0: {JOB}/upload/0: twice", "Twice."),
        ("spacing: is it in mm?", "Spacing: is it in mm?"),
        ("found at /etc/passwd here", "Found at passwd here."),
        (f"slices differ: 1.dcm and 2.dcm in {JOB}/input/ct", "Slices differ: 1.dcm and 2.dcm in ct."),
    ],
)
def test_sentences(text, shown):
    assert sentence(text, JOB) == shown


def test_failures():
    assert failure(InputError("an odd file"), JOB) == "An odd file."
    assert failure(OSError(28, "No space left", "/srv/data"), JOB) == DISK_FULL
    assert failure(MemoryError(), JOB) == NO_MEMORY
    assert "Doe" not in failure(RuntimeError("Doe^John"), JOB)
    assert "/srv" not in failure(FileNotFoundError(2, "No such file", "/srv/data"), JOB)
    assert len(failure(InputError("long " * 1000), JOB)) <= LONGEST + 1


def test_a_full_disk_is_called_so_wherever_it_was_noticed():
    error = InputError("mask.nii.gz: [Errno 28] No space left on device")
    error.__cause__ = OSError(28, "No space left on device")
    assert failure(error, JOB) == DISK_FULL
