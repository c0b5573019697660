import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.text_files import nested_too_deeply, read_text


def test_text_without_its_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffZürich\r\n".encode())
    assert read_text(tmp_path / "a.txt", "a list") == "Zürich\r\n"


def test_the_largest_file_is_read_and_a_larger_one_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"12345")
    assert read_text(tmp_path / "a.txt", "a list", 5) == "12345"
    with pytest.raises(InputError, match=r"a\.txt: a list has at most 4e-06 MB"):
        read_text(tmp_path / "a.txt", "a list", 4)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    with pytest.raises(InputError, match=r"a\.txt: a list is text in UTF-8, found other bytes at 3"):
        read_text(tmp_path / "a.txt", "a list")
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(InputError, match="no such file; a list is needed there"):
            read_text(path, "a list")


@pytest.mark.parametrize(
    ("content", "levels"), [(1, 0), ([], 0), ([1, "a"], 0), ([[]], 1), ({"a": [{"b": 1}]}, 2), ([1, [2, [3, [4]]]], 3)]
)
def test_levels_within_the_top_one(content, levels):
    assert not nested_too_deeply(content, levels)
    assert levels == 0 or nested_too_deeply(content, levels - 1)
