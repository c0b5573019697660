"""Masks with numbers of their own."""

import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.label_mapping import LUNG_MAPPING, parse_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume


def written(path, array):
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return path


def test_the_lung_classes_keep_their_order_whatever_their_numbers():
    mapping = parse_labels(["1=lung_right, 2=lung_left", "7=infection"])
    assert mapping.table == LUNG_LABELS
    assert mapping.values == (0, 2, 1, 7)


def test_masks_are_read_as_class_numbers(tmp_path):
    array = np.array([0, 1, 2, 7], np.int16).reshape(2, 2, 1)
    mapping = parse_labels(["1=lung_right", "2=lung_left", "7=infection"])
    read = mapping.read(written(tmp_path / "a.nii.gz", array)).restore()
    assert read.dtype == np.uint8
    assert read.ravel().tolist() == [0, 2, 1, 3]


def test_reading_takes_little_more_memory_than_the_masks(monkeypatch):
    array = (np.arange(64**3, dtype=np.int16) % 4).reshape(64, 64, 64)
    monkeypatch.setattr(reading, "_read_whole", lambda path, choices: Volume.from_source(array, np.eye(4)))
    tracemalloc.start()
    try:
        read = LUNG_MAPPING.read("mask.nii.gz")
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read.array, array)
    assert most_bytes < 2 * array.size


def test_other_classes_and_another_background():
    mapping = parse_labels(["255=background", "0=liver", "4=spleen"])
    assert mapping.table.names == ("background", "liver", "spleen")
    assert mapping.values == (255, 0, 4)


def test_unknown_and_broken_values_are_told(tmp_path):
    path = written(tmp_path / "a.nii.gz", np.array([0, 1, 9], np.int16).reshape(3, 1, 1))
    with pytest.raises(InputError, match=r"0=background, 1=lung_left.*found 9"):
        LUNG_MAPPING.read(path)
    path = written(tmp_path / "b.nii.gz", np.array([0, 1.5, 2], np.float32).reshape(3, 1, 1))
    with pytest.raises(InputError, match=r"found 1\.5"):
        LUNG_MAPPING.read(path)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lung"], "NUMBER=NAME"),
        (["x=lung"], "NUMBER=NAME"),
        (["1="], "NUMBER=NAME"),
        (["1=a", "1=b"], "must be unique"),
        (["1=a,2=a"], "must be unique"),
        (["0=a"], "0 is the background"),
        ([], "from 1 to 254"),
    ],
)
def test_bad_texts(texts, message):
    with pytest.raises(InputError, match=message):
        parse_labels(texts)
