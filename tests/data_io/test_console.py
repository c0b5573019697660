"""Messages for the person at the terminal."""

import threading

import pytest

from pneumoseg.data_io.console import listed, listening, log, track, warnings_of_this_thread


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


def test_a_listener_is_told_how_far_the_work_is():
    told = []
    with listening(lambda *facts: told.append(facts)):
        assert list(track("ab", "letters", 2)) == ["a", "b"]
        assert list(track(iter("c"), "more")) == ["c"]
    assert list(track("d", "after", 1)) == ["d"]
    assert told == [("letters", 0, 2), ("letters", 1, 2), ("letters", 2, 2), ("more", 0, None), ("more", 1, None)]


def test_a_listener_hears_of_work_in_other_threads():
    told = []
    with listening(lambda *facts: told.append(facts)):
        thread = threading.Thread(target=lambda: list(track("ab", "letters", 2)))
        thread.start()
        thread.join()
    assert told == [("letters", 0, 2), ("letters", 1, 2), ("letters", 2, 2)]


def test_a_listener_may_end_the_work():
    def stop(description, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        list(track("abc", "letters", 3))
    assert list(track("abc", "letters", 3)) == ["a", "b", "c"]
