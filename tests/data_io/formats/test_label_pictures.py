"""Masks as pictures: the rule for their values, and what is written."""

import imageio.v3 as iio
import matplotlib.image
import numpy as np
import pytest
import tifffile
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import label_pictures
from pneumoseg.data_io.formats.label_pictures import read_label_picture, two_classes, write_label_picture
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume

MASK = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
BINARY = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
GREYS = LabelTable(("background", "one", "two"), ((0, 0, 0), (128, 128, 128), (255, 255, 255)))


def values(path):
    return read_label_picture(path).restore()[:, :, 0].T


def with_palette(path, array, palette, **options):
    image = Image.fromarray(array)
    image.putpalette(palette)
    image.save(path, **options)
    return path


@pytest.fixture
def warned(monkeypatch):
    messages = []
    monkeypatch.setattr(label_pictures.log, "warning", lambda text, *arguments: messages.append(text % arguments))
    return messages


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_grey_values_and_indices_of_a_palette(tmp_path, name):
    Image.fromarray(MASK).save(tmp_path / name)
    np.testing.assert_array_equal(values(tmp_path / name), MASK)
    Image.fromarray(MASK).convert("RGB").save(tmp_path / name)
    np.testing.assert_array_equal(values(tmp_path / name), MASK)
    colours = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]
    np.testing.assert_array_equal(values(with_palette(tmp_path / name, MASK, colours)), MASK)
    greys = [0, 0, 0, 10, 10, 10, 20, 20, 20, 30, 30, 30]
    np.testing.assert_array_equal(values(with_palette(tmp_path / name, MASK, greys)), MASK * 10)


def test_deep_values_are_as_stored(tmp_path):
    for dtype in (np.uint16, np.int32, np.float32):
        tifffile.imwrite(tmp_path / "a.tif", MASK.astype(dtype) * 1000)
        read = values(tmp_path / "a.tif")
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, MASK.astype(int) * 1000)


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(MASK > 0).save(tmp_path / "a.png")
    np.testing.assert_array_equal(values(tmp_path / "a.png"), (MASK > 0) * 255)


def test_alpha_is_ignored_with_a_warning(tmp_path, warned):
    colours = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]
    np.testing.assert_array_equal(values(with_palette(tmp_path / "a.png", MASK, colours, transparency=0)), MASK)
    assert len(warned) == 1 and "alpha is ignored" in warned[0]


def test_colours_without_a_palette_are_refused(tmp_path):
    Image.fromarray(np.stack([MASK, MASK, MASK * 2], 2)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: a mask is grey or has a palette, found colours"):
        read_label_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0, 1, 1], [0, 1, 1]),
        ([0, 0], [0, 0]),
        ([1, 1], [1, 1]),
        ([0, 255], [0, 1]),
        ([255, 255], [1, 1]),
        (np.array([0, 65535], np.uint16), [0, 1]),
        (np.array([0.0, 1.0], np.float32), [0, 1]),
        (np.array([0.0, 255.0], np.float32), [0, 1]),
    ],
)
def test_class_numbers_and_black_and_white(given, expected, warned):
    array = np.asarray(given).reshape(-1, 1, 1)
    assert two_classes(array, "a.png").ravel().tolist() == expected
    assert not warned


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0, 3, 240, 255], [0, 0, 1, 1]),
        ([0, 254], [0, 1]),
        ([*range(0, 120, 10), 127, 128, 200, 210, 255], [0] * 13 + [1] * 4),
        (np.array([*range(0, 32000, 2000), 32639, 32640, 65535], np.uint16), [0] * 17 + [1, 1]),
    ],
)
def test_smoothed_masks_are_cut_at_the_middle(given, expected, warned):
    assert two_classes(np.asarray(given).reshape(-1, 1, 1), "a.png").ravel().tolist() == expected
    assert len(warned) == 1 and "a.png" in warned[0] and "above 127 is class 1" in warned[0]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([0, 1, 2], "0, 1, 2"),
        ([0, 128], "0, 128"),
        ([0, 85, 170, 255], "0, 85, 170, 255"),
        ([0, 2], "0, 2"),
        ([-1000, 255], "-1000, 255"),
        (np.arange(40), r"0, 1, 2, .*, 15, \.\.\."),
        (np.array([0, 300]), "0, 300"),
        (np.array([0, 70_000]), "0, 70000"),
        (np.array([0, 0.5, 1], np.float32), r"0, 0\.5, 1"),
    ],
)
def test_other_values_are_refused_and_named(given, named):
    with pytest.raises(InputError, match=rf"a\.png: the mask of two classes .* found {named}; save it so, or .*merge"):
        two_classes(np.asarray(given).reshape(-1, 1, 1), "a.png")


@pytest.mark.parametrize(("table", "array"), [(BINARY, MASK % 2), (LUNG_LABELS, MASK), (GREYS, MASK % 3)])
def test_round_trip(tmp_path, table, array):
    write_label_picture(tmp_path / "a.png", picture_volume(array), table)
    read = read_labels(tmp_path / "a.png", table)
    assert read.array.dtype == np.uint8
    np.testing.assert_array_equal(read.restore()[:, :, 0].T, array)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("count", [3, 17, 256])
def test_many_classes(tmp_path, count):
    table = LabelTable(tuple(map(str, range(count))), tuple((k, 255 - k, k // 2) for k in range(count)))
    array = np.arange(count, dtype=np.uint8).reshape(1, -1)
    write_label_picture(tmp_path / "a.png", picture_volume(array), table)
    np.testing.assert_array_equal(values(tmp_path / "a.png"), array)


def test_other_programs_see_black_and_white_or_the_colours(tmp_path):
    write_label_picture(tmp_path / "two.png", picture_volume(MASK % 2), BINARY)
    np.testing.assert_array_equal(iio.imread(tmp_path / "two.png"), MASK % 2 * 255)
    write_label_picture(tmp_path / "four.png", picture_volume(MASK), LUNG_LABELS)
    colours = np.rint(matplotlib.image.imread(tmp_path / "four.png") * 255)[..., :3]
    np.testing.assert_array_equal(colours, np.array(LUNG_LABELS.colours)[MASK])


def test_a_slice_of_a_volume_is_written_as_radiologists_see_it(tmp_path):
    # The first voxels are the patient's left and back: in the picture to the right, and below.
    mask = Volume.from_source(np.array([[[1], [0]], [[0], [0]]], np.uint8), np.eye(4))
    write_label_picture(tmp_path / "a.png", mask, BINARY)
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.png"), [[0, 0], [0, 255]])


@pytest.mark.parametrize(
    ("name", "shape", "value", "message"),
    [
        ("a.jpg", (3, 2, 1), 0, r"a\.jpg: a mask is written as a picture in \.png"),
        ("a.png", (3, 2, 4), 0, r"a\.png: a picture holds one slice, found a mask of 4"),
        ("a.png", (3, 2, 1), 2, r"a\.png: the classes are 0\.\.1, found 2"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, shape, value, message):
    with pytest.raises(InputError, match=message):
        write_label_picture(tmp_path / name, Volume.from_source(np.full(shape, value, np.uint8), np.eye(4)), BINARY)
    assert not list(tmp_path.iterdir())


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("old")

    def save(self, place, *arguments):
        place.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(OSError, match="no space left"):
        write_label_picture(path, picture_volume(MASK), LUNG_LABELS)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_real_masks(real_data, warned):
    folder = real_data / "sirm100"
    masks, classes = (sorted((folder / name).glob("*.png")) for name in ("masks", "classes"))
    assert [path.name for path in masks] == [path.name for path in classes]
    assert len(masks) == 82
    for mask, several in zip(masks, classes, strict=True):
        binary = read_labels(mask, 2).array
        assert set(np.unique(binary)) == {0, 1}
        numbers = read_labels(several, 3).array
        np.testing.assert_array_equal(numbers > 0, binary == 1)
        np.testing.assert_array_equal(read_labels(several, 2, merge=[(1, 1), (2, 1)]).array, binary)
        np.testing.assert_array_equal(read_labels(mask, 2, merge=[(0, 0), (255, 1)]).array, binary)
    assert not warned
