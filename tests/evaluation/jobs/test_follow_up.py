"""The results of follow-ups."""

import json
from hashlib import sha256

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.noise import noise_of_change
from pneumoseg.evaluation.followup.regions import RegionVolume
from pneumoseg.evaluation.followup.registration import register
from pneumoseg.evaluation.jobs import follow_up as module
from pneumoseg.evaluation.jobs.follow_up import NO_NOISE, follow_up
from pneumoseg.evaluation.jobs.progress import Progress
from pneumoseg.evaluation.jobs.results import listed_results
from tests.evaluation.followup.conftest import pair_of, quick  # noqa: F401
from tests.evaluation.jobs.stub_models import entry

HASH = sha256(b"network").hexdigest()


def silent() -> Progress:
    return Progress(lambda stage, share: True)


def finished(folder, ct, mask, models=HASH):
    """The CT of a finished job and the folder of its results."""
    results = folder / "results"
    results.mkdir(parents=True)
    write_ct_nifti(folder / "ct.nii.gz", ct)
    write_label_nifti(results / "mask.nii.gz", mask, LUNG_LABELS)
    (results / "manifest.json").write_text(json.dumps({"models": {"model.keras": models}}))
    return folder / "ct.nii.gz", results


@pytest.fixture(scope="module")
def pair(quick):  # noqa: F811
    return pair_of(1)


@pytest.fixture
def compared(pair, tmp_path, monkeypatch):
    """A function that compares the dates of `pair` with a registration that is found once; gives the results' folder,
    change.json and the warnings."""
    first = finished(tmp_path / "first", pair.baseline_ct, pair.baseline_mask)
    second = finished(tmp_path / "second", pair.follow_up_ct, pair.follow_up_mask)
    made = tmp_path / "made"
    made.mkdir()

    def done(model=None):
        warnings = follow_up((first[0], second[0]), (first[1], second[1]), made, model=model, progress=silent())
        return made, json.loads((made / "change.json").read_text("utf-8")), warnings

    return done


@pytest.fixture(scope="module")
def known(pair):
    """The registration of the true masks."""
    return register(pair.follow_up_mask, pair.baseline_mask, (pair.follow_up_ct, pair.baseline_ct))


@pytest.fixture
def registered(known, monkeypatch):
    """The registration of the pair is known, which spares the search for it."""
    monkeypatch.setattr("pneumoseg.evaluation.followup.comparison.register", lambda *arguments: known)


def test_the_change_between_two_cts(pair, compared, registered):
    made, content, warnings = compared()
    assert [one.name for one in listed_results(made)] == [
        *("change.nii.gz", "baseline.nii.gz", "follow-up.nii.gz", "figure.png", "change.json", "change.csv"),
        "labels.json",
    ]
    regions = content["regions"]
    truth = [
        np.count_nonzero(one.array == 3) * one.grid.voxel_volume_ml for one in (pair.baseline_mask, pair.follow_up_mask)
    ]
    assert regions[0]["change_ml"] == pytest.approx(truth[1] - truth[0], rel=0.05)
    change = read_labels(made / "change.nii.gz", CHANGE_LABELS)
    np.testing.assert_array_equal(np.isin(change.array, (1, 2)), pair.follow_up_mask.array == 3)
    moved, later = read_volume(made / "baseline.nii.gz"), read_volume(made / "follow-up.nii.gz")
    assert moved.array.shape == later.array.shape
    assert np.corrcoef(moved.array.ravel(), later.array.ravel())[0, 1] > 0.5
    assert regions[0]["beyond_noise"] is None
    assert [warning for warning in warnings if NO_NOISE in warning] == [
        f"the masks are of two models, or of one that is gone: {NO_NOISE}"
    ]


def test_the_model_that_made_both_masks_votes_on_the_noise(compared, registered, tmp_path, monkeypatch, unrendered):
    asked = []

    def votes(dates, models, *, threads):
        asked.append(([date.date for date in dates], models))
        return [tuple({"lungs": RegionVolume(1000.0, infected)} for infected in ml) for ml in ((10, 12), (30, 30))]

    monkeypatch.setattr(module, "votes", votes)
    model = entry(tmp_path, "lungs", "ct")
    _, content, warnings = compared(model)
    assert asked == [(["baseline", "follow-up"], [model.path])]
    assert content["noise"]["source"] == "mirror image"
    assert content["models"] == {"model.keras": HASH}
    lungs = content["regions"][0]
    assert lungs["noise_ml"] == pytest.approx(noise_of_change([10, 12], [30, 30]))
    assert lungs["beyond_noise"] is (abs(lungs["change_ml"]) > lungs["noise_ml"])
    assert not any(NO_NOISE in warning for warning in warnings)


@pytest.mark.parametrize("removed", [False, True])
def test_a_model_that_is_another_now_has_no_vote(compared, registered, tmp_path, monkeypatch, removed, unrendered):
    monkeypatch.delattr(module, "votes")
    model = entry(tmp_path, "lungs", "ct")
    if removed:
        (model.path / "model.keras").unlink()
    else:
        (model.path / "model.keras").write_bytes(b"another network")
    _, content, warnings = compared(model)
    assert content["noise"]["source"] is None
    assert f"the model was changed or removed after it made the masks: {NO_NOISE}" in warnings


def test_masks_alone_and_cts_without_lungs_are_refused(tmp_path):
    array = np.random.default_rng(0).integers(-100, 100, (8, 8, 8)).astype(np.int16)
    ct = Volume.from_source(array, np.diag([2.0, 2.0, 2.0, 1.0]))
    path, results = finished(tmp_path / "job", ct, ct.with_array(np.zeros((8, 8, 8), np.uint8)))
    with pytest.raises(InputError, match="must have voxels of a lung"):
        follow_up((path,) * 2, (results,) * 2, tmp_path, model=None, progress=silent())
