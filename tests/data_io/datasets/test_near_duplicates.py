"""Pictures that look alike are of one patient."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from pneumoseg.data_io.datasets import near_duplicates
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.near_duplicates import alike, with_content_groups


def scene(seed: int) -> np.ndarray:
    """Smooth random structures (120, 100), 40..215."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((120, 100)), 8)
    return 40 + 175 * (field - field.min()) / np.ptp(field)


@pytest.fixture
def save(tmp_path, write_picture):
    return lambda name, array: write_picture(tmp_path / "images" / f"{name}.png", np.clip(array, 0, 255))


def groups(root) -> list[list[str]]:
    by_patient: dict[str, list[str]] = {}
    for case in with_content_groups(open_dataset(root, need_masks=False)):
        by_patient.setdefault(case.patient, []).append(case.name)
    return sorted(by_patient.values())


def test_one_picture_in_two_sizes_windows_and_frames(tmp_path, save):
    first = scene(1)
    save("a", first)
    save("half", np.asarray(Image.fromarray(first).resize((50, 60))))
    save("window", (first - 60) * 1.6)
    save("framed", np.pad(first, ((30, 10), (0, 25))))
    save("noisy", first + np.random.default_rng(0).normal(0, 10, first.shape))
    save("other", scene(2))
    save("turned", first[::-1])
    assert groups(tmp_path) == [["a", "framed", "half", "noisy", "window"], ["other"], ["turned"]]


def test_what_is_alike_to_one_of_a_group_is_of_it(tmp_path, save):
    one, two = scene(1), scene(2)
    for name, share in (("a", 0.0), ("b", 0.3), ("c", 0.5), ("d", 0.7), ("e", 1.0)):
        save(name, (1 - share) * one + share * two)
    assert groups(tmp_path) == [["a", "b", "c", "d", "e"]]


def test_other_proportions_are_another_picture(tmp_path, save):
    save("a", scene(1))
    save("wide", np.asarray(Image.fromarray(scene(1)).resize((150, 120))))
    assert len(groups(tmp_path)) == 2


def test_known_patients_stay_together(tmp_path, save):
    for name, seed in (("a", 1), ("b", 2), ("c", 1), ("d", 3)):
        save(name, scene(seed))
    (tmp_path / "patients.csv").write_text("case,patient\na,P1\nb,P1\nc,P2\nd,P3\n")
    assert groups(tmp_path) == [["a", "b", "c"], ["d"]]


def test_a_blank_picture_is_like_no_other(tmp_path, save):
    for name in "ab":
        save(name, np.full((20, 20), 90.0))
    assert groups(tmp_path) == [["a"], ["b"]]


def test_colours_and_slices_of_volumes_count_as_well(tmp_path, write_picture, write_nifti):
    for name in "ab":
        write_picture(tmp_path / "images" / f"{name}.png", np.stack([scene(4)] * 3, axis=-1))
    assert groups(tmp_path) == [["a", "b"]]
    middle = np.stack([scene(5), scene(6), scene(7)], axis=-1).astype(np.float32)
    for name, array in (("a", middle), ("b", middle[:, :, [0, 1, 0]]), ("c", middle[:, :, [1, 0, 1]])):
        write_nifti(tmp_path / "volumes" / name / "imaging.nii.gz", array)
    assert groups(tmp_path / "volumes") == [["a", "b"], ["c"]]


def test_pairs_are_found_block_by_block(monkeypatch):
    ranks = np.eye(4)[[0, 1, 0, 2, 1]]
    monkeypatch.setattr(near_duplicates, "BLOCK", 2)
    pairs = {(int(one), int(other)) for one, other in zip(*alike(ranks, np.ones(5)), strict=True) if one < other}
    assert pairs == {(0, 2), (1, 4)}


def test_real_pictures(real_data):
    dataset = with_content_groups(open_dataset(real_data / "sirm100", need_masks=False))
    patient = {case.name: case.patient for case in dataset}
    assert patient["train_10"] == patient["train_43"]
    assert patient["test_91"] == patient["train_46"]
    assert patient["test_66"] != patient["test_94"]
