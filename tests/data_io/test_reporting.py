"""Messages for the person at the terminal, and what of them reaches files."""

from pathlib import Path

import pytest

from data_io.reporting import Private, listed, log, warnings_of_this_thread


def test_a_few_names_are_listed_and_the_rest_counted():
    assert listed([]) == ""
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed(["a", "b", "c"], limit=1) == "a and 2 more"


@pytest.mark.parametrize(
    ("message", "arguments", "written"),
    [
        (
            "%s: tilted by %.1f degrees",
            (Path("/data/Doe^John/ct scan.nii.gz"), 3.0),
            "ct scan.nii.gz: tilted by 3.0 degrees",
        ),
        ("%s: two series", (Path("DOE JOHN/study"),), "study: two series"),
        ("series %s is read", (Private("Doe, chest"),), "series (withheld) is read"),
        ("cannot be used (/home/doe/model.keras: damaged)", (), "cannot be used (model.keras: damaged)"),
        ("'/home/doe/a.dcm', C:\\Users\\doe\\b.dcm", (), "'a.dcm', b.dcm"),
        (
            "1/2 of 0.5/mm, 3 mm/s, https://zenodo.org/records/1",
            (),
            "1/2 of 0.5/mm, 3 mm/s, https://zenodo.org/records/1",
        ),
    ],
)
def test_collected_warnings_name_no_folder_and_nothing_private(message, arguments, written, capsys):
    with warnings_of_this_thread() as warnings:
        log.warning(message, *arguments)
    assert warnings == [written]
    assert capsys.readouterr().err == message % arguments + "\n"  # the person at the terminal sees all
