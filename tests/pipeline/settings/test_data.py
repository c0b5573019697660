"""Settings of the data: defaults, classes, and values that are refused."""

import pytest
from pydantic import ValidationError

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.pipeline.settings.data import (
    AugmentationSettings,
    DataSettings,
    LabelSettings,
    PatchSettings,
    PreprocessingSettings,
)


def test_the_default_classes_are_those_of_the_lungs():
    assert LabelSettings().table == LUNG_LABELS


def test_classes_with_a_mirror_pair_beyond_them_are_refused():
    with pytest.raises(ValueError, match="pair"):
        LabelSettings(names=("background", "lung"), colours=((0, 0, 0), (1, 1, 1)), mirror_pairs=((1, 2),))


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 32), None])
def test_patches_have_two_or_three_axes_or_are_full_images(shape):
    assert PatchSettings(shape=shape, batch=1).shape == shape


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": (64,)}, "two or three numbers"),
        ({"shape": (64, 64, 32, 1)}, "two or three numbers"),
        ({"shape": None, "batch": 2}, "batch must be 1"),
        ({"foreground_share": 1.5}, "less than or equal to 1"),
        ({"foreground_labels": (0,)}, "greater than or equal to 1"),
    ],
)
def test_wrong_patches_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        PatchSettings(**values)


def test_a_grid_is_placed_by_sform_or_qform():
    assert (DataSettings().grid, DataSettings(grid="qform").grid) == ("sform", "qform")
    with pytest.raises(ValidationError, match="'sform' or 'qform'"):
        DataSettings(grid="xform")


@pytest.mark.parametrize(
    "values",
    [{"spacing_mm": (0.01, 1, 1)}, {"spacing_mm": (1, 1, 51)}, {"image_order": 2}, {"window_hu": (250, -1250)}],
)
def test_wrong_preprocessing_is_refused(values):
    with pytest.raises(ValidationError):
        PreprocessingSettings(**values)


def test_equal_ends_switch_a_change_off_and_descending_ones_are_refused():
    assert AugmentationSettings(scale=(1, 1)).scale == (1, 1)
    with pytest.raises(ValidationError, match="ascends"):
        AugmentationSettings(scale=(1.2, 0.8))
