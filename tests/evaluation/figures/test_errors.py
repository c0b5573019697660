"""Error sheets: the slices that matter, errors in the right colour at the right place, colours that all readers see."""

import itertools

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.errors import (
    CORRECT,
    ERROR_COLOURS,
    ERROR_OPACITY,
    FALSE,
    MISSED,
    NO_ERROR,
    OTHER,
    error_kinds,
    error_sheet,
    slice_disagreement,
    worst_slices,
)
from pneumoseg.evaluation.figures.saving import save_figure

SHAPE = (40, 30, 12)

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deutan": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}


def volume(array: np.ndarray, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 5.0)) -> Volume:
    return Volume.from_source(array, np.diag([*spacing_mm, 1.0]))


def case() -> tuple[Volume, Volume, Volume]:
    """A uniform CT; infection of the right lung's front is missed, of the left lung's back is false."""
    reference = np.zeros(SHAPE, np.uint8)
    reference[4:16, 4:26, 2:10] = 1
    reference[24:36, 4:26, 2:10] = 2
    prediction = reference.copy()
    reference[26:34, 18:24, 6] = 3
    prediction[6:14, 6:12, 6] = 3
    return volume(np.full(SHAPE, -800.0, np.float32)), volume(reference), volume(prediction)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, white point D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def panel(figure, axes) -> np.ndarray:
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    box = axes.get_window_extent()
    top = picture.shape[0] - round(box.y1)
    return picture[top : top + round(box.height), round(box.x0) : round(box.x1)]


def of_kind(picture: np.ndarray, kind: int, grey: float = 0.3) -> np.ndarray:
    """The pixels with the colour of that kind over a CT of that grey (-800 HU: 0.3 of the lung window)."""
    share = ERROR_OPACITY[kind]
    return np.abs(picture - 255 * (share * np.array(ERROR_COLOURS[kind]) + (1 - share) * grey)).max(axis=-1) < 4


def test_each_voxel_has_the_kind_of_its_error():
    reference = np.array([0, 1, 3, 3, 3, 0, 1, 1, 2, 0])
    predicted = np.array([0, 1, 3, 2, 0, 3, 3, 0, 1, 2])
    expected = [NO_ERROR, NO_ERROR, CORRECT, MISSED, MISSED, FALSE, FALSE, OTHER, OTHER, OTHER]
    assert error_kinds(reference, predicted, 3).tolist() == expected


def test_disagreement_weighs_the_last_class_five_times():
    reference, prediction = np.zeros((2, 4, 4, 3), np.uint8)
    reference[0, :2, 0] = 1  # two lung voxels differ
    reference[0, 0, 1] = 3
    prediction[1, 1, 1] = 3  # two of the infection
    assert slice_disagreement(reference, prediction, 3).tolist() == [2, 10, 0]


def test_half_of_the_slices_have_the_most_infection_and_half_the_most_disagreement():
    reference = np.zeros((6, 6, 40), np.uint8)
    reference[:, :, 5] = 3  # all found
    reference[:5, :, 15] = 3  # all found
    prediction = reference.copy()
    prediction[0, :4, 25] = 3
    prediction[0, :3, 35] = 3
    prediction[0, :2, 30] = 3
    assert sorted(worst_slices(reference, prediction, LUNG_LABELS, count=4)) == [5, 15, 25, 35]
    assert sorted(worst_slices(reference, prediction, LUNG_LABELS, count=1)) == [25]
    assert sorted(worst_slices(reference, prediction, LUNG_LABELS, count=5)) == [5, 15, 25, 30, 35]


@pytest.mark.parametrize(("height", "apart"), [(40, 3), (400, 8)])
def test_slices_are_apart(height, apart):
    reference = np.zeros((2, 2, height), np.uint8)
    reference[0, 0] = 3
    chosen = sorted(worst_slices(reference, np.zeros_like(reference), LUNG_LABELS, count=5))
    assert len(chosen) == 5
    assert np.diff(chosen).min() == apart


def test_slices_are_nearer_where_there_are_few():
    reference = np.zeros((4, 4, 40), np.uint8)
    reference[0, 0, 20:24] = 3
    prediction = np.zeros_like(reference)
    assert sorted(worst_slices(reference, prediction, LUNG_LABELS, count=4)) == [20, 21, 22, 23]
    assert sorted(worst_slices(reference, prediction, LUNG_LABELS, count=9)) == [20, 21, 22, 23]


def test_without_infection_and_error_the_slices_with_most_lung_are_shown():
    lungs = np.zeros((4, 4, 30), np.uint8)
    lungs[0, 0, 2:20] = 1
    lungs[:, :, 8] = 2
    assert 8 in worst_slices(lungs, lungs, LUNG_LABELS, count=2)


def test_empty_masks_show_the_middle():
    empty = np.zeros((4, 4, 9), np.uint8)
    assert sorted(worst_slices(empty, empty, LUNG_LABELS, count=4)) == [4]
    assert sorted(worst_slices(empty[..., :1], empty[..., :1], LUNG_LABELS, count=4)) == [0]


def test_no_slice_and_other_shapes_are_refused():
    empty = np.zeros((4, 4, 9), np.uint8)
    with pytest.raises(InputError, match="at least 1 slice can be shown, found 0"):
        worst_slices(empty, empty, LUNG_LABELS, count=0)
    with pytest.raises(InputError, match=r"reference and prediction must have one shape, found .*9\) and .*8\)"):
        worst_slices(empty, empty[..., :8], LUNG_LABELS, count=4)
    image, _, prediction = case()
    with pytest.raises(InputError, match="CT and reference must have one shape"):
        error_sheet(image, volume(empty), prediction, labels=LUNG_LABELS)


def test_errors_are_drawn_in_their_colours_the_patients_right_at_the_left():
    image, reference, prediction = case()
    figure = error_sheet(image, reference, prediction, labels=LUNG_LABELS, slices=1)
    ct, contours, errors = (panel(figure, axes) for axes in figure.axes[:3])
    rows, columns = np.nonzero(of_kind(errors, MISSED))
    assert columns.max() < errors.shape[1] / 2  # of the right lung
    assert rows.max() < errors.shape[0] / 2  # in front
    rows, columns = np.nonzero(of_kind(errors, FALSE))
    assert columns.min() > errors.shape[1] / 2
    assert rows.min() > errors.shape[0] / 2
    assert not of_kind(errors, CORRECT).any()
    assert not of_kind(errors, OTHER).any()
    assert np.ptp(ct, axis=-1).max() == 0  # the CT alone is grey
    assert (contours[..., 0] - contours[..., 2] > 60).any()  # the infection's red
    assert (contours[..., 2] - contours[..., 0] > 60).any()  # the lungs' blue


def test_the_prediction_is_dashed():
    image, reference, _ = case()
    empty = reference.with_array(np.zeros(SHAPE, np.uint8))
    blue = []
    for true, found in ((reference, empty), (empty, reference)):
        sheet = error_sheet(image, true, found, labels=LUNG_LABELS, slices=1)
        contours = panel(sheet, sheet.axes[1])
        blue.append(np.count_nonzero(contours[..., 2] - contours[..., 0] > 60))
    solid, dashed = blue
    assert 0.3 * solid < dashed < 0.8 * solid


def test_rows_say_which_slice_and_why_with_the_head_at_the_top():
    reference = np.zeros((20, 20, 30), np.uint8)
    reference[5:15, 5:15, 4] = 3
    prediction = reference.copy()
    prediction[5:9, 5:9, 20] = 3
    image = volume(np.full(reference.shape, -800.0, np.float32))
    figure = error_sheet(image, volume(reference), volume(prediction), labels=LUNG_LABELS, title="a case", slices=2)
    texts = [{text.get_text() for text in axes.texts} for axes in figure.axes]
    assert texts[0] == {"slice 21 of 30\nmost disagreement", "R", "L"}
    assert texts[3] == {"slice 5 of 30\nmost infection", "R", "L"}
    words = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert {"reference", "prediction", "infection missed", "infection false", "other class differs"} <= set(words)


def test_all_panels_show_the_same_part_in_the_patients_scale():
    labels = np.zeros((80, 60, 12), np.uint8)
    labels[30:40, 20:30, 2:10] = 3
    image = volume(np.zeros(labels.shape, np.float32), (2.0, 4.0, 5.0))
    figure = error_sheet(image, volume(labels), volume(labels), labels=LUNG_LABELS, slices=3)
    figure.canvas.draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert len(boxes) == 9
    assert [box.width for box in boxes] == pytest.approx([boxes[0].width] * 9)
    # 10 voxels and 15 mm on both sides: 26 of 2 mm in x (8 voxels each), 18 of 4 mm in y (4 each).
    assert boxes[0].width / boxes[0].height == pytest.approx(26 * 2 / (18 * 4), rel=0.02)


def test_empty_full_and_flat_masks_are_drawn():
    image, reference, _ = case()
    empty, full = (volume(np.full(SHAPE, value, np.uint8)) for value in (0, 3))
    sheet = error_sheet(image, empty, empty, labels=LUNG_LABELS)
    assert np.ptp(panel(sheet, sheet.axes[2]), axis=-1).max() == 0
    sheet = error_sheet(image, full, full, labels=LUNG_LABELS, slices=1)
    assert of_kind(panel(sheet, sheet.axes[2]), CORRECT).mean() > 0.8
    flat = [volume(member.array[:, :, 6:7]) for member in (image, reference, reference)]
    assert len(error_sheet(*flat, labels=LUNG_LABELS).axes) == 3


def test_a_table_of_two_classes_has_no_other_class():
    labels = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
    image, reference, prediction = case()
    binary = [mask.with_array((mask.array == 3).astype(np.uint8)) for mask in (reference, prediction)]
    figure = error_sheet(image, *binary, labels=labels)
    assert "other class differs" not in {text.get_text() for text in figure.legends[0].get_texts()}
    assert of_kind(panel(figure, figure.axes[2]), MISSED).any()


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("grey", [0.05, 0.3, 0.8])
def test_colour_blind_readers_tell_the_colours_apart(blindness, grey):
    seen = []
    for kind in (CORRECT, MISSED, FALSE, OTHER):
        share = ERROR_OPACITY[kind]
        colour = share * np.array(ERROR_COLOURS[kind]) + (1 - share) * grey
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        seen.append(lab(np.clip(BLINDNESS[blindness] @ linear, 0.01, 1)))
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 10


def test_very_many_classes_leave_room_for_the_pictures(tmp_path):
    image, reference, prediction = case()
    many = LabelTable(tuple(f"class_{label}" for label in range(119)), ((9, 9, 9),) * 119)
    figure = error_sheet(image, reference, prediction, labels=many)
    save_figure(figure, tmp_path / "sheet.png", dpi=40)  # without room matplotlib warns, which is an error here
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "class_12" in words
    assert "class_13" not in words
    assert "and 106 more" in words


def test_of_a_picture_all_is_shown_without_sides():
    colours = picture_volume(np.full((60, 80, 3), [200, 100, 50], np.uint8))
    reference = np.zeros((60, 80), np.uint8)
    reference[30:33, 40:43] = 1  # of a volume, the sheet would show this and a margin
    prediction = np.roll(reference, 1, axis=1)
    table = LabelTable(("background", "infection"), ((0, 0, 0), (0, 0, 255)))
    figure = error_sheet(colours, picture_volume(reference), picture_volume(prediction), labels=table)
    assert [axes.get_title() for axes in figure.axes] == ["image", "contours", "errors"]
    assert not [text for axes in figure.axes for text in axes.texts]
    assert [axes.images[0].get_extent() for axes in figure.axes] == [[0, 80, 60, 0]] * 3
    assert figure.axes[0].images[0].get_array().shape == (60, 80, 3)
    assert figure.get_size_inches()[0] == 15


def test_a_mask_of_another_shape_than_the_picture_is_refused():
    picture = picture_volume(np.zeros((6, 8, 3), np.uint8))
    mask = picture_volume(np.zeros((6, 7), np.uint8))
    with pytest.raises(InputError, match=r"CT and reference must have one shape, found \(8, 6, 1\) and \(7, 6, 1\)"):
        error_sheet(picture, mask, mask, labels=LUNG_LABELS)
