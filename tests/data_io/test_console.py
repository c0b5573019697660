"""Messages for the person at the terminal."""

import pytest

from pneumoseg.data_io.console import listed, log, warnings_of_this_thread


def test_a_few_names_are_listed_and_the_rest_counted():
    assert listed([]) == ""
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed(["a", "b", "c"], limit=1) == "a and 2 more"


def test_warnings_that_are_held_back_are_logged_where_the_work_fails(capsys):
    with warnings_of_this_thread() as outer, warnings_of_this_thread(hold_back=True) as inner:
        log.warning("odd")
    assert (inner, outer, capsys.readouterr().err) == (["odd"], [], "")
    with pytest.raises(ValueError, match="failed"), warnings_of_this_thread(hold_back=True):
        log.warning("why")
        raise ValueError("failed")
    assert capsys.readouterr().err == "why\n"
