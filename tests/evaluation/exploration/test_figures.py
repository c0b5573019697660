"""Pictures of a dataset: what is counted, and what is drawn where."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.exploration.figures import (
    class_frequencies,
    count_intensities,
    intensity_histograms,
    montage,
    montage_slices,
    shapes_and_spacings,
)

LABELS = LabelTable(("background", "infection"), ((0, 0, 0), (255, 0, 0)))


def volume(values, shape=(2, 2, 1)) -> Volume:
    return Volume.from_source(np.array(values, np.int16).reshape(shape), np.diag([2.0, 2.0, 5.0, 1.0]))


def test_hu_are_counted_in_bins_of_ten():
    counted = count_intensities("a", "s", volume([-1000, -1000, -995, 40]))
    assert counted.hu
    assert counted.shares[counted.edges[:-1] == -1000] == [0.75]
    assert counted.shares[counted.edges[:-1] == 40] == [0.25]
    assert counted.shares.sum() == 1


def test_voxels_beyond_the_bins_count_in_the_whole():
    assert count_intensities("a", "s", volume([-1000, 0, 40, 3000])).shares.sum() == 0.75


def test_grey_values_have_bins_of_their_own():
    counted = count_intensities("a", "s", volume([0, 3, 4, 255]))
    assert not counted.hu
    assert counted.shares[[0, 1, -1]].tolist() == [0.5, 0.25, 0.25]


def test_other_values_are_counted_from_their_minimum_to_their_maximum():
    counted = count_intensities("a", "s", volume([500, 500, 500, 600]))
    assert (counted.edges[0], counted.edges[-1], len(counted.shares)) == (500, 600, 100)
    assert counted.shares[[0, -1]].tolist() == [0.75, 0.25]
    assert count_intensities("a", "s", volume([500] * 4)).edges.tolist() == [500, 501]


def test_extents_are_voxels_times_spacing():
    row = {"shape_x": 4, "shape_y": 5, "shape_z": 6, "spacing_x_mm": 1.0, "spacing_y_mm": 1.0, "spacing_z_mm": 2.5}
    figure = shapes_and_spacings(pd.DataFrame([row | {"source": "one"}, row | {"source": "two"}]))
    voxels, spacing, extent = (
        [group.get_offsets()[:, 1].tolist() for group in axes.collections] for axes in figure.axes
    )
    assert voxels == [[4, 4], [5, 5], [6, 6]]
    assert spacing == [[1, 1], [1, 1], [2.5, 2.5]]
    assert extent == [[4, 4], [5, 5], [15, 15]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_hu_and_grey_values_are_drawn_apart():
    counted = [
        count_intensities(name, "s", volume(values))
        for name, values in (("a", [-1000, 0, 40, 50]), ("b", [-1000, -1000, 40, 50]), ("c", [0, 3, 4, 255]))
    ]
    figure = intensity_histograms(counted)
    assert [axes.get_xlabel() for axes in figure.axes] == ["HU", "grey value, not HU"]
    assert [axes.get_title() for axes in figure.axes] == ["2 cases", "1 case"]
    assert [len(axes.patches) for axes in figure.axes] == [3, 1]  # two cases and their mean
    pooled = figure.axes[0].patches[-1].get_data()
    assert pooled.values[pooled.edges[:-1] == -1000] == [37.5]


def test_a_case_without_a_class_counts_in_the_mean_alone():
    table = pd.DataFrame({"frequency_background": [0.9, 1.0, np.nan], "frequency_infection": [0.1, 0.0, np.nan]})
    (axes,) = class_frequencies(table, LABELS).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "background\nmean 0.9500\n2 of 2 cases",
        "infection\nmean 0.0500\n1 of 2 cases",
    ]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.95, 0.05])
    assert to_hex(axes.patches[1].get_facecolor()) == "#ff0000"


def test_slices_are_the_middles_of_equal_stacks():
    assert montage_slices(None, 12, 3) == [2, 6, 10]
    assert montage_slices(None, 2, 6) == [0, 1]
    mask = volume([0, 0, 1, 1, 1, 1, 0, 0], (1, 1, 8))
    assert montage_slices(mask, 8, 2) == [3, 5]
    assert montage_slices(volume([0] * 8, (1, 1, 8)), 8, 2) == [2, 6]


def test_the_montage_shows_the_patients_right_at_the_left():
    array = np.full((8, 4, 3), -1000, np.int16)
    array[6:, :, 1] = 100  # x grows to the patient's right
    image = Volume.from_source(array, np.diag([1.0, 1.0, 1.0, 1.0]))
    figure = montage(image, image.with_array((array > 0).astype(np.uint8)), LABELS, title="case a", slices=3)
    assert [axes.get_title() for axes in figure.axes] == ["slice 2 of 3"]
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (4, 8)
    assert (picture[:, :2] == 100).all()
    assert (picture[:, 2:] == -1000).all()


def test_a_picture_is_shown_without_and_with_its_outlines():
    picture = picture_volume(np.full((30, 40, 3), [200, 100, 50], np.uint8))
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 5:15] = 1
    figure = montage(picture, picture_volume(mask), LABELS, title="a")
    image, classes = figure.axes
    assert (image.get_title(), classes.get_title()) == ("image", "classes")
    assert not image.texts
    assert not image.collections
    assert classes.collections
    assert image.images[0].get_array()[0, 0].tolist() == [200, 100, 50]
    assert [axes.get_title() for axes in montage(picture, None, LABELS).axes] == ["image"]


def test_all_channels_of_a_picture_are_counted():
    counted = count_intensities("a", "s", picture_volume(np.full((5, 5, 3), [0, 100, 100], np.uint8)))
    assert counted.shares[[0, 25]].tolist() == pytest.approx([1 / 3, 2 / 3])
