"""Pictures and stacks of slices as datasets."""

import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import is_dataset, open_dataset
from pneumoseg.data_io.datasets.picture_layouts import pictures, stack_masks, stacks
from pneumoseg.data_io.errors import InputError

GREY = np.arange(12).reshape(3, 4)


@pytest.fixture
def two_pictures(tmp_path, write_picture):
    """`a` and `b`, of different sizes and formats."""
    write_picture(tmp_path / "images" / "a.png", GREY)
    write_picture(tmp_path / "images" / "b.bmp", np.zeros((5, 6)))
    write_picture(tmp_path / "masks" / "a.png", GREY > 5)
    write_picture(tmp_path / "masks" / "b.png", np.zeros((5, 6)))
    return tmp_path


def test_pictures_are_matched_by_stem(two_pictures):
    dataset = open_dataset(two_pictures)
    assert dataset.layout == "pictures"
    assert [case.name for case in dataset] == ["a", "b"]
    assert [case.patient for case in dataset] == ["a", "b"]
    assert (dataset.case("b").image.name, dataset.case("b").mask.name) == ("b.bmp", "b.png")
    assert is_dataset(two_pictures)


def test_pictures_of_mixed_sizes_are_read(two_pictures):
    shapes = [case.read_image().array.shape[:3] for case in open_dataset(two_pictures)]
    assert shapes == [(4, 3, 1), (6, 5, 1)]
    image, mask = open_dataset(two_pictures).case("a").read_pair(2)
    np.testing.assert_array_equal(mask.array, image.array > 5)


def test_folders_may_be_called_in_the_singular(two_pictures):
    (two_pictures / "images").rename(two_pictures / "image")
    (two_pictures / "masks").rename(two_pictures / "mask")
    assert len(open_dataset(two_pictures)) == 2


def test_another_folder_of_masks_is_named(two_pictures, write_picture):
    for name, size in (("a", (3, 4)), ("b", (5, 6))):
        write_picture(two_pictures / "classes" / f"{name}.png", np.full(size, 2))
    assert open_dataset(two_pictures).case("a").mask.parent.name == "masks"
    assert open_dataset(two_pictures, masks="classes").case("a").mask.parent.name == "classes"
    with pytest.raises(InputError, match=r"no masks in the folder lungs, found classes, masks with pictures; set data"):
        open_dataset(two_pictures, masks="lungs")


def test_a_folder_of_masks_is_for_pictures(tmp_path, write_nifti):
    write_nifti(tmp_path / "a" / "imaging.nii.gz", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(InputError, match="for pictures, found classes for the layout folder per case"):
        open_dataset(tmp_path, False, masks="classes")


def test_image_without_mask_and_the_reverse_are_refused(two_pictures):
    (two_pictures / "masks" / "b.png").rename(two_pictures / "b.png")
    with pytest.raises(InputError, match=r"no mask for b, only an image such as .*b\.bmp; add the mask"):
        open_dataset(two_pictures)
    assert open_dataset(two_pictures, need_masks=False).case("b").mask is None
    (two_pictures / "b.png").rename(two_pictures / "masks" / "b.png")
    (two_pictures / "images" / "b.bmp").unlink()
    with pytest.raises(InputError, match=r"no image for b, only a mask such as .*b\.png; add the image"):
        open_dataset(two_pictures)


def test_images_alone_have_no_masks(two_pictures):
    (two_pictures / "masks").rename(two_pictures.parent / "elsewhere")
    with pytest.raises(InputError, match="no mask for a, b"):
        open_dataset(two_pictures)
    assert len(open_dataset(two_pictures, need_masks=False)) == 2


def test_two_pictures_of_one_stem_are_refused(two_pictures, write_picture):
    write_picture(two_pictures / "images" / "a.jpg", GREY)
    with pytest.raises(InputError, match=r"case a has more than one image: a\.jpg, a\.png"):
        open_dataset(two_pictures)


def test_differing_sizes_are_refused(two_pictures, write_picture):
    write_picture(two_pictures / "masks" / "b.png", np.zeros((5, 7)))
    with pytest.raises(InputError, match=r"case b: .*one shape, found \(6, 5, 1\) and \(7, 5, 1\)"):
        open_dataset(two_pictures).case("b").read_pair(2)


def test_patients_of_pictures(two_pictures):
    (two_pictures / "patients.csv").write_text("case,patient\na,P1\nb,P1\n")
    assert {case.patient for case in open_dataset(two_pictures)} == {"P1"}


def test_values_are_merged_to_classes(two_pictures, write_picture):
    write_picture(two_pictures / "masks" / "a.png", np.array([[0, 1, 2, 3]] * 3))
    case = open_dataset(two_pictures, merge=((1, 1), (2, 1), (3, 1))).case("a")
    assert case.merge == ((1, 1), (2, 1), (3, 1))
    assert sorted(np.unique(case.read_mask(2).array)) == [0, 1]


@pytest.fixture
def stack(tmp_path, write_nifti):
    """A stack `tr` of three slices, 10, 11 and 12 in the file's order, from top to bottom; its mask is 1 in 12."""
    affine = np.diag([1.0, 1.0, -2.0, 1.0])
    values = np.broadcast_to(np.array([10, 11, 12], np.float32), (4, 5, 3))
    write_nifti(tmp_path / "tr_im.nii.gz", values.copy(), affine)
    write_nifti(tmp_path / "tr_mask.nii.gz", (values == 12).astype(np.uint8), affine)
    return tmp_path


def test_every_slice_of_a_stack_is_a_case_in_the_order_of_the_file(stack):
    dataset = open_dataset(stack)
    assert dataset.layout == "stacks of slices"
    assert [case.name for case in dataset] == ["tr_000", "tr_001", "tr_002"]
    assert [case.patient for case in dataset] == ["tr_000", "tr_001", "tr_002"]
    assert [case.slice.volume for case in dataset] == ["tr"] * 3
    for number, case in enumerate(dataset):
        image, mask = case.read_pair(2)
        assert image.array.shape == (4, 5, 1)
        assert np.unique(image.array).tolist() == [10 + number]
        assert np.unique(mask.array).tolist() == [int(number == 2)]
    assert not is_dataset(stack)


def test_patients_of_slices(stack):
    (stack / "patients.csv").write_text("case,patient\ntr_000,P1\ntr_001,P1\ntr_002,P2\n")
    assert [case.patient for case in open_dataset(stack)] == ["P1", "P1", "P2"]


def test_slices_that_differ_in_number_are_refused(stack, write_nifti):
    write_nifti(stack / "tr_mask.nii.gz", np.zeros((4, 5, 2), np.uint8), np.diag([1.0, 1.0, -2.0, 1.0]))
    with pytest.raises(InputError, match=r"case tr: image .*tr_im\.nii\.gz has 3 slices, mask .* has 2; give image"):
        open_dataset(stack)


def test_a_stack_without_mask_is_refused_where_masks_are_needed(stack, write_nifti):
    write_nifti(stack / "val_im.nii.gz", np.zeros((4, 5, 1), np.float32))
    with pytest.raises(InputError, match=r"no mask for val, only an image such as .*val_im\.nii\.gz"):
        open_dataset(stack)
    assert [case.name for case in open_dataset(stack, need_masks=False)][-1] == "val_000"


def test_one_pair_makes_a_folder_of_stacks(stack):
    assert stack_masks(stack) == {stack / "tr_mask.nii.gz"}
    assert pictures(stack) is None
    (stack / "tr_mask.nii.gz").rename(stack / "tr_MASKS.nii.gz")
    assert stacks(stack).masks == {"tr": [stack / "tr_MASKS.nii.gz"]}
    (stack / "tr_MASKS.nii.gz").unlink()
    assert stacks(stack) is None
    assert stack_masks(stack) == set()
