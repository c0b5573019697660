"""Messages for files that leave the machine name no folder and nothing private."""

from pathlib import Path

import pytest

from pneumoseg.data_io.console import log, warnings_of_this_thread
from pneumoseg.data_io.public_text import AboutFiles, Private, visible
from pneumoseg.data_io.storage.atomic import write_aside


def test_text_about_files_is_shown_whole_and_written_without_folders():
    text = AboutFiles("cts/Doe/a.nii.gz: truncated", (Path("cts/Doe/a.nii.gz"),))
    assert f"{text}" == "cts/Doe/a.nii.gz: truncated"
    assert text.without_folders == "a.nii.gz: truncated"
    assert AboutFiles("a/b: damaged", ()).without_folders == "a/b: damaged"


def test_hidden_names_are_shown_as_final_ones():
    assert visible("out/.partial-123-m.nii.gz/m.nii.gz: full") == "out/m.nii.gz: full"
    assert visible("out/.partial-123-run: full") == "out/run: full"


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


def test_folders_with_blanks_in_their_names_are_left_out_where_they_exist(tmp_path):
    folder = tmp_path / "Doe, John (1970)" / "chest ct"
    folder.mkdir(parents=True)
    with warnings_of_this_thread() as warnings:
        log.warning("cannot be used (%s: damaged)", str(folder / "model file.keras"))
        log.warning("%s", f"1 / 2: {folder}/x.dcm and '{folder}/new/y z.dcm'; 3 mm / 4 mm")
        log.warning("%s", f"{folder.parent}: no CT directly in it")
    assert warnings == [
        "cannot be used (model file.keras: damaged)",
        "1 / 2: x.dcm and 'y z.dcm'; 3 mm / 4 mm",
        "Doe, John (1970): no CT directly in it",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("cts of Doe/a b/ct.nii.gz: truncated", "ct.nii.gz: truncated"),
        ("cts of Doe/a b/ct.nii.gz/IM 1: damaged", "IM 1: damaged"),
        ("ct 3 of 5: cts of Doe/other.nii.gz, ./acts of Doe/x", "ct 3 of 5: other.nii.gz, ./acts of Doe/x"),
    ],
)
def test_folders_of_files_that_are_known_are_left_out_also_where_they_are_relative(text, written):
    with warnings_of_this_thread() as warnings:
        log.warning("%s", AboutFiles(text, [Path("cts of Doe/a b/ct.nii.gz")]))
    assert warnings == [written]


def test_files_that_are_not_whole_yet_are_called_by_their_final_names(tmp_path, capsys):
    with (
        warnings_of_this_thread() as warnings,
        write_aside(tmp_path / "m.nii.gz") as aside,
        write_aside(aside) as twice,
    ):
        log.warning("%s: axes at odd angles", twice)
        log.warning("%s", f"{twice}: no space left")
        twice.touch()
    assert warnings == ["m.nii.gz: axes at odd angles", "m.nii.gz: no space left"]
    final = tmp_path / "m.nii.gz"
    assert capsys.readouterr().err == f"{final}: axes at odd angles\n{final}: no space left\n"
