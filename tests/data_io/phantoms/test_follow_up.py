"""A generated patient at two dates: known change, motion, files, refusals."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.phantoms.follow_up import make_follow_up, true_change, write_follow_ups
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS

SHAPE = (64, 60, 48)


@pytest.fixture(scope="module")
def pair():
    return make_follow_up(1, 0, SHAPE)


def ml(volume, label) -> float:
    return np.count_nonzero(volume.array == label) * volume.grid.voxel_volume_ml


def test_each_date_has_a_grid_of_its_own(pair):
    assert pair.baseline_ct.grid is not pair.follow_up_ct.grid
    assert not pair.baseline_ct.grid.matches(pair.follow_up_ct.grid)
    assert pair.follow_up_ct.grid.matches(pair.change.grid)
    assert pair.baseline_ct.array.shape == pair.follow_up_ct.array.shape == SHAPE
    assert pair.baseline_ct.array.dtype == np.int16


def test_change_is_of_every_kind_and_new_and_unchanged_are_the_infection(pair):
    assert set(np.unique(pair.change.array)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(np.isin(pair.change.array, (1, 2)), pair.follow_up_mask.array == 3)
    # Tissue that moved keeps about its volume: what was there is what stayed or resolved.
    assert ml(pair.change, 1) + ml(pair.change, 3) == pytest.approx(ml(pair.baseline_mask, 3), rel=0.15)


def test_lungs_are_larger_after_a_deeper_breath(pair):
    before, after = (
        np.count_nonzero(mask.array) * mask.grid.voxel_volume_ml for mask in (pair.baseline_mask, pair.follow_up_mask)
    )
    assert 1.0 < after / before < 1.2


def test_tissue_is_as_dense_at_both_dates(pair):
    for label in (1, 3):
        before, after = (
            ct.array[mask.array == label].mean()
            for ct, mask in ((pair.baseline_ct, pair.baseline_mask), (pair.follow_up_ct, pair.follow_up_mask))
        )
        assert before == pytest.approx(after, abs=60)


def test_who_keeps_still_has_no_change():
    still = make_follow_up(1, 0, SHAPE, still=True)
    assert set(np.unique(still.change.array)) == {0, 1}
    assert not still.baseline_ct.grid.matches(still.follow_up_ct.grid)


def test_the_same_numbers_give_the_same_patient(pair):
    again = make_follow_up(1, 0, SHAPE)
    np.testing.assert_array_equal(pair.follow_up_ct.array, again.follow_up_ct.array)
    np.testing.assert_array_equal(pair.change.array, again.change.array)


def test_the_patient_is_the_one_of_make_phantom(pair):
    ct, _ = make_phantom(1, 0, SHAPE)
    np.testing.assert_allclose(ct.grid.affine, pair.baseline_ct.grid.affine)
    outside = pair.baseline_mask.array == 0
    assert np.mean(np.abs(ct.array[outside].astype(float) - pair.baseline_ct.array[outside])) < 5


def test_true_change_by_eye():
    before, after = np.array([0, 1, 3, 3, 2, 3]), np.array([3, 1, 3, 1, 3, 0])
    assert true_change(before, after).tolist() == [2, 0, 1, 3, 2, 3]


def test_files_are_written_and_replaced_only_when_asked(tmp_path):
    assert write_follow_ups(tmp_path, 2, shape=(24, 24, 20), seed=1) == ["phantom_001", "phantom_002"]
    pair = make_follow_up(1, 1, (24, 24, 20))
    for date, ct, mask in (
        ("baseline", pair.baseline_ct, pair.baseline_mask),
        ("follow_up", pair.follow_up_ct, pair.follow_up_mask),
    ):
        folder = tmp_path / "phantom_002" / date
        np.testing.assert_array_equal(read_volume(folder / "imaging.nii.gz").array, ct.array)
        np.testing.assert_array_equal(read_labels(folder / "segmentation.nii.gz", LUNG_LABELS).array, mask.array)
    change = read_labels(tmp_path / "phantom_002" / "change.nii.gz", CHANGE_LABELS)
    np.testing.assert_array_equal(change.array, pair.change.array)
    with pytest.raises(InputError, match="the folder must be empty"):
        write_follow_ups(tmp_path, 1, shape=(24, 24, 20))
    write_follow_ups(tmp_path, 1, shape=(24, 24, 20), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["phantom_001"]


def test_a_folder_with_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds something else than such patients, notes\.txt"):
        write_follow_ups(tmp_path, 1, shape=(24, 24, 20), overwrite=True)


@pytest.mark.parametrize(("seed", "index", "shape"), [(-1, 0, SHAPE), (0, -1, SHAPE), (0, 0, (15, 20, 20))])
def test_bad_numbers_are_refused(seed, index, shape):
    with pytest.raises(InputError):
        make_follow_up(seed, index, shape)
