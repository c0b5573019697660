"""The picture of a confusion matrix: what its cells say, and that one can read them."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.confusion import confusion_figure, short_count
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.measures.overlap import confusion
from tests.evaluation.figures.case_tables import texts


def test_cells_hold_percent_of_the_reference_and_counts():
    reference = np.repeat([0, 1], [48, 16]).astype(np.uint8).reshape(4, 4, 4)
    prediction = np.repeat([0, 1], [36, 28]).astype(np.uint8).reshape(4, 4, 4)
    axes = confusion_figure(confusion(reference, prediction, 2), ["background", "infection"]).axes[0]
    assert texts(axes) == ["75.0 %", "36", "25.0 %", "12", "0.0 %", "0", "100.0 %", "16"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[75, 25], [0, 100]])
    assert axes.images[0].get_clim() == (0, 100)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["background\n48 voxels", "infection\n16 voxels"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["background", "infection"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "reference")


def test_the_first_class_is_at_the_top_left():
    axes = confusion_figure(np.array([[3, 1], [0, 4]]), ["a", "b"]).axes[0]
    first = next(text for text in axes.texts if text.get_text() == "75.0 %")
    across, up = axes.transLimits.transform(first.get_position())
    assert across < 0.5 < up


def test_a_class_without_reference_is_said_so(tmp_path):
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["background", "infection"])
    assert texts(figure.axes[0]) == ["75.0 %", "3", "25.0 %", "1", "not in the reference"]
    save_figure(figure, tmp_path / "absent.png", dpi=50)
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array()).tolist() == [[False, False], [True, True]]


def test_no_voxels_at_all(tmp_path):
    figure = confusion_figure(np.zeros((3, 3), np.int64), ["a", "b", "c"])
    save_figure(figure, tmp_path / "none.png", dpi=50)
    assert texts(figure.axes[0]) == ["not in the reference"] * 3


def test_nearly_none_and_nearly_all_are_not_rounded_away():
    assert texts(confusion_figure(np.array([[99_999, 1], [0, 5]]), ["a", "b"]).axes[0])[:4] == [
        ">99.9 %", "100.0 k", "<0.1 %", "1",
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0, 40, 60, 80, 100])
def test_text_stands_out_from_its_cell(share):
    def luminance(colour):
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return np.dot([0.2126, 0.7152, 0.0722], parts)

    axes = confusion_figure(np.array([[share, 100 - share], [0, 1]]), ["a", "b"]).axes[0]
    text = luminance(to_rgb(axes.texts[0].get_color()))
    cell = luminance(axes.images[0].to_rgba(axes.images[0].get_array())[0, 0, :3])
    assert (max(text, cell) + 0.05) / (min(text, cell) + 0.05) >= 4.5


def test_lightness_falls_with_the_share_also_in_grey():
    colours = confusion_figure(np.eye(2, dtype=np.int64), ["a", "b"]).axes[0].images[0].cmap(np.linspace(0, 1, 50))
    assert (np.diff(colours[:, :3] @ [0.299, 0.587, 0.114]) < 0).all()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (34_120, "34.1 k"), (999_949, "999.9 k"), (999_960, "1.0 M"),
     (1_234_567, "1.2 M"), (56_000_000_000, "56.0 G"), (7 * 10**15, "7000.0 T")],
)  # fmt: skip
def test_short_counts(count, text):
    assert short_count(count) == text


def test_large_counts_do_not_overflow():
    axes = confusion_figure(np.array([[3 * 10**17, 10**17], [0, 1]]), ["a", "b"]).axes[0]
    assert texts(axes)[::2][:2] == ["75.0 %", "25.0 %"]


@pytest.mark.parametrize(("shape", "names"), [((2, 3), "ab"), ((2, 2), "abc"), ((4,), "abcd"), ((0, 0), "")])
def test_a_matrix_that_is_not_one_row_and_column_per_class_is_refused(shape, names):
    with pytest.raises(InputError, match="a row and a column per class"):
        confusion_figure(np.zeros(shape, np.int64), list(names))


@pytest.mark.parametrize("matrix", [np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[1, -1], [0, 1]])])
def test_other_than_counts_are_refused(matrix):
    with pytest.raises(InputError, match="holds counts"):
        confusion_figure(matrix, ["a", "b"])


@pytest.mark.parametrize("classes", [30, 255])
def test_many_classes_fit_into_a_picture_without_numbers(classes):
    names = [f"class_{label}" for label in range(classes)]
    figure = confusion_figure(np.eye(classes, dtype=np.int64), names)
    assert max(figure.get_size_inches()) * 150 < 8000
    assert texts(figure.axes[0]) == []
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
