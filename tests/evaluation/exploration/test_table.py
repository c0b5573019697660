"""The table, the summary and the figures of a dataset that can be checked by eye."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.exploration import figures, table
from pneumoseg.evaluation.exploration.report import remarkable_cases
from pneumoseg.evaluation.exploration.table import describe_case, explore, readable, summary
from pneumoseg.evaluation.figures.saving import save_figure

CLASSES = [f"frequency_{name}" for name in LUNG_LABELS.names]


def save(path, array, spacing_mm=(1.0, 1.0, 2.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])), path)


@pytest.fixture
def dataset(tmp_path):
    """An HU case 4x4x4 with 32, 16, 8, 8 voxels of the classes, and a grey one 4x4x2 without mask."""
    hu = np.linspace(-1000, 260, 64).astype(np.int16).reshape(4, 4, 4)
    mask = np.repeat([0, 1, 2, 3], [32, 16, 8, 8]).astype(np.uint8).reshape(4, 4, 4)
    save(tmp_path / "coronacases_001" / "imaging.nii.gz", hu)
    save(tmp_path / "coronacases_001" / "segmentation.nii.gz", mask)
    grey = np.linspace(0, 255, 32).astype(np.uint8).reshape(4, 4, 2)
    save(tmp_path / "radiopaedia_4_85506_1" / "imaging.nii.gz", grey, (0.5, 0.5, 8.0))
    return open_dataset(tmp_path, need_masks=False)


def test_annotated_case(dataset):
    row = explore(dataset).iloc[0]
    assert (row["case"], row["patient"], row["source"]) == ("coronacases_001", "coronacases_001", "coronacases")
    assert [row[f"shape_{axis}"] for axis in "xyz"] == [4, 4, 4]
    assert [row[f"spacing_{axis}_mm"] for axis in "xyz"] == [1, 1, 2]
    assert (row["orientation"], row["dtype"]) == ("LPS", "int16")
    assert (row["minimum"], row["maximum"]) == (-1000, 260)
    assert row["mean"] == pytest.approx(-370, abs=1)
    assert row["hu"]
    assert [row[name] for name in CLASSES] == [0.5, 0.25, 0.125, 0.125]
    assert row["volume_lung_left_ml"] == pytest.approx(16 * 2 / 1000)
    assert row["volume_infection_ml"] == pytest.approx(8 * 2 / 1000)


def test_case_without_mask_leaves_the_classes_empty(dataset, tmp_path):
    table = explore(dataset)
    row = table.iloc[1]
    assert not row["hu"]
    assert (row["patient"], row["source"]) == ("radiopaedia_4", "radiopaedia")
    assert row[CLASSES].isna().all()
    table.to_csv(tmp_path / "table.csv", index=False)
    assert (tmp_path / "table.csv").read_text().splitlines()[2].endswith("," * 8)


def test_shape_and_spacing_are_along_the_patients_axes():
    affine = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    image = Volume.from_source(np.zeros((5, 6, 7), np.int16), affine)
    row = describe_case(Case("a", "a.nii", None, "a"), image, None, labels=LUNG_LABELS)
    assert [row[f"shape_{axis}"] for axis in "xyz"] == [7, 5, 6]
    assert [row[f"spacing_{axis}_mm"] for axis in "xyz"] == [3, 1, 2]
    assert row["orientation"] == "ASR"


def test_summary(dataset):
    result = summary(explore(dataset))
    assert result["cases"] == 2
    assert result["annotated_cases"] == 1
    assert result["hu_cases"] == 1
    assert result["mean_shape"] == {"x": 4, "y": 4, "z": 3}
    assert result["median_shape"] == {"x": 4, "y": 4, "z": 3}
    assert result["mean_frequency"] == {"background": 0.5, "lung_left": 0.25, "lung_right": 0.125, "infection": 0.125}


def test_summary_without_masks(dataset):
    result = summary(explore(dataset.select(["radiopaedia_4_85506_1"])))
    assert set(result["mean_frequency"].values()) == {None}


def test_each_case_counts_alike_in_the_mean():
    row = dict.fromkeys(["shape_x", "shape_y", "shape_z", "spacing_x_mm", "spacing_y_mm", "spacing_z_mm"], 1)
    row |= {"mask_values": "0 1"}
    rows = [row | {"patient": "p", "hu": True, "frequency_a": share, "frequency_b": 1 - share} for share in (0.9, 0.5)]
    assert summary(pd.DataFrame(rows), LabelTable(("a", "b"), ((0, 0, 0),) * 2))["mean_frequency"][
        "a"
    ] == pytest.approx(0.7)


def test_cases_are_read_one_at_a_time(dataset):
    cases = table.read_cases(dataset, LUNG_LABELS)
    shapes = [(case.name, image.array.shape, mask is None) for case, image, mask in cases]
    assert shapes == [("coronacases_001", (4, 4, 4), False), ("radiopaedia_4_85506_1", (4, 4, 2), True)]


def test_no_cases_are_refused(dataset):
    with pytest.raises(InputError, match="no cases"):
        explore(dataset.select([]))


def test_wrong_label_is_refused(dataset):
    with pytest.raises(InputError, match=r"case coronacases_001: .*found 2, 3"):
        explore(dataset, LabelTable(("background", "lung"), ((0, 0, 0), (0, 0, 255))))


def test_text_has_a_line_per_case(dataset):
    lines = readable(explore(dataset)).splitlines()
    assert len(lines) == 3
    assert "4x4x2" in lines[2]
    assert "50.00" in lines[1]
    assert "nan" not in lines[2].lower()


def test_the_summary_as_text_has_a_line_per_fact():
    content = {"cases": 2, "mean_shape": {"x": 4.0, "y": 3.5}, "mean_frequency": {"lung": None, "infection": 0.125}}
    assert table.readable_summary(content) == "cases: 2\nmean_shape: x 4, y 3.5\nmean_frequency: infection 0.125"


def volume(array, spacing_mm=(1, 1, 1)):
    return Volume.from_source(array, np.diag([*map(float, spacing_mm), 1.0]))


def test_histogram_of_hu_counts_every_voxel_in_range():
    array = np.full((4, 4, 4), -1000, np.int16)
    array[0, 0, :2] = (-1300, 3000)  # in no bin
    array[0, 0, 2] = 45
    histogram = figures.count_intensities("a", "", volume(array))
    assert histogram.hu
    assert histogram.shares.sum() == pytest.approx(62 / 64)
    assert histogram.shares[np.searchsorted(histogram.edges, -1000)] == pytest.approx(61 / 64)
    assert histogram.shares[np.searchsorted(histogram.edges, 45) - 1] == pytest.approx(1 / 64)


def test_histogram_of_grey_values_reaches_255():
    histogram = figures.count_intensities("a", "", volume(np.arange(256).reshape(8, 8, 4).astype(np.uint8)))
    assert not histogram.hu
    np.testing.assert_allclose(histogram.shares, 4 / 256)


@pytest.mark.parametrize("value", [7.0, -3.0])
def test_histogram_of_a_constant(value):
    assert figures.count_intensities("a", "", volume(np.full((2, 2, 2), value))).shares.sum() == 1


def test_slices_spread_over_the_labelled_ones():
    array = np.zeros((2, 2, 20), np.uint8)
    array[0, 0, 5:15] = 1
    assert figures.montage_slices(volume(array), 20, 2) == [7, 12]
    assert figures.montage_slices(volume(array), 20, 99) == list(range(5, 15))
    assert figures.montage_slices(volume(np.zeros_like(array)), 20, 4) == [2, 7, 12, 17]
    assert figures.montage_slices(None, 3, 6) == [0, 1, 2]


def test_montage_shows_the_patients_right_on_the_left_and_the_front_on_top():
    array = np.full((4, 6, 1), -1000, np.int16)
    array[3, 5, 0] = 200  # rightmost and frontmost
    (axes,) = figures.montage(volume(array), None, LUNG_LABELS).axes
    picture = axes.images[0].get_array()
    assert picture.shape == (6, 4)
    assert picture[0, 0] == 200
    assert [text.get_text() for text in axes.texts] == ["R", "L"]
    assert axes.images[0].get_extent() == [0.0, 4.0, 6.0, 0.0]


def test_montage_draws_the_outline_around_the_class():
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[5:7, 1:3, 0] = 3
    figure = figures.montage(volume(np.full((8, 8, 1), -1000)), volume(mask), LUNG_LABELS)
    (outline,) = figure.axes[1].collections
    np.testing.assert_allclose(outline.get_edgecolor()[0, :3], np.array(LUNG_LABELS.colours[3]) / 255)
    points = np.concatenate([path.vertices for path in outline.get_paths()])
    assert points[:, 0].min() == pytest.approx(1.0)  # voxels 6 and 5 are the picture's columns 1 and 2
    assert points[:, 0].max() == pytest.approx(3.0)
    assert points[:, 1].min() == pytest.approx(5.0)
    assert points[:, 1].max() == pytest.approx(7.0)


def test_very_many_classes_leave_room_for_the_slices(tmp_path):
    many = LabelTable(tuple(f"class_{label}" for label in range(119)), ((9, 9, 9),) * 119)
    mask = np.arange(64).reshape(4, 4, 4).astype(np.uint8)
    figure = figures.montage(volume(np.full((4, 4, 4), -1000)), volume(mask), many)
    save_figure(figure, tmp_path / "figure.png", dpi=40)  # without room matplotlib warns, which is an error here
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["class_12", "and 106 more"]


def test_figures_are_written(dataset, tmp_path):
    cases = table.read_cases(dataset, LUNG_LABELS)
    histograms = [figures.count_intensities(case.name, case.source, image) for case, image, _ in cases]
    rows = explore(dataset)
    drawn = (
        figures.shapes_and_spacings(rows),
        figures.intensity_histograms(histograms),
        figures.class_frequencies(rows, LUNG_LABELS),
        figures.shapes_and_spacings(rows.head(1)),
    )
    assert [len(figure.axes) for figure in drawn] == [3, 2, 1, 3]
    for index, figure in enumerate(drawn):
        save_figure(figure, tmp_path / f"{index}.png", dpi=40)
        assert (tmp_path / f"{index}.png").read_bytes().startswith(b"\x89PNG")


def test_bars_are_the_mean_frequencies(dataset):
    axes = figures.class_frequencies(explore(dataset), LUNG_LABELS).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.25, 0.125, 0.125]
    assert axes.get_yscale() == "log"


def test_a_class_nobody_has_gets_no_bar():
    table = pd.DataFrame({"frequency_a": [1.0, 1.0], "frequency_b": [0.0, 0.0]})
    axes = figures.class_frequencies(table, LabelTable(("a", "b"), ((9, 9, 9), (99, 0, 0)))).axes[0]
    assert len(axes.patches) == 1
    assert "0 of 2" in axes.get_xticklabels()[1].get_text()


def test_real_case(real_data):
    dataset = open_dataset(real_data / "covid_ct_seg_8bit").select(["radiopaedia_7_85703_0"])
    row = explore(dataset).iloc[0]
    assert (row["shape_x"], row["shape_y"], row["shape_z"], row["orientation"]) == (256, 256, 27, "LAI")
    assert sum(row[name] for name in CLASSES) == pytest.approx(1)
    assert table.summary(explore(dataset))["hu_cases"] == 0


def test_pooled_line_is_the_mean_of_the_cases():
    edges = np.array([0, 1, 2])
    cases = [figures.IntensityHistogram(name, "", False, edges, np.array(shares)) for name, shares in
             (("a", [0.5, 0.5]), ("b", [1.0, 0.0]))]  # fmt: skip
    lines = figures.intensity_histograms(cases).axes[0].patches
    np.testing.assert_allclose(lines[-1].get_data().values, [75, 25])
    assert len(lines) == 3


def test_shares_of_a_picture_in_colour_are_of_its_pixels():
    picture = picture_volume(np.full((5, 4, 3), 9, np.uint8))
    mask = np.zeros((5, 4), np.uint8)
    mask[0] = 1
    case = Case("a", Path("a.png"), Path("b.png"), "a")
    labels = LabelTable(("background", "infection"), ((0, 0, 0), (255, 0, 0)))
    row = describe_case(case, picture, picture_volume(mask), labels=labels)
    assert [row[f"shape_{axis}"] for axis in "xyz"] == [4, 5, 1]
    assert (row["frequency_background"], row["frequency_infection"]) == (0.8, 0.2)


def test_values_of_masks_are_tabulated_and_counted(dataset):
    found = explore(dataset)
    assert found["mask_values"].tolist() == ["0 1 2 3", ""]
    assert summary(found)["mask_values"] == {"0 1 2 3": 1}
    assert "mask_values: (0 1 2 3) in 1" in table.readable_summary(summary(found))


def test_many_values_of_a_mask_are_their_range():
    image = volume(np.zeros((2, 2, 1)))
    row = describe_case(
        Case("a", Path("a.nii"), None, "a"), image, None, labels=LUNG_LABELS, mask_values=tuple(range(0, 255, 2))
    )
    assert row["mask_values"] == "0 ... 254 (128 values)"


def test_a_picture_has_no_millilitres():
    picture = picture_volume(np.full((5, 4), 9, np.uint8))
    row = describe_case(
        Case("a", Path("a.png"), Path("b.png"), "a"),
        picture,
        picture_volume(np.ones((5, 4), np.uint8)),
        labels=LUNG_LABELS,
    )
    assert row["frequency_lung_left"] == 1
    assert np.isnan(row["volume_lung_left_ml"])


def test_classes_that_are_not_labelled_and_voxels_that_do_not_count(dataset, tmp_path):
    folder = tmp_path / "coronacases_001"
    save(folder / "segmentation.nii.gz", np.repeat([0, 1, 2], [32, 16, 16]).astype(np.uint8).reshape(4, 4, 4))
    save(folder / "valid.nii.gz", np.repeat([0, 1], [16, 48]).astype(np.uint8).reshape(4, 4, 4))
    lines = "coronacases_001,a,lung_left lung_right\nradiopaedia_4_85506_1,b,\n"
    (tmp_path / "patients.csv").write_text(f"case,patient,labels_present\n{lines}")
    table = explore(open_dataset(tmp_path, need_masks=False))
    assert table["labels_present"].tolist() == ["lung_left lung_right", ""]
    assert table["valid_share"].tolist() == [0.75, 1]
    assert table.loc[0, CLASSES].tolist() == pytest.approx([0.5, 0.25, 0.25, np.nan], nan_ok=True)
    assert np.isnan(table.loc[0, "volume_infection_ml"])
    figures.class_frequencies(table, LUNG_LABELS)
    remarks = remarkable_cases(table)
    assert "1 of 2 cases: not all classes are labelled: coronacases_001." in remarks
    assert "1 of 2 cases: voxels that do not count: coronacases_001." in remarks
