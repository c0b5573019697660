"""Severity of small masks that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.severity import severity_figure
from pneumoseg.evaluation.measures.lung_sides import split_lungs
from pneumoseg.evaluation.measures.opacity import OpacityLimits
from pneumoseg.evaluation.measures.severity import DEFINITIONS, category, extent_score, severity

SPACING_10_MM = np.diag([10.0, 10.0, 10.0, 1.0])  # one voxel is one ml


def volume(array, affine=SPACING_10_MM) -> Volume:
    return Volume.from_source(np.asarray(array), affine)


def chest() -> np.ndarray:
    """Two lungs of 2 x 2 x 6 voxels, left (1) at low x, right (2) at high x, apart by three voxels; no infection."""
    labels = np.zeros((7, 4, 8), np.uint8)
    labels[0:2, 1:3, 1:7] = 1
    labels[5:7, 1:3, 1:7] = 2
    return labels


def infected_chest() -> np.ndarray:
    """`chest` with 4 of 24 voxels infected left, in the lowest third, and 6 of 24 right, in the highest."""
    labels = chest()
    labels[0, 1:3, 1:3] = 3
    labels[5:7, 1:3, 6] = 3
    labels[5, 1:3, 5] = 3
    return labels


def five_lobes() -> np.ndarray:
    lobes = np.zeros((7, 4, 8), np.uint8)
    lobes[0:2, :, :4], lobes[0:2, :, 4:] = 2, 1
    lobes[5:7, :, :3], lobes[5:7, :, 3:5], lobes[5:7, :, 5:] = 5, 4, 3
    return lobes


def random_mask(seed: int, shape=(8, 5, 6)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)


def test_every_column_is_as_counted_by_hand():
    labels = infected_chest()
    ct = np.full(labels.shape, -900, np.int16)
    ct[labels == 3] = -500
    ct[0, 1, 1] = 100  # one of the ten infected voxels
    row = severity(volume(labels), volume(ct), LUNG_LABELS, lobes=volume(five_lobes()))
    assert row == pytest.approx(
        {
            "lung_left_ml": 24.0,
            "lung_right_ml": 24.0,
            "infection_left_ml": 4.0,
            "infection_right_ml": 6.0,
            "lungs_ml": 48.0,
            "infection_ml": 10.0,
            "infected_percent_left": 100 * 4 / 24,
            "infected_percent_right": 25.0,
            "infected_percent": 100 * 10 / 48,
            "infection_mean_hu": -440.0,
            "high_opacity_percent": 10.0,
            "category": "Mild",
            "ctsi_percent_over_4": 100 * 10 / 48 / 4,
            # left thirds: 4 of 8 (50 %) is 4; right: 6 of 8 (75 %) is 4
            "ctsi_thirds": 8 * 25 / 30,
            # left lower 4 of 32 (12.5 %) is 2; right upper 6 of 24 (25 %) is 2
            "ctsi": 4.0,
            # nine of the ten voxels are ground glass, the one of 100 HU is neither
            "ground_glass_left_ml": 3.0,
            "ground_glass_percent_left": 100 * 3 / 24,
            "ground_glass_right_ml": 6.0,
            "ground_glass_percent_right": 25.0,
            "ground_glass_ml": 9.0,
            "ground_glass_percent": 100 * 9 / 48,
            **dict.fromkeys((f"consolidation_{name}" for name in ("left_ml", "right_ml", "ml")), 0.0),
            **dict.fromkeys((f"consolidation_percent{side}" for side in ("", "_left", "_right")), 0.0),
            "remarks": "",
        }
    )


def test_other_limits_of_opacity_are_told_in_the_row():
    labels = infected_chest()
    ct = np.where(labels == 3, -300, -900)
    narrow = OpacityLimits((-700, -250), (-250, 50))
    row = severity(volume(labels), volume(ct), LUNG_LABELS, limits=narrow)
    assert (row["ground_glass_ml"], row["consolidation_ml"]) == pytest.approx((10.0, 0.0))
    assert row["remarks"] == "ground glass -700 to -250 HU, consolidation -250 to 50 HU"
    row = severity(volume(labels), volume(ct), LUNG_LABELS)
    assert (row["ground_glass_ml"], row["consolidation_ml"]) == pytest.approx((0.0, 10.0))


def test_definitions_are_those_of_the_columns_in_their_order():
    assert ["case", *severity(volume(chest()), None, LUNG_LABELS)] == list(DEFINITIONS)
    assert "no true ctsi" in DEFINITIONS["ctsi_thirds"].lower()


def test_healthy_lungs_score_nothing():
    row = severity(volume(chest()), volume(np.full((7, 4, 8), -900.0)), LUNG_LABELS, lobes=volume(five_lobes()))
    assert (row["infection_ml"], row["infected_percent"], row["category"]) == (0, 0, "Low")
    assert (row["ctsi_percent_over_4"], row["ctsi_thirds"], row["ctsi"]) == (0, 0, 0)
    assert row["infection_mean_hu"] is None
    assert row["high_opacity_percent"] is None


@pytest.mark.parametrize(
    ("percent", "score"),
    [(0, 0), (0.01, 1), (4.99, 1), (5, 2), (25, 2), (25.01, 3), (49.99, 3), (50, 4), (75, 4), (75.01, 5), (100, 5)],
)
def test_edges_of_the_extent_score(percent, score):
    assert extent_score(percent) == score


@pytest.mark.parametrize(
    ("percent", "name"),
    [(0, "Low"), (19.99, "Low"), (20, "Mild"), (39.9, "Mild"), (40, "Moderate"), (59.9, "Moderate"), (60, "Severe"),
     (79.9, "Severe"), (80, "Critical"), (100, "Critical")],
)  # fmt: skip
def test_edges_of_the_categories(percent, name):
    assert category(percent) == name


def test_infection_belongs_to_the_nearer_lung_in_mm():
    # In voxels the infection at (1, 1) is 2 from the left and 1 from the right lung; in mm it is 2 and 3.
    labels = np.zeros((4, 3, 1), np.uint8)
    labels[3, 1], labels[1, 2], labels[1, 1] = 1, 2, 3
    left, right = split_lungs(labels, (1.0, 3.0, 1.0), (1, 2), infection=3)
    assert (left.infected.sum(), right.infected.sum()) == (1, 0)
    left, right = split_lungs(labels, (1.0, 1.0, 1.0), (1, 2), infection=3)
    assert (left.infected.sum(), right.infected.sum()) == (0, 1)


def test_a_voxel_between_the_lungs_counts_half_for_each():
    labels = np.array([1, 1, 0, 3, 0, 2, 2], np.uint8).reshape(7, 1, 1)
    row = severity(volume(labels), None, LUNG_LABELS)
    found = (row["infection_left_ml"], row["infection_right_ml"], row["lung_left_ml"])
    assert found == pytest.approx((0.5, 0.5, 2.5))


def test_without_one_lung_all_infection_is_the_others_and_the_row_says_so():
    labels = infected_chest()
    labels[labels == 1] = 0
    row = severity(volume(labels), None, LUNG_LABELS)
    assert (row["lung_left_ml"], row["infection_left_ml"], row["infected_percent_left"]) == (0, 0, None)
    assert (row["infection_right_ml"], row["infection_ml"]) == pytest.approx((10, 10))
    assert row["ctsi_thirds"] is None
    assert row["remarks"] == "no left lung in the mask: all infection counts as right"


@pytest.mark.parametrize("labels", [np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 3, np.uint8)])
def test_without_lungs_the_scores_are_empty(labels):
    ct = np.full((3, 3, 3), -700)
    ct[0, 0, 0] = 20  # one voxel of 27
    row = severity(volume(labels), volume(ct), LUNG_LABELS, lobes=volume(labels))
    assert row.pop("infection_ml") == pytest.approx(np.count_nonzero(labels))
    assert row.pop("remarks") == "no lung in the mask: no scores"
    assert row.pop("infection_mean_hu") == (pytest.approx(-700 + 720 / 27) if labels.any() else None)
    assert row.pop("high_opacity_percent") == (pytest.approx(100 / 27) if labels.any() else None)
    assert set(row.values()) == {None}
    with pytest.raises(ValueError, match="found none"):
        split_lungs(labels, (1, 1, 1), (1, 2), infection=3)


def test_values_that_are_not_hu_give_no_hu_facts():
    row = severity(volume(infected_chest()), volume(np.full((7, 4, 8), 30, np.uint8)), LUNG_LABELS)
    assert row["infection_mean_hu"] is None
    assert row["remarks"] == "the CT is not in HU (values 30..30): no HU facts"


def test_a_flat_lung_has_no_thirds():
    row = severity(volume(infected_chest()[:, :, :3]), None, LUNG_LABELS)
    assert row["infected_percent"] is not None
    assert row["ctsi_thirds"] is None
    assert row["remarks"] == "a third of a lung's height holds no lung: no ctsi_thirds"


def test_slices_belong_to_the_third_of_their_centre():
    labels = np.zeros((2, 1, 9), np.uint8)
    labels[0, 0, 1:9], labels[1, 0, 1:9] = 1, 2  # eight slices: three, two and three
    labels[0, 0, [1, 2, 4]] = 3
    left, _ = split_lungs(labels, (10.0, 1.0, 1.0), (1, 2), infection=3)
    assert left.thirds() == pytest.approx((200 / 3, 50.0, 0.0))


def test_without_a_lobe_there_is_no_ctsi():
    lobes = five_lobes()
    lobes[lobes == 4] = 3
    row = severity(volume(infected_chest()), None, LUNG_LABELS, lobes=volume(lobes))
    assert row["ctsi"] is None
    assert row["remarks"] == "the lobe mask has no voxel of lobe 4: no ctsi"


def test_lobes_that_leave_out_the_infection_are_not_believed():
    lobes = five_lobes()
    lobes[infected_chest() == 3] = 0
    row = severity(volume(infected_chest()), None, LUNG_LABELS, lobes=volume(lobes))
    assert row["ctsi"] is None
    assert row["remarks"] == "100.0 % of the infection lies outside the lobes: no ctsi"


def test_the_same_place_in_another_storage_order_is_the_same():
    labels, ct = infected_chest(), np.random.default_rng(0).integers(-1000, 200, (7, 4, 8))
    flipped = np.diag([-10.0, 10.0, 10.0, 1.0])
    flipped[0, 3] = 60.0
    turned = severity(volume(labels), volume(ct[::-1], flipped), LUNG_LABELS)
    assert turned == severity(volume(labels), volume(ct), LUNG_LABELS)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_mirrored_patient_has_left_and_right_swapped(seed):
    labels = random_mask(seed)
    mirrored = np.array(LUNG_LABELS.mirrored(), np.uint8)[labels[::-1]]
    row, other = (severity(volume(array), None, LUNG_LABELS) for array in (labels, mirrored))
    for name, value in row.items():
        swapped = name.replace("left", "R").replace("right", "left").replace("R", "right")
        assert other[swapped] == value, name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 3.0))
def test_scaled_spacing_scales_volumes_by_the_cube_and_no_percent(seed, factor):
    labels = random_mask(seed)
    scaled = np.diag([10 * factor] * 3 + [1.0])
    ct = np.random.default_rng(seed).integers(-1000, 200, labels.shape)
    row, other = (
        severity(volume(labels, affine), volume(ct, affine), LUNG_LABELS) for affine in (SPACING_10_MM, scaled)
    )
    for name, value in row.items():
        assert other[name] == (pytest.approx(value * factor**3) if name.endswith("_ml") else value), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_sides_make_the_whole(seed):
    row = severity(volume(random_mask(seed)), None, LUNG_LABELS)
    assert row["lung_left_ml"] + row["lung_right_ml"] == pytest.approx(row["lungs_ml"])
    assert row["infection_left_ml"] + row["infection_right_ml"] == pytest.approx(row["infection_ml"])
    weighted = sum(row[f"infected_percent_{side}"] * row[f"lung_{side}_ml"] for side in ("left", "right"))
    assert weighted / row["lungs_ml"] == pytest.approx(row["infected_percent"])


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"mask and CT must have one shape, found \(7, 4, 8\) and \(2, 2, 2\)"):
        severity(volume(chest()), volume(np.zeros((2, 2, 2))), LUNG_LABELS)


def test_another_place_is_refused():
    moved = SPACING_10_MM.copy()
    moved[0, 3] = 5.0
    with pytest.raises(InputError, match="mask and lobe mask must lie in the same place"):
        severity(volume(chest()), None, LUNG_LABELS, lobes=volume(five_lobes(), moved))


@pytest.mark.parametrize("label", [6, 200])
def test_lobes_beyond_five_are_refused(label):
    lobes = five_lobes()
    lobes[3, 3, 3] = label
    with pytest.raises(InputError, match=rf"labels of a lobe mask must be 0\.\.5, found {label}"):
        severity(volume(chest()), None, LUNG_LABELS, lobes=volume(lobes))


def test_labels_beyond_the_table_are_refused():
    with pytest.raises(InputError, match=r"labels of a mask must be 0\.\.3, found 7"):
        severity(volume(np.full((2, 2, 2), 7)), None, LUNG_LABELS)


@pytest.mark.parametrize(("lungs", "infection"), [((1, 1), 3), ((1, 2), 2), ((0, 2), 3), ((1, 2), 4)])
def test_lungs_and_infection_are_three_classes(lungs, infection):
    with pytest.raises(InputError, match=r"three different classes in 1\.\.3"):
        severity(volume(chest()), None, LUNG_LABELS, lungs=lungs, infection=infection)


def table() -> pd.DataFrame:
    masks = {"mild": infected_chest(), "healthy": chest(), "empty": np.zeros((7, 4, 8), np.uint8)}
    one_lung = infected_chest()
    one_lung[one_lung == 1] = 0
    masks["one"] = one_lung
    return pd.DataFrame([{"case": name, **severity(volume(mask), None, LUNG_LABELS)} for name, mask in masks.items()])


def test_figure_sorts_cases_and_ends_with_the_band_of_the_largest_percent():
    figure = severity_figure(table())
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "mild", "healthy", "empty"]
    assert axes.get_xlim() == (0, 40)  # the largest: 10 of 28 in the one lung
    left, right = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert left == pytest.approx([0, 100 * 4 / 24, 0, 0])
    assert right == pytest.approx([100 * 10 / 28, 25, 0, 0])
    written = {text.get_text() for text in axes.texts}
    assert written == {"Low", "Mild", "no lung in the mask", "no left lung"}


def test_figure_of_cases_without_lungs_alone():
    (axes,) = severity_figure(table().query("case == 'empty'")).axes
    assert axes.get_xlim() == (0, 40)


def test_figure_of_nothing_is_refused():
    with pytest.raises(InputError, match="found none"):
        severity_figure(table().iloc[:0])


def test_figure_without_its_columns_is_refused():
    with pytest.raises(InputError, match="missing: infected_percent_left"):
        severity_figure(table().drop(columns="infected_percent_left"))


@pytest.mark.parametrize("name", ["coronacases_003", "radiopaedia_40_86625_0"])
def test_real_masks_add_up(real_data, name):
    folder = real_data / "covid_ct_seg_8bit"
    if not folder.is_dir():
        pytest.skip("no folder covid_ct_seg_8bit among the real data")
    mask = open_dataset(folder).case(name).read_mask(len(LUNG_LABELS))
    row = severity(mask, None, LUNG_LABELS)
    counts = np.bincount(mask.array.ravel(), minlength=4)
    voxel_ml = np.prod(mask.spacing_mm) / 1000
    assert row["infection_left_ml"] + row["infection_right_ml"] == pytest.approx(counts[3] * voxel_ml)
    assert row["lung_left_ml"] - row["infection_left_ml"] == pytest.approx(counts[1] * voxel_ml)
    assert row["lung_right_ml"] - row["infection_right_ml"] == pytest.approx(counts[2] * voxel_ml)
    assert row["infected_percent"] == pytest.approx(100 * counts[3] / counts[1:].sum())
    assert row["remarks"] == ""
