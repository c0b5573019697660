"""Cases and their image-mask pairs."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.datasets.dataset import Case, Dataset, SliceOf
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS


def save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def pair(folder, image_shape=(4, 4, 4), mask_shape=(4, 4, 4), image_affine=None, mask_affine=None):
    image = save(
        folder / "image.nii.gz", np.arange(np.prod(image_shape), dtype=np.int16).reshape(image_shape), image_affine
    )
    mask = save(
        folder / "mask.nii.gz", (np.arange(np.prod(mask_shape)) % 4).astype(np.uint8).reshape(mask_shape), mask_affine
    )
    return Case("case_1", image, mask, "case_1")


def test_pair_is_read(tmp_path):
    image, mask = pair(tmp_path).read_pair(4)
    assert image.array.dtype == np.int16
    np.testing.assert_array_equal(mask.array, image.array % 4)


def test_other_shape_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"case case_1: .*one shape, found \(4, 4, 4\).*\(4, 4, 5\)"):
        pair(tmp_path, mask_shape=(4, 4, 5)).read_pair(4)


def test_other_place_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"case case_1: .*same place"):
        pair(tmp_path, mask_affine=np.diag([-1.0, 1, 1, 1])).read_pair(4)


def test_pair_is_turned_alike_at_a_tie(tmp_path):
    """Two affines that differ by rounding may be turned differently at 45 degrees; a pair must not be."""
    for wiggle in (1e-7, -1e-7, 3e-7):
        matrices = [
            Rotation.from_euler("z", 45 + turn, degrees=True).as_matrix() for turn in (wiggle * 57, -wiggle * 57)
        ]
        affines = [np.vstack([np.column_stack([matrix, [0, 0, 0]]), [0, 0, 0, 1]]) for matrix in matrices]
        image, mask = pair(tmp_path, (2, 3, 4), (2, 3, 4), *affines).read_pair(4)
        np.testing.assert_array_equal(mask.array, image.array % 4)


def test_errors_name_the_case(tmp_path):
    case = Case("case_1", tmp_path / "none.nii.gz", None, "case_1")
    with pytest.raises(InputError, match=r"case case_1: .*none\.nii\.gz: no such file"):
        case.read_image()
    with pytest.raises(InputError, match="case case_1: a mask is needed"):
        case.read_mask(4)
    with pytest.raises(InputError, match=r"case case_1: .*mask\.nii\.gz: labels must be 0\.\.2, found 3"):
        pair(tmp_path).read_mask(3)


def test_fingerprint_changes_with_either_file(tmp_path):
    case = pair(tmp_path)
    before = case.fingerprint()
    assert case.fingerprint() == before
    save(case.mask, np.zeros((4, 4, 4), np.uint8))
    changed_mask = case.fingerprint()
    save(case.image, np.zeros((4, 4, 4), np.int16))
    assert len({before, changed_mask, case.fingerprint()}) == 3


def with_valid(folder, array, affine=None):
    return replace(pair(folder), valid=save(folder / "valid.nii.gz", array, affine))


def checkerboard(dtype=np.uint8):
    return (np.indices((4, 4, 4)).sum(axis=0) % 2).astype(dtype)


def test_all_voxels_count_without_a_file(tmp_path):
    assert pair(tmp_path).read_valid() is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_voxels_that_count_lie_on_the_grid_of_the_image(tmp_path, dtype):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = 3.0
    case = with_valid(tmp_path, checkerboard(dtype)[::-1], flipped)
    valid = case.read_valid()
    assert valid.array.dtype == np.uint8
    np.testing.assert_array_equal(valid.array, checkerboard())
    assert valid.grid.matches(case.read_image().grid, 0)
    assert valid.stored_grid.shape == (4, 4, 4)
    part = replace(case, slice=SliceOf("case_1", axis=1, index=2)).read_valid()
    np.testing.assert_array_equal(part.array, checkerboard()[:, 2:3])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 4, 5), np.uint8), r"one shape, found \(4, 4, 4\) and \(4, 4, 5\)"),
        (np.full((4, 4, 4), 255, np.uint8), r"must be 0\.\.1, found 255; write 1 where a voxel counts and 0 where"),
        (np.full((4, 4, 4), 0.5, np.float32), r"must be 0\.\.1, found 0\.5"),
        (np.full((4, 4, 4), -1, np.int16), r"must be 0\.\.1, found -1"),
        (np.where(checkerboard() == 1, np.nan, 1).astype(np.float32), "NaN"),
        (np.zeros((4, 4, 4), np.uint8), "no voxel counts"),
        (np.ones((4, 4, 4, 2), np.uint8), r"3 axes, found shape \(4, 4, 4, 2\)"),
    ],
)
def test_wrong_files_of_voxels_that_count_are_refused(tmp_path, array, message):
    case = with_valid(tmp_path, array)
    for one in (case, replace(case, slice=SliceOf("case_1", axis=2, index=0))):
        with pytest.raises(InputError, match=rf"case case_1: .*valid\.nii\.gz.*{message}"):
            one.read_valid()


def test_voxels_that_count_elsewhere_than_the_image_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"case case_1: .*valid\.nii\.gz must lie in the same place"):
        with_valid(tmp_path, checkerboard(), np.diag([2.0, 1, 1, 1])).read_valid()


def test_a_slice_may_have_no_voxel_that_counts(tmp_path):
    array = checkerboard()
    array[:, :, 0] = 0
    case = replace(with_valid(tmp_path, array), slice=SliceOf("case_1", axis=2, index=0))
    assert not case.read_valid().array.any()


def lungs_alone(folder):
    """A case with one voxel of infection whose lungs alone are labelled."""
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[0], mask[1], mask[2, 0, 0] = 1, 2, 3
    case = pair(folder)
    save(case.mask, mask)
    return replace(case, labelled=("lung_left", "lung_right"))


def test_a_class_that_is_not_labelled_is_not_in_the_mask(tmp_path):
    case = lungs_alone(tmp_path)
    message = r"case case_1: .*mask\.nii\.gz: labels_present denies .* than lung_left, lung_right, found 1 of infection"
    for one in (case, replace(case, slice=SliceOf("case_1", axis=2, index=0))):
        with pytest.raises(InputError, match=message):
            one.read_mask(LUNG_LABELS)
    clean = replace(case, slice=SliceOf("case_1", axis=2, index=1))
    assert np.unique(clean.read_mask(LUNG_LABELS).array).tolist() == [0, 1, 2]
    assert case.read_mask(4).array.max() == 3, "numbers alone do not tell which class is which"


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (("infection", "lungs"), "classes are background, lung_left, lung_right, infection, found lungs"),
        (
            ("lung_left", "infection"),
            "lung_left and lung_right change places in mirrored patches; label both or neither",
        ),
        (("background",), "at least one class beside the background"),
    ],
)
def test_wrong_labelled_classes_are_refused(tmp_path, labelled, message):
    with pytest.raises(InputError, match=rf"case case_1: labels_present: {message}"):
        replace(lungs_alone(tmp_path), labelled=labelled).read_mask(LUNG_LABELS)


def test_select_by_name():
    cases = tuple(Case(name, Path(name), None, name) for name in "abc")
    dataset = Dataset(Path("root"), cases, "folder per case")
    assert [case.name for case in dataset.select(["c", "a"])] == ["c", "a"]
    assert dataset.case("b") is cases[1]
    assert len(dataset) == 3
    with pytest.raises(InputError, match="root: no case named d; there are a, b, c"):
        dataset.select(["a", "d"])


def test_a_mask_of_another_orientation_is_turned(tmp_path):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = 3.0
    case = pair(tmp_path, mask_affine=flipped)
    image, mask = case.read_pair(4)
    np.testing.assert_array_equal(mask.array, image.array[::-1] % 4)
    assert mask.stored_grid is image.stored_grid


def test_a_case_may_be_a_slice(tmp_path):
    whole = pair(tmp_path)
    case = replace(whole, slice=SliceOf("case_1", axis=1, index=2))
    image, mask = case.read_pair(4)
    assert image.array.shape == mask.array.shape == (4, 1, 4)
    np.testing.assert_array_equal(image.array, whole.read_image().array[:, 2:3])
    np.testing.assert_array_equal(mask.array, image.array % 4)
    assert image.grid.affine[:3, 3].tolist() == [0, 2, 0]


def test_a_slice_that_the_file_does_not_have_is_refused(tmp_path):
    case = replace(pair(tmp_path, mask_shape=(4, 4, 3)), slice=SliceOf("case_1", axis=2, index=3))
    assert case.read_image().array.shape == (4, 4, 1)
    with pytest.raises(InputError, match=r"case case_1: .*mask\.nii\.gz: slice 3 across axis 2 .*found 3 slices"):
        case.read_mask(4)


def test_a_slice_of_several_channels(tmp_path):
    case = pair(tmp_path)
    case = replace(case, further=(case.image,), slice=SliceOf("case_1", axis=2, index=0))
    assert case.read_image().array.shape == (4, 4, 1, 2)


def test_values_of_the_mask_are_merged(tmp_path):
    case = replace(pair(tmp_path), merge=((2, 1), (3, 1)))
    for one in (case, replace(case, slice=SliceOf("case_1", axis=2, index=2))):
        assert np.unique(one.read_mask(2).array).tolist() == ([0, 1] if one is case else [1])


def test_fingerprint_counts_how_files_are_read(tmp_path):
    case = pair(tmp_path)
    ways = [
        {},
        {"slice": SliceOf("case_1", axis=2, index=0)},
        {"slice": SliceOf("case_1", axis=2, index=1)},
        {"slice": SliceOf("case_1", axis=1, index=1)},
        {"merge": ((2, 1),)},
        {"further": (case.image,)},
        {"valid": case.image},
        {"valid": case.mask},
        {"labelled": ("infection",)},
        {"labelled": ("lung_left", "lung_right")},
    ]
    assert len({replace(case, **way).fingerprint() for way in ways}) == len(ways)


def test_the_grid_of_a_case_is_read_alone(tmp_path):
    oblique = np.array([[0, -2.0, 0, 5], [3, 0, 0, 6], [0, 0, -4, 7], [0, 0, 0, 1]])
    case = pair(tmp_path, (4, 5, 6), image_affine=oblique)
    assert case.read_grid().matches(case.read_image().grid, 0)
    for axis, index in ((0, 2), (1, 0), (2, 5)):
        part = replace(case, slice=SliceOf("case_1", axis, index))
        assert part.read_grid().matches(part.read_image().grid, 0)
        assert part.read_grid().shape[axis] == 1
    with pytest.raises(InputError, match=r"case case_1: .*slice 6 across axis 2 is needed.*found 6 slices"):
        replace(case, slice=SliceOf("case_1", 2, 6)).read_grid()


def test_the_values_of_a_mask_are_those_of_its_file(tmp_path):
    case = replace(pair(tmp_path), merge=((3, 1),))
    assert case.mask_values() == (0, 1, 2, 3)
    assert replace(case, slice=SliceOf("case_1", 0, 0)).mask_values() == (0, 1, 2, 3)
    assert replace(case, mask=None).mask_values() == ()
    (tmp_path / "mask.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"case case_1: .*mask\.nii\.gz"):
        case.mask_values()


def test_pictures_and_slices_are_flat(tmp_path):
    case = pair(tmp_path)
    assert not case.is_flat
    assert replace(case, slice=SliceOf("case_1", 0, 0)).is_flat
    assert replace(case, image=tmp_path / "a.png").is_flat
