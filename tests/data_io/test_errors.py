import doctest
import pickle

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io import errors
from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.errors import InputError, nearest, options_of
from pneumoseg.data_io.formats.reading import read_labels, read_volume


def test_the_example_of_the_class():
    assert doctest.testmod(errors) == (0, 3)


def test_options_cross_processes():
    error = pickle.loads(pickle.dumps(InputError("run: exists already", options=["resume"])))
    assert (str(error), error.options) == ("run: exists already", ("resume",))


def test_other_errors_have_no_options():
    assert options_of(InputError("run: exists already", options=["resume"])) == ("resume",)
    assert options_of(InputError("run: exists already")) == options_of(OSError("no space left")) == ()


def test_the_name_of_a_case_is_added_and_the_options_stay():
    with pytest.raises(InputError, match=r"^case one: labels must be 0\.\.3, found 4$") as error, named("one"):
        raise InputError("labels must be 0..3, found 4", options=["classes"])
    assert error.value.options == ("classes",)


def test_options_of_a_reader_reach_the_caller(tmp_path):
    """A qform that cannot be used, in a NIfTI file whose sform can."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2))
    header.set_sform(np.eye(4), 1)
    header.set_qform(np.eye(4), 1)
    header["quatern_b"] = 2.0  # longer than a unit quaternion
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), None, header), tmp_path / "ct.nii")
    with pytest.raises(InputError, match=r"ct\.nii: the header's qform .*; grid=sform reads it by its sform$") as error:
        read_volume(tmp_path / "ct.nii", grid="qform")
    assert error.value.options == ("grid",)


def test_a_mask_with_further_labels_is_answered_with_the_classes(tmp_path):
    nib.save(nib.Nifti1Image(np.full((2, 2, 2), 7, np.uint8), np.eye(4)), tmp_path / "mask.nii")
    with pytest.raises(InputError, match=r"found 7; relabel the mask or declare the class$") as error:
        read_labels(tmp_path / "mask.nii", 4)
    assert error.value.options == ("labels", "classes")


@pytest.mark.parametrize(
    ("name", "valid", "end"),
    [
        ("epoch", ("epochs", "seed"), "; did you mean epochs?"),
        ("x", ("epochs", "seed"), "; valid names: epochs, seed"),
        ("x", (), ""),
    ],
)
def test_an_unknown_name_is_answered_with_valid_ones(name, valid, end):
    assert nearest(name, valid) == end
