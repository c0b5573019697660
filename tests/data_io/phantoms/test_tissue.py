"""Drawn tissues: HU and labels at known positions, and trees of vessels."""

import numpy as np
import pytest

from pneumoseg.data_io.phantoms import tissue
from pneumoseg.data_io.phantoms.anatomy import Patient


@pytest.fixture(scope="module")
def patient() -> Patient:
    return Patient.random(np.random.default_rng(0))


@pytest.fixture(scope="module")
def fields():
    return tissue.random_fields(np.random.default_rng(1))


def test_air_lungs_and_tissue_have_their_densities(patient, fields):
    x = np.linspace(-190, 190, 39, dtype=np.float32)
    mesh = (x[:, None, None], x[None, :, None], np.array([0.0], np.float32)[None, None])
    hu, labels = np.empty((39, 39, 1), np.float32), np.empty((39, 39, 1), np.uint8)
    tissue.draw_tissues(patient, fields, mesh, hu=hu, labels=labels)
    assert hu[0, 38, 0] == -1000  # in front of the patient
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert set(np.unique(labels[:19])) == {0, 1} and set(np.unique(labels[20:])) == {0, 2}  # left at negative x
    assert np.median(hu[labels > 0]) == pytest.approx(patient.lung_hu, abs=60)
    heart = hu[18, 21, 0]  # 10 mm left of the middle, 20 mm in front
    assert heart == pytest.approx(patient.blood_hu, abs=25)


def test_lattice_points_lie_inside_the_lungs(patient, fields):
    inside = tissue.lung_places(patient, fields, pitch_mm=10.0)
    assert inside.places.shape == (len(inside.lung_level), 3)
    assert (inside.lung_level < 0).all() and (inside.cage_level < -1).all()
    assert (inside.places % 10 == 0).all()
    litres = len(inside.places) * 10**3 / 1e6
    assert 2 < litres < 8


def test_a_tree_reaches_every_point_and_thins_towards_its_leaves():
    points = np.array([[0.0, 0, 10], [0, 0, 20], [5, 0, 30]])
    tree = tissue.grow_tree(np.random.default_rng(0), np.zeros(3), points, leaf_mm=0.5, trunk_mm=2.0)
    assert all((np.linalg.norm(tree.end - point, axis=1) < 1e-9).any() for point in points)
    assert tree.start[0].tolist() == [0, 0, 0]
    first, last = tree.end_radius[0], tree.end_radius[-1]
    assert last == pytest.approx(0.5)
    assert first == pytest.approx(0.5 * 3 ** (1 / tissue.MURRAY_POWER))  # three leaves beyond it


def test_a_trunk_is_no_thicker_than_its_limit():
    points = np.random.default_rng(1).uniform(10, 50, (60, 3))
    tree = tissue.grow_tree(np.random.default_rng(0), np.zeros(3), points, leaf_mm=0.9, trunk_mm=2.0)
    assert tree.end_radius.max() == 2.0
