"""A case whose files are read once."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.datasets.dataset import Case, SliceOf
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume


@pytest.fixture
def case(tmp_path) -> Case:
    """A case whose image holds the class numbers of its mask."""
    image, mask = tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"
    for path in (image, mask):
        write_label_nifti(path, Volume.from_source(np.full((4, 4, 2), 3, np.uint8), np.eye(4)), LUNG_LABELS)
    return Case("a", image, mask, "a")


def test_files_are_read_when_asked_for_and_kept(case):
    loaded = LoadedCase(case, LUNG_LABELS)
    assert loaded.image.array.max() == loaded.reference.array.max() == 3
    case.image.unlink()
    assert loaded.image is loaded.image
    with pytest.raises(InputError, match="no such file"):
        _ = pickle.loads(pickle.dumps(loaded)).image


def test_image_and_mask_lie_in_one_place(case):
    write_label_nifti(case.mask, Volume.from_source(np.zeros((4, 4, 2), np.uint8), 2 * np.eye(4)), LUNG_LABELS)
    with pytest.raises(InputError, match=r"case a: .*same place"):
        _ = LoadedCase(case, LUNG_LABELS).reference


def test_a_mask_needs_its_classes(case):
    with pytest.raises(InputError, match="needs its classes"):
        _ = LoadedCase(case).reference


def test_a_slice_of_several_channels_and_its_mask(case):
    part = replace(case, further=(case.image,), slice=SliceOf("a", axis=2, index=1))
    loaded = LoadedCase(part, LUNG_LABELS)
    assert loaded.image.array.shape == (4, 4, 1, 2)
    assert loaded.reference.array.shape == (4, 4, 1)
