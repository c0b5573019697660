"""Voxels in one file or many, in every encoding: none is read that was in no file."""

import bz2
import gzip
import os
import tracemalloc
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nrrd_metaimage import open_itk_image
from pneumoseg.data_io.formats.stored_voxels import StoredVoxels

STORED = np.arange(100, 160, dtype="<i2").reshape(3, 4, 5)  # (x, y, z) in the file's index order
VOXELS = STORED.tobytes(order="F")
SLICES = [STORED[:, :, z].tobytes(order="F") for z in range(5)]
TEXT = b" ".join(b"%d" % value for value in STORED.ravel(order="F"))
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 3 4 5\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    "endian: little\n"
)
META = "ObjectType = Image\nNDims = 3\nDimSize = 3 4 5\nElementType = MET_SHORT\n"


def attached(folder, encoding, content, more=""):
    path = folder / "scan.nrrd"
    path.write_bytes(f"{NRRD}{more}encoding: {encoding}\n\n".encode() + content)
    return path


def detached(folder, suffix, more, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path = folder / f"scan{suffix}"
    path.write_text((NRRD + "encoding: raw\n" if suffix == ".nhdr" else META) + more)
    return path


def slices(prefix=b"", first=0):
    return {f"s{first + number}.raw": prefix + content for number, content in enumerate(SLICES)}


def names(count=5):
    return "".join(f"s{number}.raw\n" for number in range(count))


def read(path):
    return open_itk_image(path).read().restore()


@pytest.mark.parametrize(
    ("encoding", "content", "more"),
    [
        ("raw", VOXELS, ""),
        ("gzip", gzip.compress(VOXELS, mtime=0), ""),
        ("gz", gzip.compress(VOXELS[:50], mtime=0) + gzip.compress(VOXELS[50:], mtime=0), ""),
        ("hex", VOXELS.hex().encode(), ""),
        ("hex", "\n".join([VOXELS.hex()[:61], VOXELS.hex()[61:]]).encode() + b"\n", ""),
        ("ascii", TEXT, ""),
        ("text", TEXT.replace(b" ", b",\t"), ""),
        ("raw", b"a\nb\n" + VOXELS, "line skip: 2\n"),
        ("raw", b"abc" + VOXELS, "byte skip: 3\n"),
        ("raw", b"a\nabc" + VOXELS, "lineskip: 1\nbyteskip: 3\n"),
        ("raw", b"abc" + VOXELS, "byte skip: -1\n"),
        ("gzip", b"a\n" + gzip.compress(VOXELS, mtime=0), "line skip: 1\n"),
        ("gzip", gzip.compress(b"abc" + VOXELS, mtime=0), "byte skip: 3\n"),
        ("hex", b"abcd" + VOXELS.hex().encode(), "byte skip: 4\n"),
        ("ascii", b"7 " + TEXT, "byte skip: 2\n"),
    ],
)
def test_every_encoding_as_itk_reads_it(tmp_path, encoding, content, more):
    path = attached(tmp_path, encoding, content, more)
    np.testing.assert_array_equal(read(path), STORED)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, STORED)


@pytest.mark.parametrize(
    ("suffix", "more", "files"),
    [
        (".mhd", "ElementDataFile = v.raw\n", {"v.raw": VOXELS}),
        (".mhd", "HeaderSize = 7\nElementDataFile = v.raw\n", {"v.raw": b"1234567" + VOXELS}),
        (".mhd", "HeaderSize = -1\nElementDataFile = v.raw\n", {"v.raw": b"1234567" + VOXELS}),
        (".mhd", f"ElementDataFile = LIST\n{names()}", slices()),
        (".mhd", f"ElementDataFile = LIST 2\n{names()}", slices()),
        (".mhd", f"HeaderSize = 3\nElementDataFile = LIST\n{names()}", slices(b"abc")),
        (".mhd", "ElementDataFile = s%d.raw 0 4 1\n", slices()),
        (".mhd", "ElementDataFile = s%d.raw\n", slices(first=1)),
        (".nhdr", "data file: v.raw\n", {"v.raw": VOXELS}),
        (".nhdr", f"data file: LIST\n{names()}", slices()),
        (".nhdr", f"data file: LIST 3\n{names()}", slices()),
        (".nhdr", f"data file: LIST 3\n{names(1)}", {"s0.raw": VOXELS}),
        (".nhdr", "byte skip: 3\ndata file: s%d.raw 0 4 1 2\n", slices(b"abc")),
        (".nhdr", "line skip: 1\ndata file: s%d.raw 0 4 1\n", slices(b"a\n")),
    ],
)
def test_voxels_in_files_as_itk_reads_them(tmp_path, suffix, more, files):
    path = detached(tmp_path, suffix, more, files)
    np.testing.assert_array_equal(read(path), STORED)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, STORED)


def test_a_pattern_that_descends(tmp_path):
    path = detached(tmp_path, ".nhdr", "data file: s%d.raw 4 0 -1\n", slices())
    np.testing.assert_array_equal(read(path), STORED[:, :, ::-1])


@pytest.mark.parametrize("compressed", [zlib.compress(VOXELS), gzip.compress(VOXELS, mtime=0)])
def test_compressed_files_of_a_metaimage(tmp_path, compressed):
    path = detached(tmp_path, ".mhd", "CompressedData = True\nElementDataFile = v.zraw\n", {"v.zraw": compressed})
    np.testing.assert_array_equal(read(path), STORED)


@pytest.mark.parametrize(
    ("suffix", "more", "files", "message"),
    [
        (".mhd", f"ElementDataFile = LIST\n{names(3)}", slices(), "are 5 files, found 3 in the header"),
        (".mhd", "ElementDataFile = LIST\n", slices(), "are 5 files, found 0"),
        (".mhd", f"ElementDataFile = LIST\n{names()}more.raw\n", slices(), "are 5 files, found 6"),
        (".mhd", f"ElementDataFile = LIST 1\n{names()}", slices(), "are 20 files, found 5"),
        (".mhd", f"ElementDataFile = LIST 9\n{names()}", slices(), "1 to 3 axes"),
        (".mhd", "ElementDataFile = s%d.raw 0 2 1\n", slices(), "are 5 files, found 3"),
        (".mhd", "ElementDataFile = s%d.raw 0 4 0\n", slices(), "a pattern of files"),
        (".mhd", "ElementDataFile = s%d.raw 0 4000000 1\n", slices(), "a pattern of files"),
        (".mhd", "ElementDataFile = s%s.raw 0 4 1\n", slices(), "a pattern of files"),
        (".mhd", "ElementDataFile = s%d%n.raw 0 4 1\n", slices(), "a pattern of files"),
        (".mhd", "ElementDataFile = s%d.raw 0 x 1\n", slices(), "a number of files"),
        (".mhd", "ElementDataFile = s%d.raw 1 5 1\n", slices(), r"s5\.raw is missing"),
        (".mhd", f"ElementDataFile = LIST\n{names()}", slices() | {"s3.raw": b"x"}, r"file s3\.raw .*at most 1"),
        (".mhd", "ElementDataFile = v.raw\n", {"v.raw": VOXELS[:-1]}, r"v\.raw .*120 bytes of voxels, .* at most 119"),
        (".mhd", "HeaderSize = 1\nElementDataFile = v.raw\n", {"v.raw": VOXELS}, r"v\.raw .*at most 119"),
        (".mhd", "HeaderSize = 999\nElementDataFile = v.raw\n", {"v.raw": VOXELS}, r"v\.raw .*at most 0"),
        (".mhd", "HeaderSize = -1\nElementDataFile = v.raw\n", {"v.raw": VOXELS[1:]}, r"v\.raw .*at most 119"),
        (".mhd", "ElementDataFile = v.raw\n", {}, r"v\.raw is missing"),
        (".mhd", "CompressedData = True\nElementDataFile = v.raw\n", {"v.raw": VOXELS}, r"v\.raw is truncated"),
        (
            ".mhd", "CompressedData = True\nElementDataFile = v.raw\n", {"v.raw": zlib.compress(VOXELS[:80])},
            r"v\.raw .*40 bytes of voxels are missing",
        ),
        (
            ".mhd", "CompressedData = True\nElementDataFile = v.raw\n", {"v.raw": zlib.compress(VOXELS)[:-1]},
            r"v\.raw .*end too early",
        ),
        (".nhdr", f"data file: LIST\n{names(3)}", slices(), "are 5 files, found 3"),
        (".nhdr", f"data file: LIST 3\n{names(3)}", slices(), "a divisor of 5 files, found 3"),
        (".nhdr", "data file: s%d.raw 0 3 1\n", slices(), "are 5 files, found 4"),
        (".nhdr", "line skip: 9\ndata file: v.raw\n", {"v.raw": VOXELS}, "fewer lines than"),
        (".nhdr", "line skip: 1\ndata file: v.raw\n", {"v.raw": b"a\n" + VOXELS[:-2]}, "2 bytes of voxels are missing"),
        (".nhdr", "line skip: 4000000000000000000\ndata file: v.raw\n", {"v.raw": VOXELS}, "fewer lines than"),
        (".nhdr", "byte skip: 2\ndata file: v.raw\n", {"v.raw": VOXELS}, "at most 118"),
        (".nhdr", "byte skip: 4000000000000000000\ndata file: v.raw\n", {"v.raw": VOXELS}, "at most 0"),
    ],
)  # fmt: skip
def test_files_that_do_not_hold_the_declared_voxels_are_refused(tmp_path, suffix, more, files, message):
    path = detached(tmp_path, suffix, more, files)
    with pytest.raises(InputError, match=message) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("encoding", "content", "message"),
    [
        ("raw", VOXELS[:-1], "at most 119"),
        ("gzip", gzip.compress(VOXELS[:-2], mtime=0), "2 bytes of voxels are missing"),
        ("gzip", gzip.compress(VOXELS, mtime=0)[:-4], "end too early"),
        ("gzip", gzip.compress(VOXELS, mtime=0)[:-8] + bytes(8), "incorrect data check"),
        ("gzip", b"no gzip" * 30, "incorrect header check"),
        ("gzip", b"", "at most 0"),
        ("hex", VOXELS.hex()[:-2].encode(), "at most 119"),
        ("hex", VOXELS.hex().encode().replace(b"0", b"x"), "hex"),
        ("ascii", b"1 2 3", "60 numbers of voxels, the file holds at most 3"),
        ("ascii", TEXT[:-8], "bytes of voxels are missing"),
        ("ascii", TEXT.replace(b"101", b"1x1"), "invalid literal"),
        ("ascii", TEXT.replace(b"101", b"99999"), "truncated or its header damaged"),
        ("ascii", b"1" * 100_000, "numbers as text"),
        ("bzip2", bz2.compress(VOXELS), "encoding must be among"),
    ],
)
def test_damaged_encodings_are_refused(tmp_path, encoding, content, message):
    with pytest.raises(InputError, match=message):
        read(attached(tmp_path, encoding, content))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "hex", "ascii"])
@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd", ".mhd", ".mha"])
def test_a_declared_size_takes_no_memory_before_the_files_are_known_to_hold_it(tmp_path, encoding, suffix):
    sizes, kilobyte = "2500 2500 1500", b"\x1f\x8b" * 512
    (tmp_path / "v.raw").write_bytes(kilobyte)
    if suffix in (".mhd", ".mha"):
        forms = {"gzip": "CompressedData = True\n", "ascii": "BinaryData = False\n"}
        local = "v.raw" if suffix == ".mhd" else "LOCAL"
        text = f"{META.replace('3 4 5', sizes)}{forms.get(encoding, '')}ElementDataFile = {local}\n"
    else:
        end = "data file: v.raw\n" if suffix == ".nhdr" else "\n"
        text = f"{NRRD.replace('3 4 5', sizes)}encoding: {encoding}\n{end}"
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(text.encode() + kilobyte * (suffix in (".nrrd", ".mha")))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="the file holds at most"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_more_bytes_than_declared_are_reported(tmp_path, said):
    np.testing.assert_array_equal(
        read(detached(tmp_path, ".mhd", "ElementDataFile = v.raw\n", {"v.raw": VOXELS + b"x"})), STORED
    )
    assert f"{tmp_path / 'v.raw'}: more bytes than the header declares" in said.text


def test_slabs_cross_the_borders_of_files_and_of_chunks(tmp_path):
    values = np.arange(3_000_000, dtype=">i4")
    files = []
    for number, part in enumerate(np.split(values, 3)):
        files.append(tmp_path / f"{number}.zz")
        files[-1].write_bytes(zlib.compress(part.tobytes(), 1))
    voxels = StoredVoxels(tmp_path / "h.mhd", tuple(files), values.dtype, values.size, "deflate")
    found = list(voxels.slabs(700_001))
    assert [part.size for part in found] == [700_001] * 4 + [199_996]
    np.testing.assert_array_equal(np.concatenate(found), values)
    assert found[0].dtype == np.dtype("i4").newbyteorder("=")


def test_links_are_followed_to_regular_files_and_to_nothing_else(tmp_path):
    annex = tmp_path / "objects"
    annex.mkdir()
    (annex / "key").write_bytes(VOXELS)
    folder = tmp_path / "data"
    folder.mkdir()
    path = detached(folder, ".mhd", "ElementDataFile = v.raw\n", {})
    (folder / "v.raw").symlink_to("../objects/key")
    np.testing.assert_array_equal(read(path), STORED)
    for target in ("/dev/zero", str(annex), "pipe", "v.raw"):
        if target == "pipe":
            os.mkfifo(folder / target)
        (folder / "v.raw").unlink()
        (folder / "v.raw").symlink_to(target)
        with pytest.raises(InputError, match=r"regular files|is missing"):
            read(path)


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_a_pipe_beside_its_header_is_refused_at_once(tmp_path, suffix):
    os.mkfifo(tmp_path / "v.raw")
    path = detached(tmp_path, suffix, "ElementDataFile = v.raw\n" if suffix == ".mhd" else "data file: v.raw\n", {})
    with pytest.raises(InputError, match="regular files"):
        read(path)
