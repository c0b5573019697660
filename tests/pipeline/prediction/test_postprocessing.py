"""Tidying of segmentations, on arrays that can be checked by eye."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pneumoseg.pipeline.prediction.postprocessing import (
    fill_lung_holes,
    keep_largest_component,
    postprocess,
    remove_outside,
    remove_small,
)
from pneumoseg.pipeline.settings.schema import PostprocessingSettings

LEFT, RIGHT, INFECTION = 1, 2, 3
LUNGS = (LEFT, RIGHT)


def plane(*rows):
    """A volume of one slice, (row, column, 1), from rows of digits."""
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)[..., None]


def assert_planes_equal(found, *rows):
    np.testing.assert_array_equal(found[..., 0], plane(*rows)[..., 0])


# Each step as a function of the labels alone.
STEPS = {
    "largest": lambda labels: keep_largest_component(labels, LUNGS, (INFECTION,)),
    "small": lambda labels: remove_small(labels, INFECTION, 2.5, voxel_volume_ml=1.0, replacements=LUNGS),
    "outside": lambda labels: remove_outside(labels, INFECTION, LUNGS),
    "holes": lambda labels: fill_lung_holes(labels, LUNGS, INFECTION),
    "all": lambda labels: postprocess(
        labels,
        1.0,
        PostprocessingSettings(
            smallest_infection_ml=2.5, largest_component=True, infection_in_lungs_only=True, fill_holes=True
        ),
    ),
}
A_STEP = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
VOLUMES = hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.sampled_from([0, 0, 0, 1, 1, 2, 3]))


def test_islands_of_each_lung_become_background():
    labels = plane("11000", "11002", "00022", "10020", "00000")
    assert_planes_equal(keep_largest_component(labels, LUNGS), "11000", "11002", "00022", "00020", "00000")
    assert_planes_equal(keep_largest_component(labels, [RIGHT]), "11000", "11002", "00022", "10020", "00000")


def test_a_corner_connects():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = LEFT
    labels[3, 3, 3] = LEFT
    kept = keep_largest_component(labels, [LEFT])
    assert (kept[0, 0, 0], kept[1, 1, 1], kept[3, 3, 3]) == (LEFT, LEFT, 0)


def test_infection_holds_a_lung_together_and_stays():
    labels = plane("111310001", "000300000", "000000000", "003333333")
    assert_planes_equal(
        keep_largest_component(labels, LUNGS, (INFECTION,)), "111310000", "000300000", "000000000", "003333333"
    )
    assert_planes_equal(keep_largest_component(labels, LUNGS), "111300000", "000300000", "000000000", "003333333")


def test_infection_does_not_make_a_piece_of_lung_larger():
    labels = plane("110001333", "110001333")
    assert_planes_equal(keep_largest_component(labels, LUNGS, (INFECTION,)), "110000333", "110000333")


def test_equally_large_components_all_stay():
    assert_planes_equal(keep_largest_component(plane("110110100"), [LEFT]), "110110000")


def test_small_infection_becomes_the_lung_around_it():
    labels = plane("111222", "131232", "111222", "000000", "300333", "000000")
    assert_planes_equal(
        remove_small(labels, INFECTION, 3.0, voxel_volume_ml=1.0, replacements=LUNGS),
        "111222",
        "111222",
        "111222",
        "000000",
        "000333",
        "000000",
    )


def test_small_means_less_than_the_threshold_in_ml():
    labels = plane("03300")
    assert_planes_equal(remove_small(labels, INFECTION, 0.5, voxel_volume_ml=0.25, replacements=LUNGS), "03300")
    assert_planes_equal(remove_small(labels, INFECTION, 0.5, voxel_volume_ml=0.24, replacements=LUNGS), "00000")
    assert_planes_equal(remove_small(labels, INFECTION, 0.0, voxel_volume_ml=0.24, replacements=LUNGS), "03300")


def test_between_two_lungs_the_more_frequent_neighbour_wins():
    assert_planes_equal(
        remove_small(plane("112", "132", "122"), INFECTION, 1.5, voxel_volume_ml=1.0, replacements=LUNGS),
        "112",
        "112",
        "122",
    )
    assert_planes_equal(
        remove_small(plane("122", "132", "122"), INFECTION, 1.5, voxel_volume_ml=1.0, replacements=LUNGS),
        "122",
        "122",
        "122",
    )
    assert_planes_equal(remove_small(plane("132"), INFECTION, 1.5, voxel_volume_ml=1.0, replacements=LUNGS), "112")
    assert_planes_equal(
        remove_small(plane("132"), INFECTION, 1.5, voxel_volume_ml=1.0, replacements=(RIGHT, LEFT)), "122"
    )


def test_infection_that_touches_no_lung_goes():
    labels = plane("1100033", "1330003", "1300300", "1100000")
    assert_planes_equal(remove_outside(labels, INFECTION, LUNGS), "1100000", "1330000", "1300000", "1100000")


def test_a_corner_touches():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1], labels[2, 2, 2], labels[3, 3, 3] = LEFT, INFECTION, INFECTION
    np.testing.assert_array_equal(remove_outside(labels, INFECTION, LUNGS), labels)
    labels[2, 2, 2] = 0
    assert remove_outside(labels, INFECTION, LUNGS)[3, 3, 3] == 0


def box(label, size=5):
    """A hollow cube of `label` in a volume one voxel wider: its inside is background."""
    labels = np.zeros((size + 2,) * 3, np.uint8)
    labels[1:-1, 1:-1, 1:-1] = label
    labels[2:-2, 2:-2, 2:-2] = 0
    return labels


@pytest.mark.parametrize("label", [LEFT, RIGHT, INFECTION])
def test_a_hole_becomes_what_encloses_it(label):
    filled = fill_lung_holes(box(label), LUNGS, INFECTION)
    assert (filled[1:-1, 1:-1, 1:-1] == label).all()
    assert filled.sum() == 125 * label


def test_a_hole_between_lung_and_infection_becomes_lung():
    labels = box(INFECTION)
    labels[1] = np.where(labels[1] > 0, RIGHT, 0)
    filled = fill_lung_holes(labels, LUNGS, INFECTION)
    assert (filled[2:-2, 2:-2, 2:-2] == RIGHT).all()
    np.testing.assert_array_equal(filled[labels > 0], labels[labels > 0])


def test_a_hole_that_leaks_through_a_face_or_reaches_the_edge_stays():
    leaking = box(LEFT)
    leaking[3, 3, 1] = 0
    np.testing.assert_array_equal(fill_lung_holes(leaking, LUNGS, INFECTION), leaking)
    cut = box(LEFT)[3:]
    np.testing.assert_array_equal(fill_lung_holes(cut, LUNGS, INFECTION), cut)


def test_other_classes_in_a_hole_are_not_changed():
    labels = box(LEFT)
    labels[3, 3, 3] = 7
    filled = fill_lung_holes(labels, LUNGS, INFECTION)
    assert filled[3, 3, 3] == 7
    assert filled[2, 3, 3] == LEFT


def test_nothing_happens_unless_switched_on():
    labels = plane("11003", "00001")
    assert postprocess(labels, 1.0, PostprocessingSettings()) is labels


def test_a_piece_of_the_other_lung_becomes_the_lung_around_it():
    labels = np.pad(np.full((5, 5, 5), RIGHT, np.uint8), 1)
    labels[3, 3, 3] = LEFT
    labels = np.concatenate([labels, np.where(labels > 0, LEFT, 0).astype(np.uint8)])
    tidied = postprocess(labels, 1.0, PostprocessingSettings(largest_component=True, fill_holes=True))
    assert (tidied[1:6, 1:6, 1:6] == RIGHT).all()
    assert (tidied[8:13, 1:6, 1:6] == LEFT).all()


def test_infection_beside_a_stray_piece_of_lung_goes_with_it():
    labels = plane("1110013", "1110003")
    tidied = postprocess(labels, 1.0, PostprocessingSettings(largest_component=True, infection_in_lungs_only=True))
    assert_planes_equal(tidied, "1110000", "1110000")


def test_class_numbers_are_free():
    steps = PostprocessingSettings(largest_component=True, infection_in_lungs_only=True, lungs=(5,), infection=9)
    tidied = postprocess(plane("550509", "550000"), 1.0, steps)
    assert_planes_equal(tidied, "550000", "550000")


def test_components_one_voxel_thick_are_told_apart():
    # Some of these shapes make cc3d 4.1 raise on a bool array.
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 3), (1, 6, 1), (6, 1, 1), (3, 6, 1), (3, 1, 5)):
        for _ in range(40):
            labels = rng.integers(0, 2, shape, np.uint8)
            components, count = ndimage.label(labels, np.ones((3, 3, 3)))
            sizes = np.bincount(components.ravel(), minlength=count + 1)
            expected = np.where((labels == LEFT) & (sizes[components] == sizes[1:].max(initial=0)), LEFT, 0)
            np.testing.assert_array_equal(keep_largest_component(labels, [LEFT]), expected)


@A_STEP
@pytest.mark.parametrize("value", [0, LEFT, INFECTION, 7])
def test_volumes_of_one_class(step, value):
    labels = np.full((4, 3, 2), value, np.uint8)
    kept = value != INFECTION or step not in (STEPS["outside"], STEPS["all"])
    np.testing.assert_array_equal(step(labels), labels if kept else 0)


@A_STEP
@settings(max_examples=40, deadline=None)
@given(labels=VOLUMES)
def test_mirrored_input_gives_mirrored_output(step, labels):
    tidied = step(labels)
    for axis in range(3):
        np.testing.assert_array_equal(step(np.flip(labels, axis)), np.flip(tidied, axis))
    np.testing.assert_array_equal(step(labels.T), tidied.T)


@pytest.mark.parametrize("name", ["largest", "small", "outside", "holes"])
@settings(max_examples=40, deadline=None)
@given(labels=VOLUMES)
def test_a_step_done_twice_changes_no_more(name, labels):
    tidied = STEPS[name](labels)
    np.testing.assert_array_equal(STEPS[name](tidied), tidied)


@A_STEP
@settings(max_examples=40, deadline=None)
@given(labels=VOLUMES)
def test_input_is_left_alone_and_the_result_is_new(step, labels):
    before = labels.copy()
    tidied = step(labels)
    np.testing.assert_array_equal(labels, before)
    assert not np.shares_memory(tidied, labels)
    assert (tidied.dtype, tidied.shape) == (np.uint8, labels.shape)
    # Lungs and infection are never invented where neither was, but for holes.
    if step not in (STEPS["holes"], STEPS["all"]):
        assert not tidied[before == 0].any()


@A_STEP
def test_the_layout_in_memory_does_not_matter(step):
    labels = np.random.default_rng(0).choice([0, 0, 0, 1, 2, 3], (6, 7, 8)).astype(np.uint8)
    expected = step(labels)
    wide = np.zeros((8, 12, 14), np.uint8)
    wide[6:0:-1, 2:9, :8] = labels
    for layout in (
        np.asfortranarray(labels),
        wide[6:0:-1, 2:9, :8],
        labels.transpose(1, 0, 2).copy().transpose(1, 0, 2),
    ):
        np.testing.assert_array_equal(step(layout), expected)


def test_background_in_a_corner_is_not_enclosed():
    # fill_voids 2.1 takes the voxel in the corner for enclosed unless there is room around it.
    labels = np.array([[[0, 1, 0, 1], [0, 0, 1, 1]], [[0, 0, 1, 1], [1, 1, 1, 0]]], np.uint8)
    np.testing.assert_array_equal(fill_lung_holes(labels, LUNGS, INFECTION), labels)
