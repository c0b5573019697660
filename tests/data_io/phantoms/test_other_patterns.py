"""Findings that are not COVID-19 change the attenuation as they should, and label nothing as infected."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms.generate import Body, random_streams, scan_range
from pneumoseg.data_io.phantoms.other_patterns import FLUID_HU, OTHERS, draw_other


@pytest.fixture(scope="module")
def drawn():
    rng = random_streams(0, 0)
    body = Body.random(rng)
    _, mesh = scan_range(rng["scan"], body.patient, (40, 40, 32))
    return body, mesh, *body.drawn(mesh)


@pytest.mark.parametrize("kind", OTHERS)
def test_lungs_change_and_nothing_else_does(drawn, kind):
    body, mesh, hu, labels = drawn
    changed, after = hu.copy(), labels.copy()
    draw_other(kind, np.random.default_rng(0), body, mesh, hu=changed, labels=after)
    lungs = labels > 0
    np.testing.assert_array_equal(changed[~lungs], hu[~lungs])
    assert after.max() <= 2
    difference = (changed - hu)[lungs]
    assert np.count_nonzero(difference) > 0.01 * difference.size
    assert (difference.max() <= 0) if kind == "emphysema" else (difference.min() >= 0 or kind == "effusion")


def test_fluid_is_no_lung_and_lies_at_the_back(drawn):
    body, mesh, hu, labels = drawn
    changed, after = hu.copy(), labels.copy()
    draw_other("effusion", np.random.default_rng(1), body, mesh, hu=changed, labels=after)
    fluid = (labels > 0) & (after == 0)
    assert (changed[fluid] == FLUID_HU).all()
    y = np.broadcast_to(mesh[1], hu.shape)
    assert y[fluid].mean() < y[labels > 0].mean() - 20


def test_a_lobar_consolidation_is_on_one_side(drawn):
    body, mesh, hu, labels = drawn
    changed = hu.copy()
    draw_other("lobar", np.random.default_rng(0), body, mesh, hu=changed, labels=labels.copy())
    dense = [np.count_nonzero((changed - hu > 300) & (labels == side)) for side in (1, 2)]
    assert min(dense) == 0 < max(dense)
