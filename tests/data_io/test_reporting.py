"""Words for the person at the terminal."""

from data_io.reporting import listed


def test_a_few_names_are_listed_and_the_rest_counted():
    assert listed([]) == ""
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
    assert listed(["a", "b", "c"], limit=1) == "a and 2 more"
