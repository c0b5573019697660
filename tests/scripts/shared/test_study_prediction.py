"""`predict` with networks for whole studies, as its flags and its words."""

import pytest

from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.scripts.shared.study_prediction import is_study_model, refuse_mask_flags


def test_a_segmentation_model_is_none():
    assert not is_study_model([str(bundled_model())], None)
    with pytest.raises(InputError, match="no model there"):
        is_study_model(["nowhere"], None)


def test_flags_for_masks_are_named():
    refuse_mask_flags(tta=False, overlap=None, changes=[])
    with pytest.raises(InputError, match="makes no masks") as refused:
        refuse_mask_flags(tta=True, overlap=0.25, statistics=False)
    assert options_of(refused.value) == ("tta", "overlap")
