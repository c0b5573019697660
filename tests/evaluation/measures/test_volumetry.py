import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.volumetry import volumetry

LABELS = np.zeros((4, 4, 4), np.uint8)
LABELS[0], LABELS[1], LABELS[2, 0] = 1, 2, 3  # 16, 16 and 4 voxels
HU = np.choose(LABELS, [40, -850, -800, -300]).astype(np.int16)


def facts(labels, hu, affine=None, **arguments):
    affine = np.diag([2.0, 2.0, 5.0, 1.0]) if affine is None else affine
    ct, mask = Volume.from_source(hu, affine), Volume.from_source(labels, affine)
    scan = Scan(ct.stored_grid, lambda: iter([hu[:, :, :1], hu[:, :, 1:]]))
    return volumetry(scan, mask, LUNG_LABELS, lungs=(1, 2), infection=3, **arguments)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_volumes_share_and_mean_hu(flips):
    assert facts(LABELS, HU, np.diag([*np.multiply(flips, (2.0, 2.0, 5.0)), 1.0])) == {
        "lung_left_ml": 0.32,
        "lung_left_mean_hu": -850,
        "lung_right_ml": 0.32,
        "lung_right_mean_hu": -800,
        "infection_ml": 0.08,
        "infection_mean_hu": -300,
        "lungs_ml": 0.72,
        "lungs_mean_hu": pytest.approx((16 * -850 + 16 * -800 + 4 * -300) / 36, abs=0.05),
        "infected_percent": pytest.approx(100 * 4 / 36, abs=0.01),
        "lungs_touch_lowest_slice": True,
        "lungs_touch_highest_slice": True,
        "lungs_touch_sides": True,
    }


def test_permuted_axes_change_nothing():
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt("SPL"), (4, 4, 4))
    assert facts(LABELS, HU, affine)["infection_mean_hu"] == -300


def test_classes_that_are_no_lungs_have_volumes_alone():
    scan = Scan.from_volume(Volume.from_source(HU, np.eye(4)))
    found = volumetry(scan, Volume.from_source(LABELS, np.eye(4)), LUNG_LABELS, lungs=(), infection=3)
    assert list(found) == [f"{name}_{fact}" for name in LUNG_LABELS.names[1:] for fact in ("ml", "mean_hu")]


def test_infection_without_lungs_has_no_share_of_them():
    alone = facts(np.where(LABELS == 3, LABELS, 0), HU)
    assert (alone["infection_ml"], alone["lungs_ml"]) == (0.08, 0.08)
    assert alone["lungs_mean_hu"] == -300
    assert alone["infected_percent"] is None


def test_nothing_there_and_no_hu():
    empty = facts(np.zeros_like(LABELS), HU)
    assert empty["lungs_ml"] == 0
    assert empty["infected_percent"] is None
    assert empty["lung_left_mean_hu"] is None
    assert empty["lungs_mean_hu"] is None
    grey = facts(LABELS, HU, in_hu=False)
    assert grey["lung_left_mean_hu"] is grey["lungs_mean_hu"] is None
    assert grey["lung_left_ml"] == 0.32


@pytest.mark.parametrize(
    ("place", "touched"),
    [
        ((2, 2, 2), set()),
        ((2, 2, 0), {"lowest_slice"}),
        ((2, 2, 4), {"highest_slice"}),
        ((0, 2, 2), {"sides"}),
        ((4, 2, 2), {"sides"}),
        ((2, 0, 2), {"sides"}),
        ((2, 4, 4), {"sides", "highest_slice"}),
    ],
)
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SPL", "LIA"])
@pytest.mark.parametrize("label", [2, 3])
def test_the_ends_of_the_scan_that_the_lungs_touch(place, touched, axes, label):
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[2, 2, 2], labels[place] = 1, label
    turn = nib.orientations.ornt_transform(*map(nib.orientations.axcodes2ornt, ("RAS", axes)))
    stored = nib.Nifti1Image(labels, np.eye(4)).as_reoriented(turn)
    mask = Volume.from_source(np.asarray(stored.dataobj), stored.affine)
    found = volumetry(
        Scan.from_volume(mask.with_array(mask.array.astype(np.int16))), mask, LUNG_LABELS, lungs=(1, 2), infection=3
    )
    ends = ("lowest_slice", "highest_slice", "sides")
    assert {end for end in ends if found[f"lungs_touch_{end}"]} == touched


def test_a_class_called_lungs_keeps_its_own_volume():
    table = LabelTable(("background", "lungs", "infection"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2, :2, 1] = 1
    labels[2, 2, 1] = 2
    mask = Volume.from_source(labels, np.diag([10.0, 10.0, 10.0, 1.0]))  # a millilitre a voxel
    ct = mask.with_array(np.where(labels == 1, -800, -300).astype(np.int16))
    facts = volumetry(Scan.from_volume(ct), mask, table, lungs=(1,), infection=2)
    assert (facts["lungs_ml"], facts["lungs_mean_hu"], facts["infection_ml"]) == (4.0, -800.0, 1.0)
    assert (facts["lungs_and_infection_ml"], facts["lungs_and_infection_mean_hu"]) == (5.0, -700.0)
