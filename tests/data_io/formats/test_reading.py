"""Formats plug in by a function."""

from zipfile import BadZipFile

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.reading import (
    is_readable,
    mask_values,
    open_scan,
    read_labels,
    read_volume,
    register_reader,
)
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume


def read_npz(path):
    with np.load(path) as content:
        return Volume.from_source(content["hu"], content["affine"])


@pytest.fixture
def npz(monkeypatch):
    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    register_reader("npz", lambda path: path.suffix == ".npz", read_npz)


def test_nifti_is_built_in(tmp_path):
    nib.save(nib.Nifti1Image(np.full((2, 3, 4), -5, np.int16), np.eye(4)), tmp_path / "a.nii")
    assert is_readable(tmp_path / "a.nii")
    assert (read_volume(tmp_path / "a.nii").array == -5).all()


def test_hidden_files_are_not_readable():
    assert not is_readable(".partial-1-a.nii.gz")
    assert not is_readable("._a.nii.gz")


def test_unknown_format_is_refused(tmp_path):
    assert not is_readable("a.npz")
    with pytest.raises(InputError, match=r"a\.npz: no reader .* nifti"):
        read_volume(tmp_path / "a.npz")


def test_registered_reader_reads(tmp_path, npz):
    np.savez(tmp_path / "a.npz", hu=np.ones((2, 3, 4)), affine=np.eye(4))
    assert is_readable(tmp_path / "a.npz")
    assert read_volume(tmp_path / "a.npz").array.shape == (2, 3, 4)
    assert read_labels(tmp_path / "a.npz", 2).array.dtype == np.uint8
    with pytest.raises(InputError, match=r"labels must be 0\.\.0, found 1"):
        read_labels(tmp_path / "a.npz", 1)


def test_the_latest_reader_is_asked_first(tmp_path, npz):
    for name, value in (("other", 2), ("npz", 3)):
        volume = Volume.from_source(np.full((2, 2, 2), value), np.eye(4))
        register_reader(name, lambda path: path.suffix == ".npz", lambda path, volume=volume: volume)
        assert (read_volume(tmp_path / "a.npz").array == value).all()


def read_as_scan(path):
    def slabs():
        with np.load(path) as content:
            yield content["hu"]

    return Scan(Grid((2, 2, 2), np.eye(4)), slabs)


@pytest.mark.parametrize("read", [read_npz, read_as_scan])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ct": [1]}, r"KeyError: .*hu"),
        ({"hu": np.full((2, 2, 2), np.nan), "affine": np.eye(4)}, "found 8 NaN or infinite"),
    ],
)
def test_an_error_of_a_registered_reader_names_the_file(tmp_path, npz, read, content, message):
    path = tmp_path / "a.npz"
    np.savez(path, **content)
    register_reader("npz", lambda path: path.suffix == ".npz", read)
    for opening in (read_volume, lambda path: list(open_scan(path).slabs())):
        with pytest.raises(InputError, match=message) as refusal:
            opening(path)
        assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (BadZipFile("no zip"), r"a\.npz: .*BadZipFile: no zip"),
        (RuntimeError("ITK ERROR:\n  no IO"), r"a\.npz: .*RuntimeError: ITK ERROR: no IO"),
        (PermissionError(13, "denied"), r"a\.npz: .*PermissionError: .*denied"),
        (InputError("the affine must be invertible"), r"a\.npz: the affine must be invertible"),
    ],
)
def test_a_reader_that_fails_does_so_in_one_sentence(tmp_path, npz, fault, message):
    def read(path):
        raise fault

    register_reader("npz", lambda path: path.suffix == ".npz", read)
    with pytest.raises(InputError, match=message) as refusal:
        open_scan(tmp_path / "a.npz")
    assert "\n" not in str(refusal.value)


def test_a_reader_that_returns_something_else_is_refused(tmp_path, npz):
    register_reader("npz", lambda path: path.suffix == ".npz", lambda path: np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match=r"a\.npz: .* returns a Volume or a Scan, found ndarray"):
        read_volume(tmp_path / "a.npz")


def test_slabs_that_do_not_fit_are_refused(tmp_path, npz):
    scan = Scan(Grid((2, 2, 2), np.eye(4)), lambda: iter([np.zeros((3, 3, 3))]))
    register_reader("npz", lambda path: path.suffix == ".npz", lambda path: scan)
    with pytest.raises(InputError, match=r"a\.npz: all slabs of a scan have the shape \(2, 2, n\)"):
        read_volume(tmp_path / "a.npz")


def test_slabs_that_do_not_fill_the_scan_are_refused(tmp_path, npz):
    scan = Scan(Grid((2, 2, 3), np.eye(4)), lambda: iter([np.zeros((2, 2, 2))]))
    register_reader("npz", lambda path: path.suffix == ".npz", lambda path: scan)
    with pytest.raises(InputError, match=r"a\.npz: .*3 planes of its source grid \(2, 2, 3\), found 2;"):
        read_volume(tmp_path / "a.npz")


def test_voxels_of_a_registered_reader_become_float32(tmp_path, npz):
    np.savez(tmp_path / "a.npz", hu=np.ones((2, 3, 4)), affine=np.eye(4))
    assert read_volume(tmp_path / "a.npz").array.dtype == np.float32


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_itk_images_are_built_in(tmp_path, name):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 3, 2), -5, np.int16)), str(tmp_path / name))
    assert is_readable(tmp_path / name)
    assert (read_volume(tmp_path / name).array == -5).all()


def scan_of(*slabs):
    return Scan(Grid((3, 4, 5), np.eye(4)), lambda: iter(slabs))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Volume.from_source(np.zeros((3, 4, 5), complex), np.eye(4)), "plain numbers, found complex128"),
        (Volume.from_source(np.zeros((3, 4, 5), object), np.eye(4)), "plain numbers, found object"),
        (Volume.from_source(np.zeros((3, 4, 5), "U3"), np.eye(4)), "plain numbers, found <U3"),
        (scan_of(np.zeros((3, 4, 5), complex)), "plain numbers, found complex128"),
        (scan_of(np.zeros((3, 2, 5))), r"shape \(3, 4, n\) .* found \(3, 2, 5\)"),
        (scan_of(np.zeros((3, 4))), r"shape \(3, 4, n\) .* found \(3, 4\)"),
        (scan_of(np.zeros((3, 4, 5, 1, 1))), r"shape \(3, 4, n, 1, 1\) .* found \(3, 4, 5, 1, 1\)"),
        (scan_of(np.zeros((3, 4, 2, 3)), np.zeros((3, 4, 3))), r"shape \(3, 4, n, 3\) .* found \(3, 4, 3\)"),
        (
            scan_of(np.zeros((3, 4, 2), np.int16), np.full((3, 4, 3), 70_000, np.int32)),
            r"one data type \(int16\), found \(3, 4, 3\), int32",
        ),
    ],
)
def test_other_voxels_of_a_registered_reader_are_refused(tmp_path, monkeypatch, image, message):
    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    register_reader("mine", lambda path: path.suffix == ".mine", lambda path: image)
    with pytest.raises(InputError, match=rf"a\.mine: .*{message}"):
        list(open_scan(tmp_path / "a.mine").slabs())


@pytest.mark.parametrize(
    "error", [StopIteration(), AssertionError("no magic"), type("ZarrError", (Exception,), {})("x")]
)
def test_any_error_of_a_registered_reader_names_the_file(tmp_path, monkeypatch, error):
    def read(path):
        raise error

    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    register_reader("mine", lambda path: path.suffix == ".mine", read)
    with pytest.raises(InputError, match=rf"a\.mine: the file cannot be read \({type(error).__name__}"):
        read_volume(tmp_path / "a.mine")


def test_images_with_channels_are_read_but_are_no_masks(tmp_path, monkeypatch):
    array = np.arange(3 * 4 * 5 * 2, dtype=np.int16).reshape(3, 4, 5, 2)
    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    for image in (Volume.from_source(array, np.eye(4)), scan_of(array[:, :, :2], array[:, :, 2:])):
        register_reader("mine", lambda path: path.suffix == ".mine", lambda path, image=image: image)
        np.testing.assert_array_equal(read_volume(tmp_path / "a.mine").array, array)
        with pytest.raises(InputError, match=r"a\.mine: a mask has one value a voxel, found 2 channels"):
            read_labels(tmp_path / "a.mine", 2)


def picture(path, values, mode=None):
    image = Image.fromarray(np.array(values, np.uint8))
    (image if mode is None else image.convert(mode)).save(path)
    return path


def row(volume):
    return volume.restore()[:, 0, 0].tolist()


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.jpg"])
def test_pictures_are_built_in(tmp_path, name):
    path = picture(tmp_path / name, np.full((8, 8), 7))
    assert is_readable(path)
    assert (read_volume(path).array == 7).all()
    assert open_scan(path).grid.shape == (8, 8, 1)
    colours = picture(tmp_path / name, np.full((8, 8, 3), (255, 0, 0)))
    assert read_volume(colours).array.shape == (8, 8, 1, 3)
    assert [slab.shape for _, slab in open_scan(colours).slabs()] == [(8, 8, 1, 3)]


def test_a_picture_larger_than_a_ct(tmp_path):
    assert read_volume(picture(tmp_path / "a.png", np.zeros((2, 5000)))).array.shape == (5000, 2, 1)


BINARY = LabelTable(("background", "infection"), ((0, 0, 0), (255, 0, 0)))


@pytest.mark.parametrize("labels", [2, BINARY])
def test_masks_of_two_classes(tmp_path, labels):
    for values in ([[0, 1, 1]], [[0, 255, 255]]):
        assert row(read_labels(picture(tmp_path / "a.png", values), labels)) == [0, 1, 1]
    assert row(read_labels(picture(tmp_path / "a.png", [[0, 255, 255]], "1"), labels)) == [0, 1, 1]
    with pytest.raises(InputError, match=r"a\.png: the mask of two classes has .* found 0, 1, 2"):
        read_labels(picture(tmp_path / "a.png", [[0, 1, 2]]), labels)


def test_masks_of_more_classes_hold_class_numbers(tmp_path):
    assert row(read_labels(picture(tmp_path / "a.png", [[0, 2, 1]]), 3)) == [0, 2, 1]
    with pytest.raises(InputError, match=r"a\.png: labels must be 0\.\.2, found 255; relabel"):
        read_labels(picture(tmp_path / "a.png", [[0, 255]]), 3)


def test_the_numbers_of_the_classes_may_be_given(tmp_path):
    path = picture(tmp_path / "a.png", [[0, 255, 255]])
    assert row(read_labels(path, BINARY, values=(0, 255))) == [0, 1, 1]
    assert row(read_labels(path, BINARY, values=(255, 0))) == [1, 0, 0]


@pytest.mark.parametrize(
    ("values", "merge", "expected"),
    [
        ([0, 1, 2, 3], [(1, 1), (2, 1), (3, 1)], [0, 1, 1, 1]),
        ([0, 255], [(0, 0), (255, 1)], [0, 1]),
        ([0, 255], [(0, 1), (255, 0)], [1, 0]),
        ([0, 128, 1], [(128, 1)], [0, 1, 1]),
        ([0, 255], [(1, 1), (2, 1)], [0, 1]),  # none of these values: as without
        ([0, 0], [(1, 1), (2, 1)], [0, 0]),
    ],
)
def test_values_of_pictures_are_merged(tmp_path, values, merge, expected):
    assert row(read_labels(picture(tmp_path / "a.png", [values]), BINARY, merge=merge)) == expected


def test_once_merged_values_are_class_numbers(tmp_path):
    path = picture(tmp_path / "a.png", [[0, 1, 255]])
    with pytest.raises(InputError, match=r"a\.png: labels must be 0\.\.1, or merged \(1 to 1\), found 255; relabel"):
        read_labels(path, BINARY, merge=[(1, 1)])


def test_merging_counts_more_than_names(tmp_path):
    array = np.array([0, 1, 2], np.int16).reshape(3, 1, 1)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii")
    names = (("infection", (2,)), ("other", (1,)))
    with pytest.raises(InputError, match="found 1"):
        read_labels(tmp_path / "a.nii", BINARY, label_names=names)
    merged = read_labels(tmp_path / "a.nii", BINARY, label_names=names, merge=[(1, 1), (2, 0)])
    assert merged.array.ravel().tolist() == [0, 1, 0]
    for labels in (2, BINARY):
        assert read_labels(tmp_path / "a.nii", labels, merge=[(2, 1)]).array.ravel().tolist() == [0, 1, 1]


def test_values_of_a_mask_whatever_they_stand_for(tmp_path):
    assert mask_values(picture(tmp_path / "a.png", [[0, 200, 255]])) == (0, 200, 255)
    volume = np.array([[[0, 7], [3, 7]]], np.int16)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii.gz")
    assert mask_values(tmp_path / "a.nii.gz") == (0, 3, 7)
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        mask_values(tmp_path / "none.png")
