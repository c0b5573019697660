"""The change between two jobs."""

import json

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.phantoms.follow_up import make_follow_up
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.jobs.follow_up import follow_up
from pneumoseg.evaluation.jobs.progress import Progress
from pneumoseg.evaluation.jobs.results import listed_results
from tests.evaluation.followup.conftest import SHAPE, quick  # noqa: F401


def silent() -> Progress:
    return Progress(lambda stage, share: True)


def test_the_change_between_two_cts(tmp_path):
    pair = make_follow_up(1, 1, SHAPE)
    for name in ("baseline", "follow_up"):
        write_ct_nifti(tmp_path / f"{name}.nii.gz", getattr(pair, f"{name}_ct"))
        write_label_nifti(tmp_path / f"{name}_mask.nii.gz", getattr(pair, f"{name}_mask"), LUNG_LABELS)
    cts = tmp_path / "baseline.nii.gz", tmp_path / "follow_up.nii.gz"
    masks = tmp_path / "baseline_mask.nii.gz", tmp_path / "follow_up_mask.nii.gz"
    made = tmp_path / "made"
    made.mkdir()
    follow_up(cts, masks, made, progress=silent())
    assert [one.name for one in listed_results(made)] == [
        *("change.nii.gz", "baseline.nii.gz", "follow-up.nii.gz", "figure.png", "change.json", "change.csv"),
        "labels.json",
    ]
    regions = json.loads((made / "change.json").read_text("utf-8"))["regions"]
    truth = [
        np.count_nonzero(one.array == 3) * one.grid.voxel_volume_ml for one in (pair.baseline_mask, pair.follow_up_mask)
    ]
    assert regions[0]["change_ml"] == pytest.approx(truth[1] - truth[0], rel=0.05)
    change = read_labels(made / "change.nii.gz", CHANGE_LABELS)
    np.testing.assert_array_equal(np.isin(change.array, (1, 2)), pair.follow_up_mask.array == 3)
    moved, later = read_volume(made / "baseline.nii.gz"), read_volume(made / "follow-up.nii.gz")
    assert moved.array.shape == later.array.shape
    assert np.corrcoef(moved.array.ravel(), later.array.ravel())[0, 1] > 0.5


def test_masks_alone_and_cts_without_lungs_are_refused(tmp_path):
    array = np.random.default_rng(0).integers(-100, 100, (8, 8, 8)).astype(np.int16)
    ct = Volume.from_source(array, np.diag([2.0, 2.0, 2.0, 1.0]))
    write_ct_nifti(tmp_path / "ct.nii.gz", ct)
    write_label_nifti(tmp_path / "mask.nii.gz", ct.with_array(np.zeros((8, 8, 8), np.uint8)), LUNG_LABELS)
    with pytest.raises(InputError, match="must have voxels of a lung"):
        follow_up((tmp_path / "ct.nii.gz",) * 2, (tmp_path / "mask.nii.gz",) * 2, tmp_path, progress=silent())
