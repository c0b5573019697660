"""Overlay sheets: the right slices, the right way round, the patient's shape."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.overlays import (
    display_window,
    overlay_sheet,
    radiological_slice,
    shown_slice,
    telling_slices,
    without_place,
)

SHAPE = (40, 30, 12)


def volume(array: np.ndarray) -> Volume:
    return Volume.from_source(array, np.diag([1.0, 1.0, 5.0, 1.0]))


def case() -> tuple[Volume, Volume]:
    """A uniform CT; the left lung at low x, the right lung at high x, infection in the right lung's front."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:16, 8:22, 2:10] = 1
    labels[24:36, 8:22, 2:10] = 2
    labels[24:36, 18:22, 6] = 3
    return volume(np.full(SHAPE, -800.0, np.float32)), volume(labels)


def pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def panel(figure, axes) -> np.ndarray:
    picture = pixels(figure)
    box = axes.get_window_extent()
    top = picture.shape[0] - round(box.y1)
    return picture[top : top + round(box.height), round(box.x0) : round(box.x1)]


def test_a_slice_shows_the_patients_right_at_the_left_and_the_front_at_the_top():
    array = np.zeros((4, 3, 1))
    array[3, 2, 0] = 7  # right, front
    picture = radiological_slice(array, 0)
    assert picture.shape == (3, 4)
    assert picture[0, 0] == 7


def test_the_drawn_sheet_shows_the_patients_right_at_the_left():
    image, prediction = case()
    figure = overlay_sheet(image, prediction, LUNG_LABELS, slices=1)
    ct, shown = (panel(figure, axes) for axes in figure.axes[:2])
    redness = shown[..., 0] - shown[..., 2]
    rows, columns = np.nonzero(redness > 40)
    assert columns.max() < shown.shape[1] / 2  # infection of the right lung: at the left
    assert rows.max() < shown.shape[0] / 2  # and in front: above
    blueness = shown[..., 2] - shown[..., 0]
    assert (blueness > 30)[:, : shown.shape[1] // 2].any()
    assert (blueness > 30)[:, shown.shape[1] // 2 :].any()
    assert np.abs(ct[..., 0] - ct[..., 2]).max() == 0  # the CT alone is grey


def test_axes_have_the_patients_scale():
    array = np.zeros((40, 20, 4), np.uint8)
    array[10:20, 5:15, 1] = 1
    labels = Volume.from_source(array, np.diag([1.0, 2.0, 5.0, 1.0]))
    figure = overlay_sheet(labels.with_array(array.astype(np.float32)), labels, LUNG_LABELS)
    figure.canvas.draw()
    box = figure.axes[0].get_window_extent()
    assert box.width / box.height == pytest.approx(1.0, rel=0.02)  # 40 x 1 mm by 20 x 2 mm


def test_each_slice_is_shown_without_and_with_the_prediction():
    image, prediction = case()
    figure = overlay_sheet(image, prediction, LUNG_LABELS, title="a case", slices=3)
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:2]] == ["CT", "prediction"]


def test_slices_are_spread_and_prefer_the_infection():
    mask = np.zeros((4, 4, 20), np.uint8)
    mask[0, :2, 4:16] = 1
    mask[0, :, 5] = 1  # more lung than its neighbours
    mask[1, 1, 14] = 3
    assert telling_slices(mask, LUNG_LABELS, 3) == [5, 8, 14]
    assert telling_slices(mask[:, :, 4:6], LUNG_LABELS, 4) == [0, 1]
    assert telling_slices(np.zeros((4, 4, 20), np.uint8), LUNG_LABELS) == [10]


def test_the_window_is_that_of_the_values():
    assert display_window(np.array([0, 255], np.uint8)) == (0, 255)
    assert display_window(np.array([-1000, 400], np.int16)) == (-1250, 250)


def test_empty_and_full_masks_are_drawn():
    image, _ = case()
    empty, full = (volume(np.full(SHAPE, value, np.uint8)) for value in (0, 1))
    assert pixels(overlay_sheet(image, empty, LUNG_LABELS)).std() > 5
    assert pixels(overlay_sheet(image, full, LUNG_LABELS, slices=1)).std() > 5


def test_another_shape_is_refused():
    image, _ = case()
    with pytest.raises(
        InputError, match=r"CT and prediction must have one shape, found \(40, 30, 12\) and \(4, 4, 4\)"
    ):
        overlay_sheet(image, volume(np.zeros((4, 4, 4), np.uint8)), LUNG_LABELS)


def test_very_many_classes_leave_room_for_the_pictures():
    image, prediction = case()
    many = LabelTable(tuple(f"class_{label}" for label in range(119)), ((9, 9, 9),) * 119)
    figure = overlay_sheet(image, prediction, many, slices=1)
    figure.canvas.draw()  # without room matplotlib warns, which is an error here
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["class_12", "and 106 more"]


def test_a_plane_deep_for_its_width_does_not_make_an_endless_picture():
    image = volume(np.zeros((2, 400, 3), np.float32))
    figure = overlay_sheet(image, volume(np.ones((2, 400, 3), np.uint8)), LUNG_LABELS)
    assert max(figure.get_size_inches()) < 60


def test_channels_of_a_slice_stay_the_last_axis():
    array = np.arange(4 * 3 * 2 * 3).reshape(4, 3, 2, 3)
    assert (
        radiological_slice(array, 1) == np.stack([radiological_slice(array[..., c], 1) for c in range(3)], -1)
    ).all()


def test_colours_are_shown_as_they_are_and_of_other_channels_the_first():
    rgb = np.full((4, 3, 1, 3), [10.4, 20.6, 255.0], np.float32)
    assert shown_slice(rgb, 0).tolist() == np.full((3, 4, 3), [10, 21, 255]).tolist()
    windows = np.stack([np.full((4, 3, 1), value, np.float32) for value in (-800, 40, 0)], axis=-1)
    assert shown_slice(windows, 0).tolist() == np.full((3, 4), -800).tolist()
    assert shown_slice(np.full((4, 3, 1, 2), 7), 0).tolist() == np.full((3, 4), 7).tolist()


def test_a_picture_has_no_sides_and_no_number():
    rgb = np.full((30, 40, 3), [200, 100, 50], np.uint8)
    classes = np.zeros((30, 40), np.uint8)
    classes[5:15, 5:15] = 1
    table = LabelTable(("background", "infection"), ((0, 0, 0), (0, 0, 255)))
    picture = picture_volume(rgb)
    assert without_place(picture)
    figure = overlay_sheet(picture, picture_volume(classes), table)
    assert [axes.get_title() for axes in figure.axes] == ["image", "prediction"]
    assert not [text for axes in figure.axes for text in axes.texts]
    shown = panel(figure, figure.axes[0])
    assert abs(shown[shown.shape[0] // 2, shown.shape[1] // 2] - [200, 100, 50]).max() <= 1


def test_a_slice_of_a_ct_has_sides_but_no_number():
    ct = Volume.from_source(np.full((30, 40, 1), -800, np.int16), np.diag([0.7, 0.7, 5.0, 1.0]))
    assert not without_place(ct)
    figure = overlay_sheet(ct, ct.with_array(np.ones((30, 40, 1), np.uint8)), LUNG_LABELS)
    assert [text.get_text() for text in figure.axes[0].texts] == ["R", "L"]
