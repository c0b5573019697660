"""NRRD headers: what ITK says of sound ones, and one sentence for the others."""

import numpy as np
import pytest

from pneumoseg.data_io.formats.nrrd_header import read_nrrd_header, read_text
from pneumoseg.data_io.formats.nrrd_metaimage import open_itk_image
from tests.data_io.formats.header_files import (
    STORED,
    VOXELS,
    check_geometry_and_voxels_are_those_of_itk,
    check_refused_in_one_sentence,
    write,
)

SOUND = {
    "type": "short", "dimension": "3", "space": "left-posterior-superior", "sizes": "3 4 5",
    "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)", "space origin": "(12.5,-80,33.25)", "endian": "little",
    "encoding": "raw",
}  # fmt: skip
NO_PLACE = {"space": None, "space directions": None, "space origin": None}
OBLIQUE = "(0.6,0.1,-0.2) (-0.1,0.9,0.3) (0.2,-0.3,2.4)"


def header(changes=(), magic="NRRD0004") -> bytes:
    fields = {name: value for name, value in (SOUND | dict(changes)).items() if value is not None}
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"{magic}\n{lines}\n".encode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"space": "right-anterior-superior"},
        {"space": "RAS", "space directions": OBLIQUE},
        {"space": "left-anterior-superior"},
        {"space": "LAS", "space directions": "(0,0,1) (2,0,0) (0,-3,0)"},
        {"space": "lps", "space directions": OBLIQUE},
        {"space": "scanner-xyz"},
        {"space": "3D-right-handed"},
        {"space": None, "type": "short\nspace dimension: 3"},
        {"space origin": None},
        {"space directions": "(0.7, 0, 0)  ( 0,0.8,0) (0,0,2.5)"},
        {"kinds": "space space space", "centerings": "cell cell cell", "space units": '"mm" "mm" "mm"'},
        NO_PLACE,
        NO_PLACE | {"spacings": "1 2 3"},
        NO_PLACE | {"spacings": "1 2 NaN"},
        NO_PLACE | {"spacings": "1 2 -3"},
        NO_PLACE | {"spacings": "1 2 3", "axis mins": "4 5 6"},
        NO_PLACE | {"spacings": "1 2 3", "axis mins": "4 5 6", "centers": "cell node cell"},
        NO_PLACE | {"spacings": "1 2 3", "axismins": "4 5 6", "centerings": "node node node"},
    ],
)
def test_geometry_and_voxels_are_those_of_itk(tmp_path, changes):
    path = write(tmp_path / "scan.nrrd", header(changes) + VOXELS)
    check_geometry_and_voxels_are_those_of_itk(path)


@pytest.mark.parametrize(
    ("sizes", "directions", "kinds"),
    [
        ("1 3 4 5", "none (1,0,0) (0,2,0) (0,0,3)", "list domain domain domain"),
        ("1 3 4 5", "none (1,0,0) (0,2,0) (0,0,3)", "vector domain domain domain"),
        ("3 4 5 1", "(1,0,0) (0,2,0) (0,0,3) none", "domain domain domain list"),
        ("3 4 1 5", "(1,0,0) (0,2,0) none (0,0,3)", "domain domain list domain"),
        ("3 4 5 1", "(1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,1)", "domain domain domain time"),
    ],
)
def test_an_axis_of_one_is_left_out_wherever_it_lies(tmp_path, sizes, directions, kinds):
    count = directions.split()[1].count(",") + 1
    changes = {
        "dimension": "4", "sizes": sizes, "space directions": directions, "kinds": kinds,
        "space": None, "space dimension": count, "space origin": f"({','.join('7890'[:count])})",
    }  # fmt: skip
    volume = open_itk_image(write(tmp_path / "scan.nrrd", header(changes) + VOXELS)).read()
    np.testing.assert_array_equal(volume.restore(), STORED)
    np.testing.assert_allclose(volume.stored_grid.affine @ (1, 1, 1, 1), (-8, -10, 12, 1))


def test_what_says_nothing_of_left_and_right_is_reported(tmp_path, said):
    open_itk_image(write(tmp_path / "a.nrrd", header(NO_PLACE) + VOXELS))
    open_itk_image(write(tmp_path / "b.nrrd", header({"space": "scanner-xyz"}) + VOXELS))
    open_itk_image(write(tmp_path / "c.nrrd", header() + VOXELS))
    assert [record.getMessage().partition(":")[0] for record in said.records] == [
        str(tmp_path / "a.nrrd"),
        str(tmp_path / "b.nrrd"),
    ]


@pytest.mark.parametrize(
    ("type_", "dtype"),
    [("int16_t", "<i2"), ("unsigned  short", "<u2"), ("uint8", "u1"), ("long long", "<i8"), ("float", "<f4")],
)
def test_types_by_all_their_names(tmp_path, type_, dtype):
    path = write(tmp_path / "scan.nrrd", header({"type": type_}) + STORED.astype(dtype).tobytes(order="F"))
    read = open_itk_image(path).read().restore()
    np.testing.assert_array_equal(read, STORED)
    assert read.dtype == np.dtype(dtype)


def test_bytes_in_the_other_order(tmp_path):
    path = write(tmp_path / "scan.nrrd", header({"endian": "BIG"}) + STORED.astype(">i2").tobytes(order="F"))
    np.testing.assert_array_equal(open_itk_image(path).read().restore(), STORED)


def test_pairs_and_remarks_are_kept_apart_from_fields(tmp_path):
    content = header().replace(b"type:", b"# type: float\nSegment0_Name:=a:=b: c\nlines:=one\\ntwo\ntype:", 1)
    path = write(tmp_path / "scan.nrrd", content + VOXELS)
    assert read_text(path).pairs == {"Segment0_Name": "a:=b: c", "lines": "one\ntwo"}
    assert read_nrrd_header(path).voxels.dtype.kind == "i"  # the remark is no field


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (header({"dimension": "1000000"}), r"dimension must be a whole number, 1\.\.4, found '1000000'"),
        (header({"dimension": "0"}), "dimension must be"),
        (header({"dimension": None}), "no dimension"),
        (header({"sizes": None}), "no sizes"),
        (header({"type": None}), "no type"),
        (header({"encoding": None}), "no encoding"),
        (header({"sizes": "3 4"}), "sizes must give 3 numbers"),
        (header({"sizes": "3 4 -5"}), "sizes must be a whole number, at least 1, found '-5'"),
        (header({"sizes": "3 4 99999999999999999999"}), "holds at most 120"),
        (header({"type": "block"}), "type must be"),
        (header({"type": "signed short of it"}), "type must be"),
        (header({"encoding": "bzip2"}), "encoding must be among raw"),
        (header({"endian": None}), "endian must be little or big"),
        (header({"endian": "middle"}), "endian must be little or big"),
        (header({"space": "north-by-northwest"}), "space must be among"),
        (header({"space directions": None}), "needs space directions"),
        (header({"space": None}), "need a space or a space dimension"),
        (header().replace(b"space:", b"spake:"), "unknown field 'spake'"),
        (header({"space directions": "(1,0,0) x (0,1,0) (0,0,1)"}), "must give 3 vectors"),
        (header({"space directions": "(1,0,0) (0,1,0)"}), "must give 3 vectors"),
        (header({"space directions": "(1,0,0) (0,1,0) (0,0,nan)"}), "finite numbers"),
        (header({"space directions": "(1,0,0) (0,1,0) (0,0,1e300)"}), "finite numbers"),
        (header({"space directions": "(1,0,0) (0,1,0) (0,1,0)"}), "invertible"),
        (header({"space directions": "(1,0) (0,1) (1,1)"}), "vectors of as many numbers"),
        (header({"space origin": "(1,2)"}), "vectors of as many numbers"),
        (header({"space origin": "(1,2,inf)"}), "finite numbers"),
        (header(NO_PLACE | {"spacings": "1 1 0"}), "spacings must not be 0"),
        (header({"line skip": "-1"}), "line skip must be"),
        (header({"byte skip": "-2"}), "byte skip must be"),
        (header({"byte skip": "-1", "encoding": "gzip"}), "raw alone"),
        (header({"sizes": "3 4 5\nsizes: 3 4 5"}), "sizes is given twice"),
        (header(magic="NRRD0009"), "first line"),
        (header({"content": "x\nno field"}), "FIELD: VALUE"),
        (header({"content": "x" * 10_000_000}), "lines of at most"),
        (header({"content": "\0"}), "the header is no text"),
        (header({"content": "x"}).replace(b"\n\n", b"\n") + b"\xff" * 500, "FIELD: VALUE|no text"),
        (b"NRRD0004\n", "no text|FIELD: VALUE|no dimension"),
    ],
)
def test_a_damaged_header_is_one_sentence_that_names_the_file(tmp_path, spoiled, message):
    path = write(tmp_path / "scan.nrrd", spoiled + VOXELS)
    check_refused_in_one_sentence(path, message)
