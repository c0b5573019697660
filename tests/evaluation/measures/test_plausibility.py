"""What can be no lungs is warned of; real lungs, also cut and badly infected ones, are not."""

import numpy as np
import pytest

from pneumoseg.data_io.formats.reading import open_scan, read_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.plausibility import LIMITS, implausible
from pneumoseg.evaluation.measures.volumetry import volumetry

WHOLE = {
    "lung_left_ml": 2000.0,
    "lung_left_mean_hu": -820.0,
    "lung_right_ml": 2400.0,
    "lung_right_mean_hu": -815.0,
    "infection_ml": 300.0,
    "infection_mean_hu": -450.0,
    "lungs_ml": 4700.0,
    "lungs_mean_hu": -795.0,
    "infected_percent": 6.4,
    "lungs_touch_lowest_slice": False,
    "lungs_touch_highest_slice": False,
    "lungs_touch_sides": False,
}
CUT = WHOLE | {"lungs_touch_lowest_slice": True, "lungs_touch_highest_slice": True}
NOTHING = {"lung_left_ml": 0.0, "lung_left_mean_hu": None, "lung_right_ml": 0.0, "lung_right_mean_hu": None}
NO_INFECTION = {"infection_ml": 0.0, "infection_mean_hu": None}
SMALL = {"lung_left_ml": 130.0, "lung_right_ml": 150.0, "lungs_ml": 280.0} | NO_INFECTION


def sentences(facts, table=LUNG_LABELS, lungs=(1, 2), infection=3) -> list[str]:
    return [finding.sentence for finding in implausible(facts, table, lungs, infection=infection)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        NO_INFECTION,
        {"lung_left_mean_hu": None, "lung_right_mean_hu": None, "infection_mean_hu": None},  # not in HU
        {"lung_left_mean_hu": -920.0, "lung_right_mean_hu": -930.0},  # severe emphysema
        {"lung_left_ml": 100.0, "infection_ml": 900.0, "lung_left_mean_hu": -500.0},  # one lung nearly all infected
        {"lung_left_ml": 0.0, "lung_left_mean_hu": None, "infection_ml": 1500.0},  # all of one lung is
        {"lung_left_ml": 150.0, "lung_right_ml": 170.0, "lungs_ml": 320.0} | NO_INFECTION,  # an infant
        {"lungs_ml": 11_000.0},
        {"infection_mean_hu": -880.0},
        {"infection_mean_hu": 60.0},
    ],
)
def test_lungs_are_not_warned_of(changes):
    assert sentences(WHOLE | changes) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (SMALL, ["the volume of the lungs is 280 ml, expected at least 300; is this a CT of the chest?"]),
        ({"lungs_ml": 12_500.0}, ["the volume of the lungs is 12500 ml, expected at most 12000; are spacings"]),
        ({"lung_right_mean_hu": -96.6}, ["the mean of lung_right is -96.6 HU, expected at most -200; is this a CT"]),
        ({"lung_left_mean_hu": -985.0}, ["the mean of lung_left is -985 HU, expected at least -950; is air"]),
        (
            {"lung_left_ml": 0.0, "lung_left_mean_hu": None} | NO_INFECTION,
            ["the volume of lung_left (with all infection) against that of lung_right is 0 %, expected 25 to 100; was"],
        ),
        (
            {"lung_right_ml": 100.0, "infection_ml": 150.0},
            ["the volume of lung_right (with all infection) against that of lung_left is 12.5 %"],
        ),
        ({"infection_mean_hu": -921.0}, ["the mean of infection is -921 HU, expected at least -900; is emphysema"]),
        ({"infection_mean_hu": 260.0}, ["the mean of infection is 260 HU, expected at most 200; is bone"]),
        (NOTHING | NO_INFECTION | {"lungs_ml": 0.0}, ["no lung was found; is this a CT of the chest?"]),
        (NOTHING | {"lungs_ml": 300.0}, ["no lung was found"]),
    ],
)
def test_what_can_be_no_lungs_is_warned_of(changes, expected):
    found = sentences(WHOLE | changes)
    assert len(found) == len(expected)
    assert all(sentence.startswith(start) for sentence, start in zip(found, expected, strict=True))


@pytest.mark.parametrize("end", ["lowest_slice", "highest_slice", "sides"])
def test_lungs_that_are_cut_may_be_small(end):
    assert sentences(WHOLE | SMALL | {f"lungs_touch_{end}": True}) == []
    assert len(sentences(CUT | {"lungs_ml": 12_500.0})) == 1  # but not too large


def test_a_small_rest_of_a_lung_in_a_cut_volume_is_plausible():
    abdomen = CUT | NO_INFECTION | {"lung_left_ml": 19.0, "lung_right_ml": 1000.0, "lungs_ml": 1019.0}
    assert sentences(abdomen) == []
    assert len(sentences(abdomen | {"lung_left_ml": 0.0, "lung_left_mean_hu": None})) == 1


def test_models_of_other_organs_are_not_checked():
    assert sentences({"liver_ml": 0.0}, lungs=()) == []


def test_lungs_as_one_class_without_infection_are_checked_by_volume_and_mean():
    table = LabelTable(("background", "lungs"), ((0, 0, 0), (9, 9, 9)))
    ends = {f"lungs_touch_{end}": False for end in ("lowest_slice", "highest_slice", "sides")}
    facts = {"lungs_ml": 200.0, "lungs_mean_hu": -97.0, "lungs_and_infection_ml": 200.0} | ends
    assert [sentence.split(",")[0] for sentence in sentences(facts, table, (1,))] == [
        "the volume of the lungs is 200 ml",
        "the mean of lungs is -97 HU",
    ]


def test_measured_on_arrays_the_sentence_has_the_right_numbers():
    """A head taken for lungs: 490 ml of -97 HU, on a grid of 5 x 5 x 8 mm."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:9, 3:13, 2:19] = 1  # 7 * 10 * 17 = 1190 voxels of 0.2 ml: 238 ml
    labels[10:16, 3:17, 3:18] = 2  # 6 * 14 * 15 = 1260: 252 ml
    hu = np.where(labels > 0, -97, 40).astype(np.int16)
    affine = np.diag([5.0, 5.0, 8.0, 1.0])
    scan = Scan.from_volume(Volume.from_source(hu, affine))
    facts = volumetry(scan, Volume.from_source(labels, affine), LUNG_LABELS, lungs=(1, 2), infection=3)
    assert facts["lungs_ml"] == 490
    assert sentences(facts) == [
        f"the mean of {name} is -97 HU, expected at most -200; is this a CT of the chest?"
        for name in ("lung_left", "lung_right")
    ]


def test_each_limit_says_where_it_is_from():
    for limit in LIMITS:
        assert limit.lowest < limit.highest
        assert any(year in limit.source for year in ("1918", "1996", "2001", "2021"))
        assert limit.message.endswith("?")


@pytest.mark.parametrize("folder", ["covid_ct_hu", "covid_ct_seg_8bit"])
def test_real_lungs_as_experts_drew_them_are_plausible(real_data, folder):
    cases = sorted((real_data / folder).glob("*/segmentation.nii.gz"))
    assert len(cases) >= 10
    for mask in cases:
        scan = open_scan(mask.with_name("imaging.nii.gz"))
        facts = volumetry(
            scan, read_labels(mask, 4), LUNG_LABELS, lungs=(1, 2), infection=3, in_hu=folder == "covid_ct_hu"
        )
        assert sentences(facts) == [], mask


def test_what_can_be_no_lungs_is_grave_and_what_is_odd_in_lungs_is_not():
    found = {
        finding.sentence.split(" is ")[0]: finding.grave
        for change in ({"lungs_ml": 200.0}, {"lung_left_mean_hu": -100.0}, {"lung_left_ml": 5.0, "infection_ml": 0.0})
        for finding in implausible(WHOLE | change, LUNG_LABELS, (1, 2), infection=3)
    }
    assert list(found.values()) == [True, True, False]
