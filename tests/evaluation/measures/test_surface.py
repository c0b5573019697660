"""Surface distances against arrays made by hand, analytic shapes, brute force and the reference software's numbers."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.surface import (
    SurfaceDistances,
    average_distance_mm,
    element_areas_mm2,
    hausdorff_95_mm,
    hausdorff_mm,
    surface_dice,
    surface_distances,
)

CUBIC = (1.0, 1.0, 1.0)
SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(*[hnp.arrays(bool, shape)] * 2))
MANY_SLICES = (20, 20, 20)
"""Of the volume that a pair, perhaps of one slice, lies in: by itself that would be measured in its plane."""

SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 2.5])] * 3)


def mask(shape: tuple[int, ...], *voxels) -> np.ndarray:
    """False but for `voxels`: indices or slices."""
    array = np.zeros(shape, bool)
    for voxel in voxels:
        array[voxel] = True
    return array


def all_scores(surfaces: SurfaceDistances) -> tuple[float, ...]:
    return (
        hausdorff_95_mm(surfaces),
        hausdorff_mm(surfaces),
        average_distance_mm(surfaces),
        surface_dice(surfaces, 1.0),
        surface_dice(surfaces, 3.0),
    )


def flat(one: int, two: int) -> SurfaceDistances:
    """Ten elements of equal area on each side; `one` and `two` of them are 4 mm away, the others 1 mm."""
    first, second = np.ones(10), np.ones(10)
    first[:one] = second[:two] = 4.0
    return SurfaceDistances(first, np.full(10, 0.3), second, np.full(10, 0.3))


def test_the_elements_of_one_voxel_are_an_octahedron():
    voxel = mask((3, 3, 3), (1, 1, 1))
    surfaces = surface_distances(voxel, voxel, CUBIC)
    np.testing.assert_allclose(surfaces.reference_areas_mm2, np.full(8, math.sqrt(3) / 8))
    assert all_scores(surfaces) == (0, 0, 0, 1, 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_voxels_3_mm_apart(axis):
    """The near sides, half of each surface, are 2 mm away, the far sides 3 mm."""
    here, there = [1, 1, 1], [1, 1, 1]
    there[axis] = 4
    surfaces = surface_distances(mask((6, 6, 6), tuple(here)), mask((6, 6, 6), tuple(there)), CUBIC)
    assert sorted(surfaces.reference_mm.tolist()) == sorted(surfaces.prediction_mm.tolist()) == [2.0] * 4 + [3.0] * 4
    assert hausdorff_mm(surfaces) == hausdorff_95_mm(surfaces) == 3
    assert average_distance_mm(surfaces) == pytest.approx(2.5)
    assert [surface_dice(surfaces, tolerance) for tolerance in (1, 2, 3)] == pytest.approx([0, 0.5, 1])


def test_planes_have_the_area_of_the_voxels_faces():
    areas = element_areas_mm2((2.0, 3.0, 5.0))
    # inside: the voxels with x = 0, with y = 0, with z = 0
    assert areas[[0b01010101, 0b00110011, 0b00001111]] == pytest.approx([15, 10, 6])
    assert areas[[0, 255]].tolist() == [0, 0]
    assert (areas[1:255] > 0).all()


def test_an_edge_is_cut_at_an_angle():
    """Inside: a row of two voxels along z. A rectangle: its length, 5 mm, times the diagonal of two half voxels."""
    assert element_areas_mm2((2.0, 3.0, 5.0))[0b00010001] == pytest.approx(5 * math.hypot(1.0, 1.5))


def test_the_areas_know_no_inside_and_no_direction():
    spacing = (0.7, 1.3, 2.9)
    areas = element_areas_mm2(spacing)
    np.testing.assert_allclose(areas, areas[::-1])  # inside and outside exchanged
    corners = list(product((0, 1), repeat=3))
    for order, flips in product(permutations(range(3)), product((0, 1), repeat=3)):
        turned = element_areas_mm2(tuple(spacing[axis] for axis in order))
        for number in range(256):
            voxels = [corner for corner in corners if number >> (corner[0] + 2 * corner[1] + 4 * corner[2]) & 1]
            moved = [[corner[axis] ^ flip for axis, flip in zip(order, flips, strict=True)] for corner in voxels]
            assert turned[sum(1 << (x + 2 * y + 4 * z) for x, y, z in moved)] == pytest.approx(areas[number])


def test_a_slab_shifted_along_a_coarse_axis():
    """Slabs as wide as the volume, one slice of 5 mm apart."""
    lower, upper = mask((4, 4, 8), np.s_[:, :, 1:4]), mask((4, 4, 8), np.s_[:, :, 2:5])
    surfaces = surface_distances(lower, upper, (1.0, 1.0, 5.0))
    assert hausdorff_mm(surfaces) == hausdorff_95_mm(surfaces) == 5
    assert surface_dice(surfaces, 5) == 1
    # The floor, 25 elements, is 5 mm from the upper floor; the ceiling lies inside the upper slab, 0 to 2 mm from its
    # sides (16, 8 and 1 elements); the sides between the two are common to both.
    assert sorted(surfaces.reference_mm) == [0.0] * (2 * 16 + 16) + [1.0] * 8 + [2.0] + [5.0] * 25


@pytest.mark.parametrize(("spacing", "excess"), [(CUBIC, 1.08), ((0.8, 0.8, 2.0), 1.13)])
def test_the_area_of_a_ball(spacing, excess):
    """Facets between the middles of voxels' edges are rough: by definition they have more area than the sphere."""
    radius = 20.0
    axes = np.ogrid[-26:27, -26:27, -26:27]
    ball = sum((axis * step) ** 2 for axis, step in zip(axes, spacing, strict=True)) <= radius**2
    area = surface_distances(ball, ball, spacing).reference_areas_mm2.sum()
    assert area / (4 * math.pi * radius**2) == pytest.approx(excess, abs=0.02)


def test_concentric_balls():
    """Elements stand for all places within half a voxel: what is 3 mm apart is about half a voxel nearer on average."""
    axes = np.ogrid[-14:15, -14:15, -14:15]
    squares = sum(axis**2 for axis in axes)
    surfaces = surface_distances(squares <= 12**2, squares <= 9**2, CUBIC)
    assert average_distance_mm(surfaces) == pytest.approx(2.5, abs=0.1)
    assert hausdorff_mm(surfaces) == pytest.approx(3, abs=0.5)
    assert surface_dice(surfaces, 1.4) == 0
    assert surface_dice(surfaces, 3.5) == 1


def test_hd95_is_the_larger_of_two_percentiles_of_area():
    """One element of ten (10 % of the area) far away on one side decides, though it is 5 % of both sides together."""
    assert hausdorff_95_mm(flat(1, 0)) == hausdorff_95_mm(flat(0, 1)) == 4
    surfaces = flat(0, 0)
    surfaces.prediction_mm[0] = 4
    surfaces.prediction_areas_mm2[0] = 0.01  # small, so 95 % of the area is nearer
    assert hausdorff_95_mm(surfaces) == 1
    assert hausdorff_mm(surfaces) == 4


def test_a_share_that_is_met_exactly_is_met():
    """19 of 20 equal areas are 95 %, whatever rounding makes of their sum."""
    for area in (0.1, 0.3, math.sqrt(3) / 8):
        distances = np.append(np.arange(19.0), 100.0)
        surfaces = SurfaceDistances(distances, np.full(20, area), np.zeros(1), np.ones(1))
        assert hausdorff_95_mm(surfaces) == 18


def test_the_tolerance_forgives_the_rounding_of_a_spacing():
    step = float(np.float32(0.6))
    surfaces = surface_distances(mask((8, 1, 1), 0), mask((8, 1, 1), 5), (step, step, step))
    assert 5 * step > 3
    assert surface_dice(surfaces, 3.0) == 1
    assert surface_dice(surfaces, 2.99) < 1


def test_both_empty_is_undefined():
    nothing = mask((3, 4, 5))
    surfaces = surface_distances(nothing, nothing, CUBIC)
    assert len(surfaces.reference_mm) == len(surfaces.prediction_mm) == 0
    assert all(math.isnan(score) for score in all_scores(surfaces))


@pytest.mark.parametrize("empty", ["reference", "prediction"])
def test_one_empty_is_as_far_as_the_volume_allows(empty):
    masks = {"reference": mask((3, 4, 12), (1, 1, 1)), "prediction": mask((3, 4, 12), (2, 2, 2))}
    surfaces = surface_distances(**masks | {empty: mask((3, 4, 12))}, spacing_mm=(1.0, 1.0, 1.0))
    assert all_scores(surfaces) == pytest.approx((13, 13, 13, 0, 0))
    assert surface_dice(surfaces, 1000) == 0


def test_outside_the_volume_is_outside_the_mask():
    """A mask that touches every border has the surface, and the scores, that it has with room around it."""
    full, part = np.ones((3, 4, 5), bool), mask((3, 4, 5), np.s_[:, :2])
    tight = surface_distances(full, part, (1.0, 2.0, 3.0))
    roomy = surface_distances(np.pad(full, 3), np.pad(part, 3), (1.0, 2.0, 3.0))
    assert len(tight.reference_mm) == 4 * 5 * 6 - 2 * 3 * 4
    assert hausdorff_mm(tight) == 4
    for field in vars(tight):
        np.testing.assert_array_equal(getattr(tight, field), getattr(roomy, field))


def blobs(seed: int) -> list[np.ndarray]:
    """Two masks of six random balls each, with voxels turned over here and there; they touch the border."""
    rng = np.random.default_rng(seed)
    grid = np.indices((18, 15, 12))
    masks = []
    for _ in range(2):
        filled = np.zeros(grid.shape[1:], bool)
        for centre, radius in zip(rng.integers(2, 11, (6, 3)), rng.integers(1, 5, 6), strict=True):
            filled |= ((grid - centre[:, None, None, None]) ** 2).sum(axis=0) <= radius**2
        masks.append(filled ^ (rng.integers(0, 40, filled.shape) == 0))
    return masks


@pytest.mark.parametrize(
    ("seed", "spacing", "areas", "scores"),
    [
        (0, CUBIC, (642.80985403507, 528.17605017178),
         (2.23606797749979, 4.242640687119285, 0.8778730638277, 0.7239168856321, 0.9924898936849)),
        (1, (0.7, 0.9, 2.5), (835.88964619498, 988.95494409498),
         (3.0413812651491, 4.981967482832, 1.0603968416219, 0.5817363081040, 0.9663242207287)),
        (2, (1.5, 0.8, 1.1), (652.75806352871, 770.81047570889),
         (2.720294101747, 5.258326730054, 0.9778205096760, 0.5163526883759, 0.9771191018575)),
    ],
)  # fmt: skip
def test_equals_the_reference_software(seed, spacing, areas, scores):
    """Numbers of surface-distance 0.1 (PyPI) on NumPy 2.4 and SciPy 1.17; ASSD is the area-weighted mean of its two."""
    surfaces = surface_distances(*blobs(seed), spacing)
    assert surfaces.reference_areas_mm2.sum() == pytest.approx(areas[0])
    assert surfaces.prediction_areas_mm2.sum() == pytest.approx(areas[1])
    assert all_scores(surfaces) == pytest.approx(scores, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(pair=PAIRS, spacing=SPACINGS)
def test_distances_are_those_to_the_nearest_element(pair, spacing):
    assume(pair[0].any() and pair[1].any())
    surfaces = surface_distances(*pair, spacing, whole_shape=MANY_SLICES)
    points = []
    for filled in pair:
        room = np.pad(filled, 1)
        windows = np.lib.stride_tricks.sliding_window_view(room, (2, 2, 2)).sum(axis=(3, 4, 5))
        points.append(np.argwhere((windows > 0) & (windows < 8)) * np.array(spacing))
    apart = cdist(points[0], points[1])
    np.testing.assert_allclose(np.sort(surfaces.reference_mm), np.sort(apart.min(axis=1)), atol=1e-5)
    np.testing.assert_allclose(np.sort(surfaces.prediction_mm), np.sort(apart.min(axis=0)), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    pair=PAIRS,
    spacing=SPACINGS,
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.sampled_from([1, -1])] * 3),
    room=st.integers(0, 2),
)
def test_scores_do_not_depend_on_how_the_volume_lies(pair, spacing, order, flips, room):
    """Exchanged, moved, mirrored, turned: the same scores (the diagonal, for an empty mask, is that of the volume)."""
    assume(pair[0].any() and pair[1].any())
    expected = pytest.approx(all_scores(surface_distances(*pair, spacing, whole_shape=MANY_SLICES)), abs=1e-5, rel=1e-5)
    assert all_scores(surface_distances(pair[1], pair[0], spacing, whole_shape=MANY_SLICES)) == expected
    moved = [
        np.pad(
            filled.transpose(order)[tuple(slice(None, None, flip) for flip in flips)], ((room, 1), (2, 0), (0, room))
        )
        for filled in pair
    ]
    turned = tuple(spacing[axis] for axis in order)
    assert all_scores(surface_distances(*moved, turned, whole_shape=MANY_SLICES)) == expected
    in_other_order = surface_distances(np.asfortranarray(moved[0]), moved[1], turned, whole_shape=MANY_SLICES)
    assert all_scores(in_other_order) == expected


@settings(max_examples=60, deadline=None)
@given(pair=PAIRS, spacing=SPACINGS)
def test_scores_keep_their_order(pair, spacing):
    assume(pair[0].any() and pair[1].any())
    surfaces = surface_distances(*pair, spacing)
    largest = hausdorff_mm(surfaces)
    assert 0 <= hausdorff_95_mm(surfaces) <= largest <= np.linalg.norm((np.array(pair[0].shape) + 1) * spacing)
    assert average_distance_mm(surfaces) <= largest + 1e-6
    shares = [surface_dice(surfaces, tolerance) for tolerance in (0.0, 1.0, 3.0, largest)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert all_scores(surface_distances(pair[0], pair[0].copy(), spacing)) == (0, 0, 0, 1, 1)


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"one 3D shape, found \(2, 2, 2\) and \(2, 2, 3\)"):
        surface_distances(mask((2, 2, 2)), mask((2, 2, 3)), CUBIC)
    with pytest.raises(InputError, match="one 3D shape"):
        surface_distances(mask((2, 2)), mask((2, 2)), CUBIC)


def test_labels_are_no_mask():
    with pytest.raises(InputError, match="type bool, found uint8 and bool"):
        surface_distances(np.ones((2, 2, 2), np.uint8), mask((2, 2, 2)), CUBIC)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(InputError, match="three lengths above 0 mm"):
        surface_distances(mask((2, 2, 2)), mask((2, 2, 2)), spacing)


@pytest.mark.parametrize("tolerance", [-1.0, math.nan])
def test_an_impossible_tolerance_is_refused(tolerance):
    with pytest.raises(InputError, match="0 mm or more"):
        surface_dice(flat(0, 0), tolerance)


def test_a_square_in_one_slice_has_a_contour_and_no_faces():
    square = np.zeros((60, 60, 1), bool)
    square[10:40, 10:40] = True
    found = surface_distances(square, np.roll(square, 5, axis=0), (1.0, 1.0, 2.0))
    # Two of the four sides are 5 mm apart, the others lie over each other but for their ends.
    assert hausdorff_mm(found, 95) == 5
    assert surface_dice(found, 1.0) == pytest.approx(0.45, abs=0.05)
    length_mm = found.reference_areas_mm2.sum() / (2 * 2.0)  # two layers of elements, each a wall 2 mm high
    assert length_mm == pytest.approx(4 * 29 + 4 * np.sqrt(0.5))


def test_a_mask_that_fills_a_picture_or_a_line_has_a_surface():
    for shape in ((3, 4, 1), (1, 4, 1), (1, 1, 1)):
        full = np.ones(shape, bool)
        assert surface_dice(surface_distances(full, full, (1.0, 1.0, 1.0)), 1.0) == 1
