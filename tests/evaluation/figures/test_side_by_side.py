"""Image, truth and prediction in one picture, pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.figures.side_by_side import SEPARATOR_PX, side_by_side, write_side_by_side

TABLE = LabelTable(("background", "ground glass", "consolidation"), ((0, 0, 0), (250, 200, 0), (0, 90, 200)))
WHITE = [255, 255, 255]


def test_a_picture_its_truth_and_its_prediction():
    image = np.array([[0.0, 99.6, 300.0], [-4.0, 255.0, 10.0]], np.float32)
    truth = np.array([[0, 1, 2], [0, 0, 0]], np.uint8)
    prediction = np.array([[1, 1, 0], [0, 0, 2]], np.uint8)
    shown = side_by_side(image, [truth, prediction], TABLE)
    assert (shown.dtype, shown.shape) == (np.uint8, (2, 3 * 3 + 2 * SEPARATOR_PX, 3))
    assert shown[:, :3, 0].tolist() == [[0, 100, 255], [0, 255, 10]]
    assert (shown[:, :3, :1] == shown[:, :3]).all()
    assert (shown[:, 3 : 3 + SEPARATOR_PX] == WHITE).all()
    first = 3 + SEPARATOR_PX
    assert shown[0, first : first + 3].tolist() == [[0, 0, 0], [250, 200, 0], [0, 90, 200]]
    assert shown[1, -1].tolist() == [0, 90, 200]


def test_without_a_truth_there_are_two_panels_and_colours_stay():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    shown = side_by_side(image, [np.zeros((2, 4), np.uint8)], TABLE)
    assert shown.shape == (2, 8 + SEPARATOR_PX, 3)
    assert (shown[:, :4] == image).all()
    assert (side_by_side(image[..., :1], [], TABLE) == image[..., :1]).all()


def test_written_as_a_png_of_the_pictures_own_size(tmp_path):
    mask = np.eye(5, dtype=np.uint8)
    write_side_by_side(tmp_path / "one.png", np.full((5, 5), 128), [mask, mask], TABLE)
    with Image.open(tmp_path / "one.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (15 + 2 * SEPARATOR_PX, 5))
        assert picture.getpixel((5 + SEPARATOR_PX, 0)) == (250, 200, 0)


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        (np.zeros((4, 5)), np.zeros((5, 4), np.uint8), r"4 x 5 pixels is uint8 of that shape, found uint8 \(5, 4\)"),
        (np.zeros((4, 5)), np.zeros((4, 5)), "found float64"),
        (np.zeros((4, 5)), np.full((4, 5), 3, np.uint8), r"classes to show are 0\.\.2, found 3"),
        (np.zeros((4, 5, 2)), np.zeros((4, 5), np.uint8), r"found \(4, 5, 2\)"),
        (np.zeros((0, 5)), np.zeros((0, 5), np.uint8), r"found \(0, 5\)"),
        (np.full((4, 5), np.nan), np.zeros((4, 5), np.uint8), "finite"),
    ],
)
def test_what_does_not_fit_is_refused(image, mask, message):
    with pytest.raises(InputError, match=message):
        side_by_side(image, [mask], TABLE)
