"""Which files a header may name."""

from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.detached_voxels import NamedFiles, beside, named_files, voxel_paths
from pneumoseg.data_io.formats.header_text import HeaderText

HEADER = Path("folder/scan.mhd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v.raw", NamedFiles(("v.raw",))),
        ("100%.raw", NamedFiles(("100%.raw",))),
        ("my voxels.raw", NamedFiles(("my voxels.raw",))),
        ("LIST", NamedFiles(("a b.raw", "c.raw"), 2)),
        ("list 3", NamedFiles(("a b.raw", "c.raw"), 3)),
        ("s%03d.raw 8 12 2", NamedFiles(("s008.raw", "s010.raw", "s012.raw"), 2)),
        ("s%d.raw 2 1 -1 3", NamedFiles(("s2.raw", "s1.raw"), 3)),
        ("s%i.raw", NamedFiles(("s1.raw", "s2.raw"), 2)),
    ],
)
def test_one_a_list_or_a_pattern(text, expected):
    header = HeaderText(HEADER, {}, text, ("a b.raw ", "", "c.raw"), end_byte=0)
    assert named_files(header, (4, 4, 2)) == expected


def test_voxels_behind_the_header_name_no_file():
    header = HeaderText(HEADER, {}, None, (), end_byte=90)
    assert named_files(header, (4, 4, 2)) is None
    assert voxel_paths(header, (4, 4, 2)) == (HEADER,)


def test_a_list_with_a_missing_file_is_refused():
    header = HeaderText(HEADER, {}, "LIST", ("a.raw", "b.raw"), end_byte=90)
    assert voxel_paths(header, (4, 4, 2)) == (HEADER.parent / "a.raw", HEADER.parent / "b.raw")
    with pytest.raises(InputError, match="are 3 files, found 2 in the header"):
        voxel_paths(header, (4, 4, 3))


@pytest.mark.parametrize("name", ["v.raw", "./v.raw", "parts/v.raw", "..v.raw", "a..raw", "parts/.hidden"])
def test_files_in_the_folder_and_below(name):
    assert beside(HEADER, name) == Path("folder") / name


@pytest.mark.parametrize(
    "name", ["../v.raw", "a/../../v.raw", "/etc/passwd", "..", "C:\\v.raw", "\\\\host\\v.raw", "..\\v.raw", "a\0"]
)
def test_files_elsewhere_are_refused(name):
    with pytest.raises(InputError, match=r"folder/scan\.mhd: voxels are read from the header's own folder"):
        beside(HEADER, name)
