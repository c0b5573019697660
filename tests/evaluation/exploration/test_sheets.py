"""Sheets of pictures and slices."""

import numpy as np

from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.single_slice import single_slice
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.exploration.sheets import CASES, sheet

LABELS = LabelTable(("background", "infection"), ((0, 0, 0), (255, 0, 0)))


def pair(name: str, shape=(30, 40)):
    mask = np.zeros(shape[:2], np.uint8)
    mask[5:15, 5:15] = 1
    return name, picture_volume(np.full(shape, 100, np.uint8)), picture_volume(mask)


def test_one_picture_has_two_panels():
    figure = sheet([pair("a")], LABELS)
    image, outlined = figure.axes
    assert image.get_title(loc="left") == "a"
    assert not image.collections
    assert outlined.collections
    assert image.images[0].get_array().shape == (30, 40)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["infection"]


def test_no_panel_is_empty_but_at_the_end():
    figure = sheet([pair(str(number), (20 + number, 30)) for number in range(4)], LABELS)
    assert [len(axes.images) for axes in figure.axes] == [1] * 8 + [0] * 4
    full = sheet([pair(str(number)) for number in range(CASES)], LABELS)
    assert all(axes.images for axes in full.axes)


def test_without_masks_a_panel_each():
    figure = sheet([(name, pair(name)[1], None) for name in "ab"], LABELS)
    assert [len(axes.images) for axes in figure.axes] == [1, 1]
    assert not figure.legends
    mixed = sheet([pair("a"), ("b", pair("b")[1], None)], LABELS)
    assert [len(axes.images) for axes in mixed.axes] == [1, 1, 1, 0]


def test_a_picture_in_colour_keeps_its_colours():
    _, _, mask = pair("a")
    image = picture_volume(np.full((30, 40, 3), [200, 100, 50], np.uint8))
    assert sheet([("a", image, mask)], LABELS).axes[0].images[0].get_array()[0, 0].tolist() == [200, 100, 50]


def test_a_slice_across_x_has_the_head_at_the_top():
    array = np.full((4, 6, 5), -1000, np.int16)
    array[:, :, 4] = 100  # z grows to the head
    image = single_slice(Volume.from_source(array, np.diag([1.0, 1.0, 2.0, 1.0])), 0, 2)
    shown = sheet([("a", image, None)], LABELS).axes[0].images[0]
    assert shown.get_array().shape == (5, 6)
    assert (shown.get_array()[0] == 100).all()
    assert shown.get_extent() == [0, 6, 10, 0]


def test_a_long_name_is_cut():
    name, image, mask = pair("n" * 50)
    assert len(sheet([(name, image, mask)], LABELS).axes[0].get_title(loc="left")) == 28
