"""Which folders a command may write to."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_marks import MARKS

RULE = {"others": ["summary.json"], "marks": ["figures/*.png", "cases.csv"]}


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("before")
    return folder


@pytest.mark.parametrize("names", [(), ("notes.txt",), (".summary.json",), ("cases.csv",), ("figures/a.png",)])
def test_a_folder_without_results_is_free(tmp_path, names):
    check_output_free(write(tmp_path, *names), "last.csv", **RULE)
    check_output_free(tmp_path / "absent", "last.csv", **RULE)


@pytest.mark.parametrize("names", [("last.csv",), ("summary.json",), ("summary.json", "cases.csv", "last.csv")])
def test_results_are_replaced_only_when_asked(tmp_path, names):
    write(tmp_path, *names)
    with pytest.raises(InputError, match=f"must be free for results, found .*{names[0]}") as error:
        check_output_free(tmp_path, "last.csv", **RULE)
    assert error.value.options == ("overwrite",)
    check_output_free(tmp_path, "last.csv", **RULE, overwrite=True)


def test_an_unfinished_call_is_no_obstacle(tmp_path):
    """It has all the marks, and its last file alone is missing."""
    write(tmp_path, "summary.json", "cases.csv", "figures/a.png")
    check_output_free(tmp_path, "last.csv", **RULE)
    (tmp_path / "cases.csv").unlink()
    with pytest.raises(InputError, match=r"found summary\.json"):
        check_output_free(tmp_path, "last.csv", **RULE)
    write(tmp_path, "cases.csv", "last.csv")
    with pytest.raises(InputError, match=r"found summary\.json, last\.csv"):
        check_output_free(tmp_path, "last.csv", **RULE)


@pytest.mark.parametrize("names", [MARKS, (*MARKS, "last.csv")])
@pytest.mark.parametrize("place", [".", "fold_0"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_is_never_written_over(tmp_path, names, place, overwrite):
    write(tmp_path, *names)
    with pytest.raises(InputError, match="this is a run folder with results; choose another folder"):
        check_output_free(tmp_path / place, "last.csv", **RULE, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_no_folder(tmp_path, overwrite):
    write(tmp_path, "out")
    with pytest.raises(InputError, match="the output is a folder, found a file"):
        check_output_free(tmp_path / "out", "last.csv", overwrite=overwrite)


EMPTY = {"marks": ["figures"], "written": ["figures", "table.csv"]}
"""Of a command whose folder must otherwise be empty."""


@pytest.mark.parametrize("names", [(".DS_Store",), ("figures/a.png",), ("figures/a.png", "table.csv")])
def test_hidden_files_and_an_unfinished_call_leave_a_folder_empty_enough(tmp_path, names):
    check_output_free(write(tmp_path, *names), "last.csv", **EMPTY)


@pytest.mark.parametrize(
    "names", [("notes.txt",), ("table.csv",), ("figures/a.png", "notes.txt"), ("figures/a.png", "last.csv")]
)
def test_anything_else_is_in_the_way_of_a_folder_that_must_be_empty(tmp_path, names):
    with pytest.raises(InputError, match="must be free for results, found "):
        check_output_free(write(tmp_path, *names), "last.csv", **EMPTY)
    check_output_free(tmp_path, "last.csv", **EMPTY, overwrite=True)
