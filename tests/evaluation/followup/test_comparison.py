"""Two dates compared: known change found again, the same CT twice, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS
from pneumoseg.evaluation.followup.comparison import DEFINITIONS, compare
from pneumoseg.evaluation.followup.regions import REGIONS, RegionVolume, region_volumes
from tests.evaluation.followup.conftest import dates_of, pair_of


def dice(one, other) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def ml(volume, label) -> float:
    return np.count_nonzero(volume.array == label) * volume.grid.voxel_volume_ml


def found_again(pair, found) -> dict[str, float]:
    return {
        name: dice(pair.change.array == label, found.change.array == label)
        for label, name in enumerate(CHANGE_LABELS.names)
        if label
    }


def test_known_change_is_found_again(patient):
    assert min(found_again(patient.pair, patient.found).values()) >= 0.9
    assert patient.found.similarity.dice > 0.96
    assert patient.found.similarity.detail_correlation > 0.6


def test_known_volumes_are_found_within_three_percent(patient):
    pair, (both, *_) = patient.pair, patient.found.rows
    assert both["infection_baseline_ml"] == pytest.approx(ml(pair.baseline_mask, 3), rel=0.03)
    assert both["infection_follow_up_ml"] == pytest.approx(ml(pair.follow_up_mask, 3), rel=0.03)
    unchanged, new, _ = patient.found.label_map_ml.values()
    assert unchanged + new == pytest.approx(both["infection_follow_up_ml"])


def test_the_label_map_lies_on_the_follow_up(patient):
    pair, change = patient.pair, patient.found.change
    assert change.stored_grid is pair.follow_up_mask.stored_grid
    infected = pair.follow_up_mask.array == 3
    np.testing.assert_array_equal(np.isin(change.array, (1, 2)), infected)


def test_masks_alone_find_the_change_too():
    pair = pair_of(1)
    found = compare(*dates_of(pair, with_ct=False))
    assert min(found_again(pair, found).values()) >= 0.9
    assert found.similarity.detail_correlation is None
    assert not found.with_ct


def test_the_same_ct_twice_is_no_change(patient):
    date, _ = dates_of(patient.pair)
    votes = (region_volumes(date.lungs), region_volumes(date.lungs.with_array(eroded(date.lungs.array))))
    same = replace(date, voters=votes)
    found = compare(same, replace(same, date="follow-up"))
    assert {row["beyond_noise"] for row in found.rows} == {False}
    assert {row["change_ml"] for row in found.rows} == {0.0}
    assert not np.isin(found.change.array, (2, 3)).any()
    assert found.noise_source == "networks"
    assert found.votes == 2


def eroded(labels):
    """A second opinion: no infection on the front half of the CT."""
    other = labels.copy()
    half = other[:, : other.shape[1] // 3]
    half[half == 3] = 1
    return other


def test_a_patient_who_only_moved_has_hardly_any_change():
    pair = pair_of(2, still=True)
    found = compare(*dates_of(pair))
    unchanged, new, resolved = found.label_map_ml.values()
    assert max(new, resolved) < 0.03 * unchanged


def test_a_baseline_without_infection_has_new_infection_alone(patient, registered):
    before, after = dates_of(patient.pair)
    healthy = before.lungs.with_array(np.where(before.lungs.array == 3, 1, before.lungs.array))
    found = compare(replace(before, mask=healthy), after)
    assert found.rows[0]["change_percent"] is None
    assert found.rows[0]["change_ml"] == pytest.approx(ml(patient.pair.follow_up_mask, 3))
    assert set(np.unique(found.change.array)) == {0, 2}


def test_a_follow_up_without_infection_has_resolved_infection_alone(patient, registered):
    before, after = dates_of(patient.pair)
    healed = after.lungs.with_array(np.where(after.lungs.array == 3, 2, after.lungs.array))
    found = compare(before, replace(after, mask=healed))
    assert found.rows[0]["change_percent"] == pytest.approx(-100)
    assert set(np.unique(found.change.array)) == {0, 3}


def test_without_infection_at_both_dates_nothing_changes(patient, registered):
    dates = [
        replace(date, mask=date.lungs.with_array(np.where(date.lungs.array == 3, 2, date.lungs.array)))
        for date in dates_of(patient.pair)
    ]
    found = compare(*dates)
    assert not found.change.array.any()
    assert found.rows[0]["change_ml"] == 0


def test_noise_decides_what_is_beyond(patient, registered):
    before, after = dates_of(patient.pair)
    known = compare(before, after, noise_ml=1000.0)
    assert {row["beyond_noise"] for row in known.rows} == {False}
    assert known.noise_source == "given"
    assert {row["percent_beyond_noise"] for row in known.rows} == {None}
    assert {row["beyond_noise"] for row in patient.found.rows} == {None}
    assert patient.found.noise_source is None


def test_the_spread_of_the_networks_is_the_noise(patient, registered):
    before, after = dates_of(patient.pair)
    votes = [
        tuple(dict.fromkeys(REGIONS, RegionVolume(1000.0, 100.0 + k * spread)) for k in range(2)) for spread in (0, 20)
    ]
    row = compare(replace(before, voters=votes[0]), replace(after, voters=votes[1])).rows[0]
    assert row["noise_ml"] == pytest.approx(4.3027 * 200**0.5, rel=1e-3)
    assert row["noise_percent_points"] == pytest.approx(0.43027 * 2**0.5 * 10, rel=1e-3)


def test_rows_have_the_columns_of_the_definitions(patient):
    assert [row["region"] for row in patient.found.rows] == list(REGIONS)
    assert all(list(row) == list(DEFINITIONS) for row in patient.found.rows)


@pytest.mark.parametrize("with_ct", [True, False], ids=["CTs", "masks"])
def test_two_patients_are_refused(patient, with_ct):
    other = pair_of(1)
    before, _ = dates_of(patient.pair, with_ct=with_ct)
    _, after = dates_of(other, with_ct=with_ct)
    with pytest.raises(InputError, match="are these two patients") as refused:
        compare(before, after)
    assert refused.value.options == (("min_correlation",) if with_ct else ("min_similarity",))


def test_masks_without_lungs_are_refused(patient):
    before, after = dates_of(patient.pair)
    empty = after.lungs.with_array(np.where(after.lungs.array == 3, 3, 0).astype(np.uint8))
    with pytest.raises(InputError, match="follow-up: the mask must have voxels of a lung"):
        compare(before, replace(after, mask=empty))
