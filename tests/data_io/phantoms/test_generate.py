"""Phantom CTs: determinism, anatomy that holds for every patient, files and refusals."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.phantoms import generate as phantom_module
from pneumoseg.data_io.phantoms.generate import make_phantom, write_phantoms
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume

SHAPE = (48, 44, 32)
TINY = (20, 18, 16)


@pytest.fixture(scope="module")
def phantoms() -> list[tuple[Volume, Volume]]:
    """Six patients, small."""
    return [make_phantom(7, index, SHAPE) for index in range(6)]


def world_mm(labels: Volume, chosen: np.ndarray) -> np.ndarray:
    """RAS+ millimetres (n, 3) of the voxels where the array `chosen` holds."""
    return np.argwhere(chosen) @ labels.grid.affine[:3, :3].T + labels.grid.affine[:3, 3]


def test_shape_type_and_labels(phantoms):
    for ct, labels in phantoms:
        assert ct.array.shape == labels.array.shape == SHAPE
        assert ct.array.dtype == np.int16
        assert labels.array.dtype == np.uint8
        assert np.unique(labels.array).tolist() == [0, 1, 2, 3]
        assert ct.stored_grid.matches(labels.stored_grid, 0.0)


def test_same_seed_gives_the_same_bytes(phantoms):
    for first, again in zip(phantoms[2], make_phantom(7, 2, SHAPE), strict=True):
        assert first.array.tobytes() == again.array.tobytes()
        assert np.array_equal(first.stored_grid.affine, again.stored_grid.affine)


@pytest.mark.parametrize(("seed", "index"), [(7, 1), (8, 0)])
def test_another_seed_or_index_is_another_patient(seed, index):
    first, other = make_phantom(7, 0, TINY), make_phantom(seed, index, TINY)
    assert (first[1].array != other[1].array).mean() > 0.005


def test_another_shape_is_the_same_patient(phantoms):
    _, labels = phantoms[0]
    _, finer = make_phantom(7, 0, (64, 64, 40))
    shares = [[float((volume.array == label).mean()) for label in range(4)] for volume in (labels, finer)]
    assert np.abs(np.subtract(*shares)).max() < 0.005


def test_left_lung_lies_to_the_left(phantoms):
    for _, labels in phantoms:
        left, right = (world_mm(labels, labels.array == label)[:, 0] for label in (1, 2))
        assert left.mean() < right.mean() - 80


def test_heart_makes_the_left_lung_smaller_and_the_liver_lifts_the_right_one(phantoms):
    ratios, bases = [], []
    for _, labels in phantoms:
        lungs = labels.array > 0
        left, right = lungs[: SHAPE[0] // 2], lungs[SHAPE[0] // 2 :]
        ratios.append(left.sum() / right.sum())
        # Mean height of the lungs' lower surface, in voxels, over the columns that hold lung.
        bases.append([half.argmax(axis=2)[half.any(axis=2)].mean() for half in (left, right)])
    assert np.mean(ratios) < 0.97
    assert np.mean(bases, axis=0)[1] > np.mean(bases, axis=0)[0]


def test_hounsfield_units_are_those_of_a_chest(phantoms):
    for ct, labels in phantoms:
        air = ct.array[:, -3:][:, :, :3]
        assert abs(float(np.median(air)) + 1000) < 15
        lung = ct.array[(labels.array == 1) | (labels.array == 2)]
        assert -900 < float(np.median(lung)) < -780
        assert np.percentile(ct.array, 99.5) > 200
        assert ct.array.min() >= -1024
        infection = ct.array[labels.array == 3]
        assert float(np.median(infection)) > float(np.median(lung)) + 80
        assert ((ct.array > -150) & (ct.array < 150)).mean() > 0.25


def test_back_of_the_lungs_is_denser_than_the_front(phantoms):
    for ct, labels in phantoms:
        lung = np.isin(labels.array, (1, 2))
        places = np.argwhere(lung)[:, 1]
        values = ct.array[lung]
        front, back = values[places > np.percentile(places, 70)], values[places < np.percentile(places, 30)]
        assert np.median(back) > np.median(front)


def test_class_frequencies_are_near_those_of_patients(phantoms):
    shares = np.array([np.bincount(labels.array.ravel(), minlength=4) / labels.array.size for _, labels in phantoms])
    background, left, right, infection = shares.mean(axis=0)
    assert 0.86 < background < 0.93
    assert 0.03 < left < 0.06
    assert 0.03 < right < 0.06
    assert 0.004 < infection < 0.02
    assert shares[:, 3].max() > 1.5 * shares[:, 3].min()


def test_infection_lies_within_the_lungs_of_the_healthy_patient(phantoms, monkeypatch):
    monkeypatch.setattr(phantom_module.lesions, "random_lesions", lambda *_: [])
    _, healthy = make_phantom(7, 4, SHAPE)
    _, labels = phantoms[4]
    assert not (healthy.array == 3).any()
    assert np.array_equal(labels.array > 0, healthy.array > 0)
    uninfected = labels.array != 3
    assert np.array_equal(labels.array[uninfected], healthy.array[uninfected])


def test_infection_prefers_the_base_the_back_and_the_pleura(phantoms):
    lower, further_back, outward = [], [], []
    for _, labels in phantoms:
        for half in (labels.array[: SHAPE[0] // 2], labels.array[SHAPE[0] // 2 :]):
            lung, infected = np.argwhere(half > 0), np.argwhere(half == 3)
            if len(infected):
                centre, size = lung.mean(axis=0), lung.std(axis=0)
                place = (infected - centre) / size
                lower.append(-place[:, 2].mean())
                further_back.append(-place[:, 1].mean())
                outward.append(np.linalg.norm(place, axis=1).mean())
    assert np.mean(lower) > 0.2
    assert np.mean(further_back) > 0.2
    # All voxels of a lung have a mean distance of about 1.65 from its centre in these units.
    assert np.mean(outward) > 1.75


def test_orientation_and_spacing_vary(phantoms):
    places = [ct.stored_grid for ct, _ in phantoms]
    assert len({place.axis_codes for place in places}) >= 3
    assert len({place.spacing_mm for place in places}) == len(places)


def test_default_spacing_is_field_of_view_by_shape(phantoms):
    for ct, _ in phantoms:
        extent = np.multiply(ct.spacing_mm, ct.array.shape)
        assert 329 < extent[0] < 401
        assert 279 < extent[2] < 321


def test_files_bring_back_the_same_volumes(tmp_path):
    folders = write_phantoms(tmp_path / "out", 2, shape=TINY, seed=5)
    assert [folder.name for folder in folders] == ["phantom_001", "phantom_002"]
    for index, folder in enumerate(folders):
        assert sorted(path.name for path in folder.iterdir()) == ["imaging.nii.gz", "segmentation.nii.gz"]
        ct, labels = make_phantom(5, index, TINY)
        found, mask = (
            read_volume(folder / "imaging.nii.gz"),
            read_labels(folder / "segmentation.nii.gz", len(LUNG_LABELS)),
        )
        assert found.array.dtype == np.int16
        assert np.array_equal(found.array, ct.array)
        assert np.array_equal(mask.array, labels.array)
        assert found.stored_grid.matches(ct.stored_grid, 1e-6)
        assert mask.stored_grid.matches(found.stored_grid, 1e-6)


def test_overwrite_replaces_the_phantoms_and_nothing_else(tmp_path):
    write_phantoms(tmp_path, 2, shape=TINY, seed=1)
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "phantom_001" / "imaging.nii.gz").read_bytes()
    write_phantoms(tmp_path, 1, shape=TINY, seed=2, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "phantom_001"]
    assert (tmp_path / "phantom_001" / "imaging.nii.gz").read_bytes() != before


def test_half_written_case_leaves_no_trace(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(phantom_module, "write_label_nifti", fail)
    with pytest.raises(OSError, match="disk full"):
        write_phantoms(tmp_path / "out", 1, shape=TINY)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("cases", "shape", "seed", "message"),
    [
        (0, TINY, 0, "at least 1"),
        (1, (15, 32, 32), 0, "at least 16"),
        (1, (32, 32, 8), 0, "at least 16"),
        (1, (32, 32), 0, "three axes"),
        (1, TINY, -1, "seed"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_written(tmp_path, cases, shape, seed, message):
    with pytest.raises(InputError, match=message):
        write_phantoms(tmp_path / "out", cases, shape=shape, seed=seed)
    assert not (tmp_path / "out").exists()


def test_negative_index_is_refused():
    with pytest.raises(InputError, match="0 or more"):
        make_phantom(0, -1, TINY)


def test_folder_with_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="overwrite it or choose another name"):
        write_phantoms(tmp_path, 1, shape=TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="found a file"):
        write_phantoms(tmp_path / "out", 1, shape=TINY, overwrite=True)


def test_dicom_series_lie_where_the_files_do(tmp_path):
    write_phantoms(tmp_path / "files", 2, shape=TINY, seed=3)
    folders = write_phantoms(tmp_path / "series", 2, shape=TINY, seed=3, positions=("HFS", "FFP"))
    for folder in folders:
        file = read_volume(tmp_path / "files" / folder.name / "imaging.nii.gz")
        series = read_volume(folder / "dicom")
        assert np.array_equal(series.array, file.array)
        assert file.grid.matches(series.grid, 1e-4)
