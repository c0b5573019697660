import pytest

from pneumoseg.evaluation.runs.run_marks import (
    MARKS,
    is_begun,
    is_fold,
    is_remains,
    is_run,
    missing_marks,
    others_in,
    visible_names,
)


def folder_of(root, *names: str):
    """A folder with files of these names; a name that ends in / is a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text("")
    return root


@pytest.mark.parametrize(
    ("names", "run", "begun", "remains"),
    [
        ([], False, False, False),
        (MARKS, True, False, False),
        ([".lock", *MARKS], True, False, True),
        ([".lock", *MARKS[:1]], False, True, False),
        ([".lock", *MARKS[:2]], False, True, True),
        ([".lock", MARKS[1]], False, False, False),  # not in the order in which they are written
        ([".lock", "fold_0/.lock"], False, False, True),
        ([".lock", "fold_0/.lock", "notes.txt"], False, False, False),  # somebody's file
        (["fold_0/.lock"], False, False, False),
        (["notes.txt"], False, False, False),
    ],
)
def test_what_a_folder_is(tmp_path, names, run, begun, remains):
    folder = folder_of(tmp_path, *names)
    assert (is_run(folder), is_begun(folder), is_remains(folder)) == (run, begun, remains)


def test_the_marks_and_files_of_others_are_named(tmp_path):
    folder = folder_of(tmp_path, ".lock", MARKS[0], "fold_12/", "model.keras", "fold_x/", "model.keras.bak", ".hidden")
    assert missing_marks(folder) == list(MARKS[1:])
    assert others_in(folder) == [".hidden", "fold_x", "model.keras.bak"]
    assert visible_names(folder) == {MARKS[0], "fold_12", "model.keras", "fold_x", "model.keras.bak"}
    assert visible_names(folder / "nowhere") == set()


def test_a_submission_is_there_before_the_run(tmp_path):
    folder = folder_of(tmp_path, "submission/", "logs/", ".lock", MARKS[0])
    assert (visible_names(folder), others_in(folder)) == ({MARKS[0]}, [])
    assert is_begun(folder)


def test_a_fold_lies_in_a_run(tmp_path):
    folder_of(tmp_path / "fold_7", *MARKS, "fold_0/")
    assert is_fold(tmp_path / "fold_7" / "fold_0")
    assert is_fold(tmp_path / "fold_7" / "fold_1")  # would be
    assert not is_fold(tmp_path / "fold_7")  # a run with a fold's name
    assert not is_fold(tmp_path / "fold_7" / "figures")
