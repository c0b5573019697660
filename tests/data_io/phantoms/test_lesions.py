"""Lesions: normalised radius, infected share, and drawing within the lungs only."""

from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.phantoms import tissue
from pneumoseg.data_io.phantoms.anatomy import Fields, Patient, SmoothField
from pneumoseg.data_io.phantoms.lesions import INFECTION, Lesion, draw_lesion, random_lesions

NONE = SmoothField(np.zeros((43, 43, 43), np.float32), 12.0)
NO_FIELDS = Fields(NONE, NONE, NONE)


def open_mesh(count: int, spacing_mm: float = 1.0):
    axis = ((np.arange(count) - (count - 1) / 2) * spacing_mm).astype(np.float32)
    return axis[:, None, None], axis[None, :, None], axis[None, None, :]


def ball(radius_mm: float, core_hu: float = np.nan) -> Lesion:
    return Lesion(
        centre=np.zeros(3),
        radii=np.full(3, radius_mm),
        axes=np.eye(3),
        edge_mm=2.0,
        value_hu=-500.0,
        core_hu=core_hu,
    )


def test_the_normalised_radius_is_one_on_the_surface():
    lesion = replace(ball(1.0), radii=np.array([1.0, 2.0, 4.0]))
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 8]])
    assert lesion.shells(tuple(points.T)).tolist() == [0, 1, 1, 2]


def test_a_lesion_is_drawn_in_the_lung_only():
    labels = np.zeros((31, 31, 31), np.uint8)
    labels[15:] = 2
    hu = np.where(labels > 0, -850.0, 40.0).astype(np.float32)
    draw_lesion(ball(8.0), NO_FIELDS, open_mesh(31), hu=hu, labels=labels)
    half_ball = (labels == INFECTION).sum()
    assert half_ball == pytest.approx(4 / 3 * np.pi * 8**3 / 2, rel=0.12)
    assert not labels[:15].any() and (hu[:15] == 40).all()
    assert -600 < hu[16, 15, 15] < -500
    assert hu[30, 0, 0] == -850


def test_a_core_is_denser_than_the_rim():
    labels = np.full((31, 31, 31), 1, np.uint8)
    hu = np.full(labels.shape, -850, np.float32)
    draw_lesion(ball(10.0, core_hu=0.0), NO_FIELDS, open_mesh(31), hu=hu, labels=labels)
    assert hu[15, 15, 15] > -150
    assert -620 < hu[23, 15, 15] < -480


def test_a_lesion_beyond_the_scan_changes_nothing():
    labels, hu = np.full((9, 9, 9), 1, np.uint8), np.full((9, 9, 9), -850, np.float32)
    lesion = replace(ball(5.0), centre=np.full(3, 99.0))
    draw_lesion(lesion, NO_FIELDS, open_mesh(9), hu=hu, labels=labels)
    assert (labels == 1).all() and (hu == -850).all()


def test_random_lesions_cover_a_plausible_share_of_the_lungs():
    patient = Patient.random(np.random.default_rng(3))
    inside = tissue.lung_places(patient, tissue.random_fields(np.random.default_rng(4)), pitch_mm=8.0)
    lesions = random_lesions(np.random.default_rng(5), patient, inside)
    assert 2 <= len(lesions) <= 8
    radii = [lesion.shells(tuple((inside.places - lesion.centre).T)) for lesion in lesions]
    assert 0.01 <= (np.min(radii, axis=0) < 1).mean() <= 0.39
    for lesion in lesions:
        assert np.allclose(lesion.axes @ lesion.axes.T, np.eye(3), atol=1e-9)
