import stat

import pytest

from pneumoseg.scripts.web.arriving_files import FormFiles, WholeBody, arriving_files
from pneumoseg.scripts.web.refusals import Refusal


def form(*parts: tuple[str, bytes], boundary: str = "b") -> bytes:
    head = "--{}\r\nContent-Disposition: form-data; {}\r\n\r\n"
    return b"".join(head.format(boundary, how).encode() + body + b"\r\n" for how, body in parts) + b"--b--\r\n"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_form_that_arrives_in_any_parts(tmp_path, step):
    whole = form(('name="file"; filename="a"', b"one"), ('name="file"; filename="b"', b"\r\n--x\r\n" * 5))
    files = FormFiles(tmp_path, b"b", 5)
    for start in range(0, len(whole), step):
        files.write(whole[start : start + step])
    assert files.close() == ["a", "b"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0000", "0001"]
    assert (tmp_path / "0000").read_bytes() == b"one"
    assert (tmp_path / "0001").read_bytes() == b"\r\n--x\r\n" * 5


def test_files_are_private_and_named_by_the_server(tmp_path):
    files = arriving_files("application/octet-stream", tmp_path, name="../../x", most_files=1)
    files.write(b"content")
    assert files.close() == ["../../x"]
    (path,) = tmp_path.iterdir()
    assert path.name == "0000"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_kind_decides(tmp_path):
    whole = arriving_files("Application/Octet-Stream; x=y", tmp_path, name="", most_files=1)
    assert isinstance(whole, WholeBody)
    whole.abandon()
    assert isinstance(arriving_files("multipart/form-data; boundary=b", tmp_path, name="", most_files=1), FormFiles)
    for kind in ("", "text/html", "multipart/mixed; boundary=b", "\xff"):
        with pytest.raises(Refusal) as refused:
            arriving_files(kind, tmp_path, name="", most_files=1)
        assert refused.value.status == 415


def test_names_of_a_form_are_utf_8_or_replaced(tmp_path):
    files = FormFiles(tmp_path, b"b", 5)
    files.write(form(('name="file"; filename="M\u00fcller"', b"x"), ('name="file"', b"y")))
    assert files.close() == ["Müller", ""]


def test_what_is_left_open_is_closed(tmp_path):
    files = FormFiles(tmp_path, b"b", 5)
    files.write(form(('name="file"; filename="a"', b"one" * 1000))[:100])
    with pytest.raises(Refusal, match="ends before"):
        files.close()
    files.abandon()
    files.abandon()
