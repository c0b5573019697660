"""Cohort files: what is written reads back, and what is cut, contradicting or of another kind is refused."""

import json
import math
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pneumoseg.data_io.datasets.cohort_file import read_header, read_study, write_cohort
from pneumoseg.data_io.errors import InputError
from tests.data_io.datasets.cohorts import PREPARATION, SHAPE, arrays, entry, write

ENTRIES = (
    entry("anna", diseased=True, score=43.03, problem="expiration"),
    entry("bert", diseased=None, score=12.5),
    entry("clara", score=None, lung_mean_hu=-700.5),
)


def test_what_is_written_reads_back(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    header = read_header(path)
    assert header.entries == ENTRIES
    assert (header.shape, header.preparation) == (SHAPE, PREPARATION)
    assert header.software["numpy"] == np.__version__
    for index, (image, lungs) in enumerate(arrays(3)):
        read = read_study(path, index)
        assert (read[0].dtype, read[1].dtype) == (np.int16, np.uint8)
        np.testing.assert_array_equal(read[0], image)
        np.testing.assert_array_equal(read[1], lungs)
    assert list(tmp_path.iterdir()) == [path]


def test_no_path_is_in_the_file(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    assert str(tmp_path).encode() not in path.read_bytes()


def test_the_mean_of_no_lung_is_nan(tmp_path):
    path = write(tmp_path / "cohort.h5", [entry("anna", lung_ml=0.0, lung_mean_hu=math.nan)])
    assert math.isnan(read_header(path).entries[0].lung_mean_hu)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "its name begins with a point, or has a slash"),
        ({"name": ".hidden"}, "its name begins with a point"),
        ({"name": "a\nb"}, r"its name has the invisible character U\+000A"),
        ({"name": "n" * 201}, "its name has 201 bytes, 200 are the most"),
        ({"patient": ""}, "the name of its patient is empty"),
        ({"patient": "p" * 10_000}, "the name of its patient has 10,000 bytes, 200 are the most"),
        ({"patient": "\u202egnp.exe"}, r"the name of its patient has the invisible character U\+202E"),
        ({"problem": "x" * 10_000}, "its problem is told in 682 letters at most"),
        ({"score": 100.5}, "a score is 0 to 100, found 100.5"),
        ({"score": math.nan}, "a score is 0 to 100, found nan"),
        ({"score": None, "diseased": None}, "a label or a score is needed"),
        ({"content": "12"}, "hashes are SHA-256"),
        ({"slices": 0}, "slices are 1 or more, found 0"),
        ({"spacing_mm": (1.0, math.inf, 1.0)}, "a spacing is 0.0001 to 1000 mm"),
        ({"spacing_mm": (1.0, 1e300, 1.0)}, "a spacing is 0.0001 to 1000 mm"),
        ({"spacing_mm": (math.nan, 1.0, 1.0)}, "a spacing is 0.0001 to 1000 mm"),
        ({"lung_mean_hu": math.inf}, "a mean HU is finite"),
        ({"lung_ml": -1.0}, "a lung volume is 0 ml or more"),
    ],
)
def test_impossible_entries_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "cohort.h5", [replace(entry("anna"), **changes)])
    assert not list(tmp_path.iterdir())


def test_no_study_and_two_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one study"):
        write(tmp_path / "cohort.h5", [])
    with pytest.raises(InputError, match="must be unique, found anna more than once"):
        write(tmp_path / "cohort.h5", [entry("anna"), entry("anna")])


@pytest.mark.parametrize(
    "given",
    [
        [(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8))],
        [(np.zeros((4, 5, 5), np.int16), np.zeros(SHAPE, np.uint8))],
        [],
    ],
)
def test_other_arrays_leave_no_file(tmp_path, given):
    with pytest.raises(ValueError):
        write_cohort(tmp_path / "cohort.h5", [entry("anna")], given, shape=SHAPE, preparation={})
    assert not list(tmp_path.iterdir())


def test_a_study_that_is_not_there_is_refused(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    for index in (-1, 3):
        with pytest.raises(InputError, match=f"study {index} is needed, counted from 0, found 3 studies"):
            read_study(path, index)


def test_a_missing_file_and_other_files_are_refused(tmp_path):
    path = tmp_path / "cohort.h5"
    with pytest.raises(InputError, match=r"no such cohort file; make one with: pneumoseg prepare TABLE -o cohort\.h5"):
        read_header(path)
    for content in (b"", b"patient,path,label\n", b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cut or damaged"):
            read_header(path)
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((1, *SHAPE), np.int16)
    with pytest.raises(InputError, match="not a cohort file"):
        read_header(path)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_cut_file_is_refused(tmp_path, kept):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    for read in (read_header, lambda path: read_study(path, 0)):
        with pytest.raises(InputError, match=re.escape(str(path)) + ".*cut or damaged"):
            read(path)


def test_a_damaged_image_is_refused(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 10] ^= 0xFF
    path.write_bytes(content)
    read_study(path, 0)
    with pytest.raises(InputError, match="cut or damaged"):
        read_study(path, 1)


def without(name):
    def change(file):
        del file[name]

    return change


def replaced(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def never_written(file):
    del file["lungs"]
    file.create_dataset("lungs", (3, *SHAPE), np.uint8, chunks=(1, *SHAPE))


def enormous(file):
    del file["images"]
    file.create_dataset("images", (3, 1024, 1024, 1024), np.int16, chunks=(1, 1024, 1024, 64))


def elsewhere(file):
    del file["images"]
    file["images"] = h5py.ExternalLink("other.h5", "/images")


def in_another_file(file):
    del file["images"]
    shape = (3, *SHAPE)
    file.create_dataset("images", shape, np.int16, external=[("other.raw", 0, 2 * math.prod(shape))])


def by_another_filter(file):
    images = file["images"][:]
    del file["images"]
    file.create_dataset("images", data=images, chunks=(1, *SHAPE), compression="lzf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("images"), "has an array images, found none"),
        (without("scores"), "has an array scores, found none"),
        (replaced("scores", np.zeros(2)), r"scores must be float64 \(3,\), found float64 \(2,\)"),
        (replaced("scores", np.array([1.0, 2, 101])), "study clara: a score is 0 to 100, found 101"),
        (replaced("diseased", np.int8([0, 1, 2])), "diseased is 1, 0 or -1"),
        (replaced("names", np.array([b"a", b"a", b"b"])), "found a more than once"),
        (replaced("names", np.array([b"a", b"b", b"\xff"])), "cut or damaged"),
        (replaced("names", ["a", "b", "c"]), "names must be 3 texts"),
        (replaced("lungs", np.zeros((3, 4, 5, 5), np.uint8)), r"lungs must be uint8 \(3, 4, 5, 6\)"),
        (never_written, "lungs of 3 studies are needed, found 0 written"),
        (enormous, r"at most .* voxels, found \(3, 1024, 1024, 1024\)"),
        (replaced("images", h5py.Empty("int16")), "has an array images, found none"),
        (elsewhere, "has an array images, found none"),
        (in_another_file, "stored in the file itself"),
        (by_another_filter, "stored in the file itself"),
        (attribute("version", 2), "version 1 is needed, found 2"),
        (attribute("preparation", "[1]"), "a record of settings is an object, found a list"),
        (attribute("software", 5), "the attribute software must be JSON text"),
    ],
)
def test_contradicting_content_is_refused(tmp_path, change, message):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(InputError, match=message):
        read_header(path)


def test_lungs_are_0_and_1(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    with h5py.File(path, "a") as file:
        file["lungs"][2, 0, 0, 0] = 3
    with pytest.raises(InputError, match="the lungs of study 2 must be 0 and 1, found 3"):
        read_study(path, 2)


def test_settings_are_json(tmp_path):
    path = write(tmp_path / "cohort.h5", ENTRIES)
    with h5py.File(path) as file:
        assert json.loads(file.attrs["preparation"]) == PREPARATION
