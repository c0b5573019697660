"""Limits below which lungs are not taken for those of one patient."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.followup.similarity import Similarity


def test_with_cts_the_bent_lungs_and_the_vessels_count():
    Similarity(0.7, 0.95, 0.5).check()
    with pytest.raises(InputError, match=r"Dice of at least 0.9 after the registration, found 0.850"):
        Similarity(0.7, 0.85, 0.5).check()
    with pytest.raises(InputError, match=r"correlation of at least 0.16, found 0.100: are these two patients"):
        Similarity(0.95, 0.98, 0.1).check()


def test_of_masks_alone_the_rigid_lungs_count():
    Similarity(0.92, 0.98, None).check()
    with pytest.raises(InputError, match=r"at least 0.92 after the rigid registration, found 0.910.* give the CTs"):
        Similarity(0.91, 0.98, None).check()


def test_lower_limits_let_them_pass():
    Similarity(0.5, 0.6, 0.05).check(0.5, 0.0)
    Similarity(0.5, 0.6, None).check(0.5)


def test_a_patient_is_like_himself(patient):
    found = patient.found.similarity
    assert 0.9 < found.rigid_dice < found.dice <= 1
    assert found.detail_correlation > 0.6
